"""What one run works with: plain values and the crawler's own objects, read once and handed to the spider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from crawler.clock import ServerClocks
from crawler.egress import Egress
from crawler.extract import Anchor
from crawler.frontier import Frontier
from crawler.readers import Readers
from crawler.recorder import Recorder
from crawler.render import Renderer
from crawler.rendering import Rendering
from data.records import Run
from data.store import Store


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a crawl stands: pages by what became of them, how many a browser showed, hits asked for again as other visitors."""

    counts: Mapping[str, int]
    rendered: int
    unseen: int
    visits: int
    visited: int


@dataclass
class Job:
    """All that one run's spider works with; plain values and the rooms' own objects, read once."""

    run: Run
    store: Store
    recorder: Recorder
    frontier: Frontier
    egress: Egress
    renderer: Renderer
    rendering: Rendering
    scope: frozenset[str]
    outward: bool
    max_depth: int
    readers: Readers
    promise: Callable[[float, Anchor], float]
    progress: Callable[[Progress], None]
    fetcher: str = f"Scrapy {version('scrapy')}"
    rendered: int = 0
    unseen: int = 0
    visits: int = 0
    visited: int = 0
    stopped: str = ""
    clocks: ServerClocks = field(default_factory=ServerClocks)
    remarks: dict[str, str] = field(default_factory=dict)  # URL: what the report has to say of it, beside its pages

    def tell(self) -> None:
        """Report where the crawl stands."""
        self.progress(Progress(dict(self.frontier.counts), self.rendered, self.unseen, self.visits, self.visited))

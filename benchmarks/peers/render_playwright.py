"""Pages in a browser the usual way: scrapy-playwright, a fresh context for each. Prints the seconds they took.

The time runs from the end of a first page, when the browser has started, to the end of the last.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.http import Response


class RenderSpider(scrapy.Spider):
    name = "render"
    started = ended = 0.0

    def __init__(self, urls: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first, *self.others = Path(urls).read_text().split()

    async def start(self) -> AsyncIterator[scrapy.Request]:
        yield self.shown(self.first, 0, self.begin)

    def shown(self, url: str, number: int, then: Any) -> scrapy.Request:
        meta = {"playwright": True, "playwright_include_page": True, "playwright_context": f"page-{number}"}
        return scrapy.Request(url, callback=then, meta=meta, dont_filter=True)

    async def begin(self, response: Response) -> Any:
        await response.meta["playwright_page"].context.close()
        self.started = time.perf_counter()
        for number, url in enumerate(self.others, 1):
            yield self.shown(url, number, self.parse)

    async def parse(self, response: Response) -> None:
        await response.meta["playwright_page"].context.close()
        self.ended = time.perf_counter()

    def closed(self, _: str) -> Iterator[None]:
        print(self.ended - self.started)
        return iter(())

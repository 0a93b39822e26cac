"""When to render: on a mixed web whose truth is known, how many pages that need a browser get none, at what cost?

    python -m benchmarks.rendering [--quick] [--json]

The web (``benchmarks/_mixedweb.py``) is 460 pages on 23 hosts; on about one in six only a browser shows the text. It is
crawled by ``takedown crawl`` as anybody would; a page is missed when the end of its own text is not in its capture. The
peer ``never`` crawls the same web without a browser; rendering everything takes a render a page and misses nothing that
this web holds. ``--quick``: one host of each sort.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks._mixedweb import SCRIPTED, Sheet, serve, sheets
from benchmarks._report import Figure, tell
from data.store import Store


@dataclass(frozen=True, slots=True)
class Crawled:
    """What one crawl of the web gave: pages with a capture, pages rendered, kinds and number of pages missed."""

    pages: int
    rendered: int
    missed: dict[str, int]
    sample: dict[str, int]
    seconds: float
    fruitless: Counter[str]

    def missed_of(self, kinds: object) -> int:
        return sum(count for kind, count in self.missed.items() if kind in kinds)  # type: ignore[operator]


def crawl(web: list[Sheet], port: int, render: str) -> Crawled:
    """Crawl the web with the real command."""
    with tempfile.TemporaryDirectory() as folder:
        home, seeds = Path(folder) / "var", Path(folder) / "seeds.txt"
        home.mkdir()
        (home / "config.yml").write_text("crawl: {delay: 0}\n", "utf8")
        seeds.write_text("".join(f"http://{host}/\n" for host in sorted({sheet.host for sheet in web})), "utf8")
        started = time.perf_counter()
        subprocess.run(
            [
                sys.executable, "-m", "takedown", "--home", str(home), "crawl", "--seeds", str(seeds), "--max-depth", "1",
                "--connect-to", f"::127.0.0.1:{port}", "--render", render, "--no-visitors",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        by_url = {sheet.url: sheet for sheet in web}
        seen: set[str] = set()
        shown: set[str] = set()
        rendered: set[str] = set()
        with Store(home) as store:
            for capture in store.captures():
                seen.add(capture.url)
                if capture.dom:
                    rendered.add(capture.url)
                if capture.url in by_url and by_url[capture.url].proof in capture.text:
                    shown.add(capture.url)
            sample = dict(store.runs()[0].report["rendering"])
    missed = Counter(sheet.kind for url, sheet in by_url.items() if url not in shown)
    fruitless = Counter(by_url[url].kind for url in rendered & set(by_url) if by_url[url].kind not in SCRIPTED)
    return Crawled(len(seen), len(rendered), dict(missed), sample, seconds, fruitless)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    web = sheets(options.quick)
    needing = sum(sheet.kind in SCRIPTED for sheet in web)
    with serve(web) as port:
        ours = crawl(web, port, "auto")
        never = crawl(web, port, "never")
    print(f"missed: {ours.missed}; rendered for nothing: {dict(ours.fruitless)}", file=sys.stderr)
    sampled = ours.sample["sampled"]
    figures = [
        Figure("pages", ours.pages, "" if options.quick else ">= 400"),
        Figure("pages whose text needs a browser", needing),
        Figure(
            "of those missed, share",
            ours.missed_of(SCRIPTED) / needing,
            "<= 0.01",
            f"never: {never.missed_of(SCRIPTED) / needing:.3g}, everything: 0 by the web's making",
        ),
        Figure("other pages whose text is missing", sum(ours.missed.values()) - ours.missed_of(SCRIPTED), "= 0"),
        Figure(
            "renders, share of rendering everything",
            ours.rendered / ours.pages,
            "" if options.quick else "<= 0.25",
            "never: 0, everything: 1",
        ),
        Figure("miss rate in the run's own sample", ours.sample["missed"] / max(sampled, 1), "", f"of {sampled} pages"),
        Figure("seconds", ours.seconds, "", f"never: {never.seconds:.3g}"),
    ]
    return tell("rendering", "When to render", figures, as_json=options.json, write=not options.quick)


if __name__ == "__main__":
    sys.exit(main())

"""When to render: on a mixed web whose truth is known, how many pages that need a browser get none, at what cost?

    python -m benchmarks.rendering [--quick] [--json]

Then, how many pages a second does the browser show, beside scrapy-playwright with a fresh context for each page and as many at
once, on the build of Chromium that we prefer and on the one with a window?

The web (``benchmarks/_mixedweb.py``) is 460 pages on 23 hosts; on about one in six only a browser shows the text. It is
crawled by ``takedown crawl`` as anybody would; a page is missed when the end of its own text is not in its capture. The
peer ``never`` crawls the same web without a browser; rendering everything takes a render a page and misses nothing that
this web holds. ``--quick``: one host of each sort.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks._mixedweb import SCRIPTED, Sheet, answers, sheets
from benchmarks._peers import PEERS, interpreter
from benchmarks._report import Figure, tell
from benchmarks._serve import serve
from crawler import render
from crawler.egress import ConnectTo, Egress
from crawler.render import Renderer, find_chromium, sandbox_arguments
from data.facts import profiles
from data.store import Store

AT_ONCE = 4
PAGES = 60
SHOWN = ("article", "vue", "react", "tabs", "written", "packed", "index")


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


def speed(pages: int, *, quick: bool) -> list[Figure]:
    """Pages a second that a browser shows: ours with DOM, screenshot and all that was loaded, the peer's without."""
    python = interpreter(f"playwright=={version('playwright')}", f"scrapy=={version('scrapy')}", "scrapy-playwright")
    builds = {Path(path).name: path for path in (find_chromium(), shutil.which("chromium")) if path}
    ours: dict[str, float] = {}
    peer: dict[str, float] = {}
    web = [Sheet("show.test", number, kind) for number in range(pages + 1) for kind in (SHOWN[number % len(SHOWN)],)]
    with serve(answers(web)) as port:
        for _ in range(1 if quick else 2):
            for name, path in builds.items():
                ours[name] = max(ours.get(name, 0.0), asyncio.run(show(web, port, path)))
                peer[name] = max(peer.get(name, 0.0), show_by_peer(python, web, port, path))
    best, usual = next(iter(builds)), list(builds)[-1]
    goal = "" if quick else ">= 1.5"
    figures = [
        Figure(f"pages a second shown, {name}", ours[name], "", f"scrapy-playwright, same build: {peer[name]:.3g}")
        for name in builds
    ]
    return [
        *figures,
        Figure(f"ours on {best} beside scrapy-playwright on {usual}", ours[best] / peer[usual], goal),
        Figure("ours beside scrapy-playwright, same build", ours[best] / peer[best], goal),
    ]


async def show(web: list[Sheet], port: int, browser: str) -> float:
    render.find_chromium = lambda: browser
    renderer = Renderer(Egress((ConnectTo.parse(f"::127.0.0.1:{port}"),)), profiles()[0], slots=AT_ONCE)
    try:
        await renderer.view(web[0].url)
        started = time.perf_counter()
        await asyncio.gather(*(renderer.view(sheet.url) for sheet in web[1:]))
        return (len(web) - 1) / (time.perf_counter() - started)
    finally:
        await renderer.close()


def show_by_peer(python: Path, web: list[Sheet], port: int, browser: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        urls = Path(folder) / "urls.txt"
        urls.write_text("\n".join(sheet.url for sheet in web))
        launch = {
            "executable_path": browser,
            "args": [*sandbox_arguments(), "--disable-gpu", f"--host-resolver-rules=MAP * 127.0.0.1:{port}"],
        }
        settings = {
            "LOG_ENABLED": "0", "CONCURRENT_REQUESTS": AT_ONCE, "CONCURRENT_REQUESTS_PER_DOMAIN": AT_ONCE,
            "PLAYWRIGHT_MAX_CONTEXTS": AT_ONCE, "PLAYWRIGHT_LAUNCH_OPTIONS": json.dumps(launch), "DOWNLOAD_DELAY": 0,
            "DOWNLOAD_HANDLERS": '{"http": "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"}',
            "TWISTED_REACTOR": "twisted.internet.asyncioreactor.AsyncioSelectorReactor",
        }  # fmt: skip
        options = [text for name, value in settings.items() for text in ("-s", f"{name}={value}")]
        command = [python, "-m", "scrapy", "runspider", PEERS / "render_playwright.py", "-a", f"urls={urls}", *options]
        said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return (len(web) - 1) / float(said)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    web = sheets(options.quick)
    needing = sum(sheet.kind in SCRIPTED for sheet in web)
    with serve(answers(web)) as port:
        ours = crawl(web, port, "auto")
        never = crawl(web, port, "never")
    print(f"missed: {ours.missed}; rendered for nothing: {dict(ours.fruitless)}", file=sys.stderr)
    sampled = ours.sample["sampled"]
    figures = [
        *speed(12 if options.quick else PAGES, quick=options.quick),
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

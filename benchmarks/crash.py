"""Killed again and again: does a crawl lose a URL, leave half a capture, or break an archive?

    python -m benchmarks.crash [--kills 50] [--quick] [--json]

A web of 2,000 pages on 20 hosts, forty of them readable only in a browser, is crawled by ``takedown crawl`` while the
process is killed with ``kill -9`` at random instants; then it is left to finish. ``--quick``: 200 pages, 5 kills.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from benchmarks._report import Figure, tell
from benchmarks._serve import serve
from data.archive import EvidenceError, read_piece
from data.store import Store

WORDS = "今日行情交易注册下载新闻提醒课程警方报道平台用户合约现货钱包银行法院研究数据接口游戏基金公告"
SCRIPTED_EVERY = 50


def page(host: int, number: int, pages: int) -> str:
    """One page of the web: links to its two children in its host's tree, and enough text of its own."""
    chance = random.Random(host * 100_003 + number)  # noqa: S311
    links = "".join(f'<a href="p{child}">{child}</a> ' for child in (2 * number + 1, 2 * number + 2) if child < pages)
    words = "".join(chance.choice(WORDS) for _ in range(400))
    body = f"<h1>第{host}号站第{number}页</h1><p>{words}</p>"
    if number % SCRIPTED_EVERY == SCRIPTED_EVERY - 1:
        body = f'<div id="app"></div><script>document.getElementById("app").innerHTML = {body!r}</script>'
    return f"<!doctype html><html lang=zh><head><meta charset=utf-8><title>{host}-{number}</title></head><body>{body}{links}</body></html>"


def answer(host: str, path: str, pages: int) -> tuple[int, str, str]:
    """Our crawl asks for http://h7.test/p3, the peer, which has no --connect-to, for http://127.0.0.1/h7/p3."""
    name = host.partition(".")[0]
    if path.startswith("/h"):
        name, _, path = path[1:].partition("/")
        path = f"/{path}"
    number = int(path[2:] or 0) if path.startswith("/p") else (0 if path == "/" else -1)
    known = 0 <= number < pages
    site = int(name[1:]) if name[1:].isdigit() else 0
    return (200, "text/html", page(site, number, pages)) if known else (404, "text/html", "none")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    hosts, pages, kills = (5, 40, 5) if options.quick else (20, 100, options.kills)
    chance = random.Random(options.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder, serve(lambda host, path, _: answer(host, path, pages)) as port:
        home, seeds = Path(folder) / "var", Path(folder) / "seeds.txt"
        home.mkdir()
        (home / "config.yml").write_text("crawl: {delay: 1.0}\n", "utf8")
        seeds.write_text("".join(f"http://h{host}.test/\n" for host in range(hosts)), "utf8")
        command = [
            sys.executable, "-m", "takedown", "--home", str(home), "crawl", "--seeds", str(seeds), "--max-depth", "20",
            "--connect-to", f"::127.0.0.1:{port}",
        ]  # fmt: skip
        done = killed = 0
        while killed < kills and not done:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                # The first two seconds are spent importing; most kills fall after them, some within.
                done = process.wait(timeout=chance.uniform(1.0, 6.0)) == 0
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
        if not done:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        figures = [
            Figure("kills while it ran", killed, "" if options.quick else f">= {kills}"),
            *examine(home, hosts, pages),
        ]
        lost = jobdir(Path(folder), hosts, pages, port)
    figures[2] = replace(figures[2], peer=f"Scrapy with JOBDIR, one kill: {lost}")
    return tell("crash", "Killed while crawling", figures, as_json=options.json, write=not options.quick)


def jobdir(folder: Path, hosts: int, pages: int, port: int) -> int:
    """How many URLs a plain Scrapy crawl with JOBDIR has lost after a single ``kill -9`` and a second start."""
    out = folder / "jobdir.txt"
    out.touch()
    command = [
        sys.executable, "-m", "scrapy", "runspider", str(Path(__file__).parent / "peers" / "jobdir.py"), "-s", f"JOBDIR={folder / 'job'}",
        "-s", "LOG_ENABLED=0", "-s", "DOWNLOAD_DELAY=0", "-s", "ROBOTSTXT_OBEY=0",
        "-a", f"hosts={hosts}", "-a", f"port={port}", "-a", f"out={out}",
    ]  # fmt: skip
    # Elsewhere than in this project, whose own settings are not the peer's.
    quiet: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **quiet)
    while process.poll() is None and out.read_text().count("\n") < hosts * pages // 5:
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=False, **quiet)
    return hosts * pages - len(set(out.read_text().split()))


def examine(home: Path, hosts: int, pages: int) -> list[Figure]:
    """What the killed crawl left, against what the web holds."""
    expected = {f"http://h{host}.test/" + (f"p{n}" if n else "") for host in range(hosts) for n in range(pages)}
    half = 0
    captured: Counter[str] = Counter()
    with Store(home) as store:
        for capture in store.captures():
            captured[capture.url] += 1
            for piece in (capture.payload, capture.dom, capture.screenshot):
                try:
                    if piece is not None:
                        read_piece(home, piece)
                except EvidenceError:
                    half += 1
    archives = sorted((home / "archives").rglob("*.warc.gz"))
    checker = Checker(argparse_like(archives))
    broken = sum(1 for path in archives if check(checker, path))
    # Each life of the process writes files of its own, and on this web it leases no URL twice. What the crawler fetched
    # has a metadata record each; what the browser asked for once more, to show the page, has not.
    archived: Counter[str] = Counter()
    twice = 0
    for path in archives:
        with path.open("rb") as stream:
            here = Counter(
                record.rec_headers.get_header("WARC-Target-URI")
                for record in ArchiveIterator(stream)
                if record.rec_type == "metadata"
                and record.rec_headers.get_header("WARC-Concurrent-To")
                and not record.rec_headers.get_header("WARC-Target-URI").endswith("robots.txt")
            )
        twice += sum(n > 1 for n in here.values())
        archived.update(here)
    return [
        Figure("pages", len(expected)),
        Figure("URLs lost", len(expected - set(captured)), "= 0"),
        Figure("captures half-written", half, "= 0"),
        Figure("URLs captured twice", sum(n > 1 for n in captured.values()), "= 0"),
        Figure("URLs archived twice under one lease", twice, "= 0"),
        Figure("archives that fail warcio check", broken, "= 0"),
        Figure("archives", len(archives)),
        Figure("pages fetched again because of a kill", sum(max(archived[url] - 1, 0) for url in expected)),
    ]


def argparse_like(paths: list[Path]) -> argparse.Namespace:
    """What warcio's checker expects of its command line."""
    return argparse.Namespace(inputs=[str(path) for path in paths], verbose=False)


def check(checker: Checker, path: Path) -> bool:
    """Whether warcio's own check finds a fault in the file."""
    checker.exit_value = 0
    checker.process_one(str(path))
    return bool(checker.exit_value)


if __name__ == "__main__":
    sys.exit(main())

"""Pages a second with full evidence, beside bare Scrapy and Crawlee with none; then memory and cost over 100,000 URLs.

    python -m benchmarks.crawl [--rounds 3] [--quick] [--json]

The web is the Debian handbook in all its languages (package ``debian-handbook``, 3,302 pages) on nginx. Each crawler
starts from the same 26 pages with the same number of requests at once; the time runs from the first page found by a link,
by nginx's log, to the last one, for ours to the end of the run. Of ``--rounds`` rounds in turn each one's quickest counts. A page that needs
a browser takes a second of one, so that is measured by ``benchmarks.rendering``: here nothing is rendered.

The 100,000 URLs are a tree of short pages that nginx makes up. Needs Linux, nginx, and Debian's packages for the
handbook; the peers are installed into an environment of their own beside this one's. ``--quick``: three languages of
the handbook, 3,000 URLs, no goals.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks._peers import KEPT, PEERS, interpreter
from benchmarks._report import Figure, tell
from data.store import Store

HANDBOOK = "usr/share/doc/debian-handbook/html"
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
AT_ONCE = 16
URLS, QUICK_URLS = 100_000, 3_000
SAMPLE_SECONDS = 0.25
CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format times '$msec $status $uri'; access_log {folder}/access.log times;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  types {{ text/html html; text/css css; image/png png; }}
  default_type text/html; keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port}; {places} }}
}}
"""
# A page is named by a number and leads to the ten that are one digit longer.
TREE = """
    location ~ "^/(?<number>\\d{{0,4}})$" {{ return 200 '<!doctype html><meta charset=utf-8><title>$number</title><p>{text}</p>{links}'; }}
    location ~ "^/\\d{{5}}$" {{ return 200 '<!doctype html><meta charset=utf-8><title>leaf</title><p>{text}</p>'; }}
    location / {{ return 404; }}
""".format(
    text="The harbour opens at six, and the first ferry leaves with the tide. " * 8,
    links="".join(f'<a href="/${{number}}{digit}">{digit}</a> ' for digit in range(10)),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("nginx") is None or shutil.which("dpkg") is None or sys.platform != "linux":
        print("Nothing measured: this needs Linux with dpkg and nginx (apt-get install nginx-light).")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        figures = [
            *handbook(folder, 1 if options.quick else options.rounds, quick=options.quick),
            *many(folder, QUICK_URLS if options.quick else URLS, quick=options.quick),
        ]
    return tell("crawl", "Pages a second", figures, as_json=options.json, write=not options.quick)


# -- the handbook, three crawlers ----------------------------------------------------------------------------------


def handbook(folder: Path, rounds: int, *, quick: bool) -> list[Figure]:
    root, python = unpacked() / HANDBOOK, interpreter(f"scrapy=={version('scrapy')}", "crawlee[parsel]")
    languages = ["zh-CN", "zh-TW", "en-US"] if quick else sorted(path.name for path in root.iterdir())
    rates: dict[str, list[float]] = {"scrapy": [], "crawlee": [], "ours": []}
    pages: dict[str, set[str]] = {}
    whole = 0.0
    with serve(folder, f"root {root};") as (port, log):
        seeds, named = folder / "peers.txt", folder / "ours.txt"
        seeds.write_text("".join(f"http://127.0.0.1:{port}/{language}/index.html\n" for language in languages))
        named.write_text("".join(f"http://handbook.test/{language}/index.html\n" for language in languages))
        commands = {
            "scrapy": [
                python, "-m", "scrapy", "runspider", PEERS / "handbook_scrapy.py", "-a", f"seeds={seeds}", "-s", "LOG_ENABLED=0",
                "-s", f"CONCURRENT_REQUESTS={AT_ONCE}", "-s", f"CONCURRENT_REQUESTS_PER_DOMAIN={AT_ONCE}",
            ],
            "crawlee": [python, PEERS / "handbook_crawlee.py", seeds, str(AT_ONCE)],
        }  # fmt: skip
        for _ in range(rounds):
            for name, command in commands.items():
                log.write_text("")
                subprocess.run(command, cwd=folder, check=True, **QUIET)
                pages[name], first, last = logged(log, len(languages))
                rates[name].append((len(pages[name]) - len(languages)) / (last - first))
            log.write_text("")
            home = new_home(folder)
            started = time.time()
            subprocess.run([*ours(home, named, port), "--max-depth", "50"], check=True, **QUIET)
            whole = time.time() - started
            pages["ours"], first, _ = logged(log, len(languages))
            rates["ours"].append((len(pages["ours"]) - len(languages)) / (finished(home) - first))
    scrapy, crawlee, mine = (max(rates[name]) for name in ("scrapy", "crawlee", "ours"))
    every = set().union(*pages.values())
    beside = f"scrapy {scrapy:.0f}, crawlee {crawlee:.0f}"
    return [
        Figure("pages", len(every), "" if quick else "= 3302"),
        Figure("pages that not all three fetched", len(every - set.intersection(*pages.values())), "= 0"),
        Figure("pages a second, with evidence", mine, peer=f"{beside}, both without"),
        Figure("of bare Scrapy with LinkExtractor", mine / scrapy, "" if quick else ">= 1"),
        Figure("of Crawlee's ParselCrawler", mine / crawlee, "" if quick else ">= 0.9"),
        Figure("seconds from start to end, index and backup included", whole),
    ]


def unpacked() -> Path:
    """The folder the handbook's package is unpacked in."""
    place = KEPT / "handbook"
    place.mkdir(parents=True, exist_ok=True)
    if Path("/", HANDBOOK).is_dir():
        return Path("/")
    if not (place / HANDBOOK).is_dir():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "download", "-qq", "debian-handbook"], cwd=folder, check=True, **QUIET)
            package = next(Path(folder).glob("*.deb"))
            subprocess.run(["dpkg", "-x", package, place], check=True)
    return place


@contextmanager
def serve(folder: Path, places: str) -> Iterator[tuple[int, Path]]:
    """nginx on a free loopback port: the port, and its log of ``seconds status path``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration, log = folder / "nginx.conf", folder / "access.log"
    log.unlink(missing_ok=True)
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, places=places))
    process = subprocess.Popen(["nginx", "-c", configuration], **QUIET)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port, log
    finally:
        process.terminate()
        process.wait()


def logged(log: Path, seeds: int) -> tuple[set[str], float, float]:
    """The HTML pages served, and when the first one beyond the seeds and the last one was."""
    lines = [line.split() for line in log.read_text().splitlines()]
    served = [(float(at), path) for at, status, path in lines if status == "200" and path.endswith(".html")]
    return {path for _, path in served}, served[seeds][0], served[-1][0]


def new_home(folder: Path) -> Path:
    home = folder / "var"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "config.yml").write_text(f"crawl: {{delay: 0, per_host: {AT_ONCE}}}\n", "utf8")
    return home


def ours(home: Path, seeds: Path, port: int) -> list[str]:
    return [
        sys.executable, "-m", "takedown", "--home", str(home), "crawl", "--seeds", str(seeds), "--render", "never",
        "--connect-to", f"::127.0.0.1:{port}",
    ]  # fmt: skip


def finished(home: Path) -> float:
    """When the run had its last page committed and its archives indexed."""
    with Store(home) as store:
        at = store.runs()[0].finished_at
    assert at is not None
    return at.timestamp()


# -- 100,000 URLs --------------------------------------------------------------------------------------------------


def many(folder: Path, urls: int, *, quick: bool) -> list[Figure]:
    """Memory of the crawl process, and processor time per page of it and its readers, from beginning to end."""
    samples: list[tuple[int, float, float]] = []
    with serve(folder, TREE) as (port, log):
        seeds, home = folder / "tree.txt", new_home(folder)
        seeds.write_text("http://tree.test/\n")
        limits = ["--max-depth", "9", "--max-pages", str(urls), "--max-per-site", str(2 * urls)]
        with subprocess.Popen([*ours(home, seeds, port), *limits], **QUIET) as process:
            lines = 0
            with log.open() as stream:
                while process.poll() is None:
                    lines += sum(1 for _ in stream)
                    samples.append((lines, seconds_of(process.pid), resident(process.pid)))
                    time.sleep(SAMPLE_SECONDS)
    with Store(home) as store:
        captured = store.count("captures")
    # Until 500 pages Python is still warming up; the last pages are followed by the index and the backup.
    early = cost(samples, 500, 1_500)
    late = cost(samples, urls - max(urls // 20, 500), urls - 100)
    middle = next(memory for lines, _, memory in samples if lines >= urls // 10)
    last = next(memory for lines, _, memory in samples if lines >= urls - 100)
    return [
        Figure("URLs of the tree captured", captured, f"= {urls}"),
        Figure("peak memory of the crawl process over them, MB", max(memory for *_, memory in samples) / 1e6, "<= 400"),
        Figure("memory at the end, of that after a tenth", last / middle, "" if quick else "<= 1.2"),
        Figure("processor milliseconds a page, about the 1,000th", early * 1000),
        Figure("of which about the last", late / early, "" if quick else "<= 1.3"),
    ]


def cost(samples: list[tuple[int, float, float]], start: int, end: int) -> float:
    """Processor seconds a page between two numbers of pages."""
    inside = [(lines, seconds) for lines, seconds, _ in samples if start <= lines <= end]
    (n0, s0), (n1, s1) = inside[0], inside[-1]
    return (s1 - s0) / (n1 - n0)


def seconds_of(pid: int) -> float:
    """Processor seconds that a process and its children have used."""
    total = 0.0
    for process in [pid, *children(pid)]:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / 100
    return total


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def resident(pid: int) -> float:
    """Bytes of memory that a process has had at most, so far."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    sys.exit(main())

"""The hostile web (``hostile.py``, ``misbehaviour.py``): the real command and a real Chromium get through all of it, within their caps."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import hostile
import pytest
from conftest import crawl_arguments, finish, seed_file, start, takedown
from hostile import BEHAVIOURS, ROBOTS, WORDS, Hostile
from misbehaviour import BOMBS, CHARSETS, PACKAGE_BYTES, RAW, SCRIPTS, TRADITIONAL
from playwright.async_api import Error as PlaywrightError
from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import BufferedReader
from warcio.checker import Checker

from crawler import render
from crawler.egress import ConnectTo, Egress
from data.archive import read_piece
from data.facts import profiles
from data.records import Capture, Run
from data.store import Store

ANSWER_SECONDS, RUN_SECONDS = 3, 70
MEMORY_MB = 600
PAGE_BYTES = 8 << 20
# What the sockets' buffers and a reader's chunk hold beyond the cap when the connection is closed.
SLACK = 12 << 20
# Hosts whose rules cannot be had are shut (RFC 9309, 2.3.1.4).
SHUT = ("robots-silent", "robots-503")
IN_A_BROWSER = {*SCRIPTS, "refresh-download", "held", "held-crash"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    for coding, make in tuple(BOMBS.items()):
        packed = make()
        BOMBS[coding] = lambda packed=packed: packed
    with hostile.serve(tmp_path_factory.mktemp("certificates")) as running:
        yield running


@dataclass(frozen=True)
class Survived:
    """The run over everything: how it ended, what it cost and what it left."""

    home: Path
    code: int
    out: str
    err: str
    seconds: float
    peak_mb: int
    run: Run
    captures: dict[str, Capture]

    def said(self, url: str) -> str:
        """What the run's report says of the URL: the reason of a failure, or the note of a capture."""
        return next(
            (item["why"] for item in (*self.run.report["troubles"], *self.run.report["remarks"]) if item["url"] == url),
            "",
        )


def left(home: Path) -> tuple[Run, dict[str, Capture]]:
    with Store(home) as store:
        return store.runs()[0], {capture.url: capture for capture in store.captures()}


def configured(home: Path) -> Path:
    (home / "config.yml").write_text(f"crawl: {{delay: 0, timeout: {ANSWER_SECONDS}}}\n", "utf8")
    return home


def watch_memory(process: subprocess.Popen[str]) -> list[int]:
    """Follow ``VmHWM`` of a process until it ends; the last item is its peak in MB."""
    seen = [0]
    ended = threading.Event()

    def follow() -> None:
        while process.poll() is None and not ended.wait(0.2):
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                seen.append(int(found[1]) // 1024)

    threading.Thread(target=follow, daemon=True).start()
    return seen


@pytest.fixture(scope="module")
def survived(web: Hostile, tmp_path_factory: pytest.TempPathFactory) -> Survived:
    home = configured(tmp_path_factory.mktemp("hostile"))
    hosts = [f"{name}.bad.test" for name in (*BEHAVIOURS, "under_score") if name not in IN_A_BROWSER]
    tls = {"self-signed": web.tls_port, "expired": web.expired_port, "garbage": web.garbage_port, "plain": web.port}
    seeds = seed_file(
        home, *hosts, *(f"{host}/after" for host in hosts if not host.startswith(("retry", *SHUT))),
        *(f"https://{name}.bad.test/" for name in tls), *(f"http://{name}.bad.test/after" for name in tls),
    )  # fmt: skip
    routes = [word for name, port in tls.items() for word in ("--connect-to", f"{name}.bad.test:443:127.0.0.1:{port}")]
    options = ("--render", "never", "--max-per-site", "20", "--max-depth", "30", *routes)
    begun = monotonic()
    process = start(home, *crawl_arguments(seeds, web.port, *options))
    memory = watch_memory(process)
    done = finish(process, RUN_SECONDS)
    return Survived(home, done.returncode, done.stdout, done.stderr, monotonic() - begun, max(memory), *left(home))


def test_the_run_ends_by_itself_within_its_bounds(survived: Survived, web: Hostile) -> None:
    assert survived.code == 0, survived.err
    assert survived.run.finished_at
    assert "Traceback" not in survived.err
    assert survived.seconds < RUN_SECONDS
    assert 0 < survived.peak_mb < MEMORY_MB
    for host in ("unbounded", "declared", "chunks", "download"):
        assert PAGE_BYTES <= web.sent[f"{host}.bad.test"] < PAGE_BYTES + SLACK
    assert web.sent["robots-endless.bad.test"] < SLACK


def test_nothing_listens_for_commands(survived: Survived) -> None:
    (log,) = (survived.home / "log").glob("crawl-*.log")
    assert not re.search(r"extensions\.(remote_control|telnet)", log.read_text("utf8"))


def test_a_large_package_goes_to_disk_and_not_through_memory(web: Hostile, tmp_path: Path) -> None:
    peaks = {}
    for path in ("", "app.apk"):
        home = tmp_path / f"home{path}"
        home.mkdir()
        seeds = seed_file(home, f"package.bad.test/{path}")
        process = start(home, *crawl_arguments(seeds, web.port, "--render", "never"))
        memory = watch_memory(process)
        done = finish(process)
        assert done.returncode == 0, done.stderr
        peaks[path] = max(memory)
    assert peaks["app.apk"] <= peaks[""] + 40, peaks
    (capture,) = left(home)[1].values()
    assert capture.payload.size == PACKAGE_BYTES
    assert "不是可读取的安卓安装包" in capture.render
    content = read_piece(home, capture.payload)
    assert content.startswith(b"PK\x03\x04")
    assert content[1 << 20 : 2 << 20] == content[-1 << 20 :]
    # What it lay in meanwhile is gone.
    assert {path.suffix for path in (home / "archives").glob("*/*")} <= {".gz", ".cdxj"}


def test_no_slot_is_stuck(survived: Survived) -> None:
    asked = [url for url in Path(survived.home / "seeds.txt").read_text("utf8").split() if url.endswith("/after")]
    urls = {url if "://" in url else f"http://{url}" for url in asked}
    assert urls <= set(survived.captures)
    assert survived.run.report["counts"]["waiting"] == 0


def test_the_evidence_is_whole_and_says_where_it_was_cut_off(
    survived: Survived, monkeypatch: pytest.MonkeyPatch
) -> None:
    # warcio 1.8 stumbles over brotli 1.2's decompressor; the digests it checks are those of the bytes as sent.
    monkeypatch.setitem(BufferedReader.DECOMPRESSORS, "br", lambda: None)
    files = [str(path) for path in sorted((survived.home / "archives").glob("*/*.warc.gz"))]
    assert Checker(argparse.Namespace(inputs=files, verbose=False)).process_all() == 0
    cut: dict[str, str] = {}
    for path in files:
        with Path(path).open("rb") as stream:
            for record in ArchiveIterator(stream):
                if reason := record.rec_headers.get_header("WARC-Truncated"):
                    cut[record.rec_headers.get_header("WARC-Target-URI")] = reason
    assert cut == {
        "http://unbounded.bad.test/": "length",
        "http://declared.bad.test/": "length",
        "http://chunks.bad.test/": "length",
        "http://download.bad.test/": "length",
        "http://robots-endless.bad.test/robots.txt": "length",
        "http://robots-big.bad.test/robots.txt": "length",
        "http://drip.bad.test/": "time",
        "http://torn-chunks.bad.test/": "disconnect",
    }
    assert {path.name for path in survived.home.iterdir()} <= {
        "crawl.lock", "takedown.db", "takedown.db-wal", "takedown.db-shm", "archives", "backup", "log", "config.yml", "seeds.txt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redirects", "跳转次数过多"), ("silent", "等待超时"), ("headless", "等待超时"), ("continues", "等待超时"),
        ("unbounded", "超过大小上限"), ("declared", "超过大小上限"), ("chunks", "超过大小上限"), ("download", "超过大小上限"),
        ("drip", "时限内没有传完"), ("torn-chunks", "服务器中途断开"), ("damaged", "内容无法解压"), ("retry-after", "秒后再来"),
        *((coding, "解压后超过") for coding in ("gzip", "deflate", "br", "zstd", "matryoshka")),
        *((name, "不合 HTTP 规范") for name in RAW if name not in {"long-header", "cookies", "torn-chunks", "status-999"}),
        ("https://garbage.bad.test/", "加密连接无法建立"), ("https://plain.bad.test/", "等待超时"),
        ("deep", "标记嵌套过深"), ("deeper", "标记嵌套过深"), ("formats", "标记嵌套过深"),
        ("utf8-as-gbk", "应答头声明编码 gbk，实际按 utf-8 读取"), ("meta-lies", "页面声明编码 utf-8，实际按 gb18030 读取"),
        ("no-such-charset", "应答头声明编码 x-klingon"),
        ("https://self-signed.bad.test/", "证书为自签名"), ("https://expired.bad.test/", "证书不在有效期内"),
    ],
)  # fmt: skip
def test_the_report_tells_it(survived: Survived, url: str, words: str) -> None:
    assert words in survived.said(url if url.startswith("https") else f"http://{url}.bad.test/")


def test_certificates_are_kept_with_what_a_browser_holds_against_them(survived: Survived) -> None:
    for name, fault in (("self-signed", "证书为自签名"), ("expired", "证书不在有效期内")):
        capture = survived.captures[f"https://{name}.bad.test/"]
        network = capture.network
        (own,) = network.chain
        assert own.subject == own.issuer == f"CN={name}.bad.test"
        assert re.fullmatch("[0-9a-f]{64}", own.sha256)
        assert fault in network.distrust
        assert capture.tls["version"].startswith("TLSv1.")
        assert network.resolver == "connect-to"
        assert capture.dns == (f"connect-to 127.0.0.1:{network.port}",)
        assert network.timings.whole >= network.timings.first_byte > 0


def test_an_endless_site_is_bounded_and_named(survived: Survived) -> None:
    assert sum(url.startswith("http://endless.bad.test/") for url in survived.captures) == 20
    assert survived.run.report["left_out"]["endless.bad.test"] > 0
    assert "endless.bad.test 的页面已达每个主机的上限" in survived.err


@pytest.mark.parametrize("name", [*CHARSETS, *(name for name in ROBOTS if name not in SHUT), "deep", "deeper", "formats", "attributes", "tables", "nul", "links", "frames", "long-header", "cookies", "status-999"])  # fmt: skip
def test_what_can_be_read_is_read(survived: Survived, name: str) -> None:
    page = survived.captures[f"http://{name}.bad.test/"]
    assert (TRADITIONAL if name == "big5" else WORDS) in page.text
    assert "\x00" not in page.text


def test_rules_that_cannot_be_had_are_no_permission(survived: Survived, web: Hostile) -> None:
    states = {item["url"]: item["state"] for item in survived.run.report["troubles"]}
    for name, state, why in (
        ("robots-503", "refused", "robots.txt 的应答是 503"),
        ("robots-silent", "failed", "robots.txt 未能取得：等待超时"),
    ):
        url = f"http://{name}.bad.test/"
        assert states[url] == state
        assert why in survived.said(url)
        assert 1 < web.asked[f"{name}.bad.test/robots.txt"] <= 3
        assert not web.asked[f"{name}.bad.test/"]
    assert "robots.txt 超过 512 KB" in survived.said("http://robots-big.bad.test/robots.txt")


def test_only_addresses_are_followed(survived: Survived, web: Hostile) -> None:
    followed = {url for url in web.asked if url.startswith("links.bad.test")}
    assert all(url.isascii() and url.isprintable() and len(url) < 2100 for url in followed)
    assert survived.captures["http://under_score.bad.test/after"]


# -- in a browser ----------------------------------------------------------------------------------------------------


def test_no_page_keeps_the_browser(web: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pages at a time, then an innocent one, which is shown by the same or the next browser."""
    monkeypatch.setattr(render, "LOAD_SECONDS", 1.0)
    monkeypatch.setattr(render, "QUIET_SECONDS", 0.5)
    monkeypatch.setattr(render, "PAGE_SECONDS", 2.0)
    monkeypatch.setattr(render, "CLOSE_SECONDS", 1.5)
    ended: dict[str, str] = {}

    async def look(renderer: render.Renderer, name: str) -> None:
        try:
            ended[name] = (await renderer.view(f"http://{name}.bad.test/")).note or "shown"
        except (PlaywrightError, TimeoutError) as error:
            ended[name] = str(error)

    async def through() -> None:
        renderer = render.Renderer(Egress((ConnectTo.parse(f"::127.0.0.1:{web.port}"),)), profiles()[0])
        try:
            monkeypatch.setattr(render, "PAGE_SECONDS", 20.0)
            await renderer.view("http://first.bad.test/")
            names = (*SCRIPTS, "refresh-download")
            for pair in (names[:2], names[2:4], names[4:]):
                monkeypatch.setattr(render, "PAGE_SECONDS", 2.0)
                begun = monotonic()
                await asyncio.gather(*(look(renderer, name) for name in pair))
                assert monotonic() - begun < 30, pair
                monkeypatch.setattr(render, "PAGE_SECONDS", 20.0)
                assert "无辜的一页" in (await renderer.view(f"http://{pair[0]}.bad.test/after")).dom
        finally:
            await asyncio.wait_for(renderer.close(), 15)

    asyncio.run(through())
    assert "未能显示完" in ended["spin"]
    assert all(ended.values())


def chromiums_of(pid: int, kind: str = "") -> list[int]:
    """The browser processes among a process's descendants: the browser itself, or those of a ``kind`` (renderer …)."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents[int(folder.name)] = (parent, (folder / "cmdline").read_text())
        except OSError:
            continue
    found = []
    for child, (parent, command) in parents.items():
        ancestors = [parent]
        while ancestors[-1] in parents:
            ancestors.append(parents[ancestors[-1]][0])
        said = re.search(r"--type=([\w-]+)", command)
        if pid in ancestors and "chrom" in command.partition("\0")[0] and (said[1] if said else "") == kind:
            found.append(child)
    return found


def test_a_crashed_renderer_costs_its_page_its_picture_and_nothing_else(web: Hostile, tmp_path: Path) -> None:
    host = "held-crash.bad.test"
    seeds = seed_file(configured(tmp_path), host, f"{host}/after")
    process = start(tmp_path, *crawl_arguments(seeds, web.port, "--render", "always"))
    web.wait_for(f"{host}/picture")
    renderers = chromiums_of(process.pid, "renderer")
    assert renderers
    for renderer in renderers:
        os.kill(renderer, signal.SIGSEGV)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    run, captures = left(tmp_path)
    assert "页面使浏览器的进程崩溃" in captures[f"http://{host}/"].render
    assert run.report["unseen"] >= 1
    # The other page was shown by the same browser before, or is by it or the next one after.
    assert "无辜的一页" in captures[f"http://{host}/after"].text
    assert run.report["counts"]["waiting"] == 0


def test_a_killed_chromium_is_replaced_and_the_page_is_shown(web: Hostile, tmp_path: Path) -> None:
    seeds = seed_file(configured(tmp_path), "held.bad.test", "held.bad.test/after")
    process = start(tmp_path, *crawl_arguments(seeds, web.port, "--render", "always"))
    web.wait_for("held.bad.test/picture")
    (browser,) = chromiums_of(process.pid)
    os.kill(browser, signal.SIGKILL)
    done = finish(process)
    assert done.returncode == 0, done.stderr
    _, captures = left(tmp_path)
    assert "已显示" in captures["http://held.bad.test/"].text
    assert all(capture.dom for capture in captures.values())


# -- the machine -----------------------------------------------------------------------------------------------------


def mounted(folder: Path, *options: str) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    yield from mounted(tmp_path, "-o", "size=2m")


ENDLESS = ("--render", "never", "--max-depth", "99", "--max-per-site")


def test_a_full_disk_stops_the_crawl_with_a_sentence_and_nothing_is_lost(web: Hostile, small: Path) -> None:
    arguments = crawl_arguments(seed_file(configured(small), "endless.bad.test"), web.port, *ENDLESS, "600")
    stopped = takedown(small, *arguments)
    assert stopped.returncode == 1, stopped.stdout
    assert "磁盘已满" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
    done = takedown(small, *arguments)
    assert done.returncode == 0, done.stderr
    run, captures = left(small)
    assert run.report["counts"]["done"] == len(captures) == 600


def test_a_disk_filled_by_a_download_is_the_same_sentence(web: Hostile, small: Path) -> None:
    seeds = seed_file(configured(small), "package.bad.test/app.apk")
    stopped = takedown(small, *crawl_arguments(seeds, web.port, "--render", "never"))
    assert stopped.returncode == 1, stopped.stdout
    assert "磁盘已满" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert not list(small.glob("archives/*/*.part"))


def test_a_read_only_home_is_a_sentence(web: Hostile, small: Path) -> None:
    seeds = seed_file(configured(small), "first.bad.test")
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    refused = takedown(small, *crawl_arguments(seeds, web.port))
    assert refused.returncode == 1
    assert re.search("不可写|无法写入|无法打开数据库", refused.stderr)
    assert "Traceback" not in refused.stderr


def test_a_second_crawl_on_the_same_home_is_refused(web: Hostile, tmp_path: Path) -> None:
    def arguments(name: str) -> Sequence[str]:
        return crawl_arguments(seed_file(configured(tmp_path), name), web.port, "--render", "never")

    first = start(tmp_path, *arguments("silent.bad.test/second"))
    web.wait_for("silent.bad.test/second")
    second = takedown(tmp_path, *arguments("first.bad.test"))
    assert second.returncode == 1
    assert "另一个采集正在使用" in second.stderr
    assert "Traceback" not in second.stderr
    first.send_signal(signal.SIGINT)
    finish(first)


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_delays_nothing_and_is_told(web: Hostile, tmp_path: Path, seconds: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, time\nreal = time.time\n"
        f"time.time = lambda: real() + ({seconds} if os.path.exists({str(tmp_path / 'set')!r}) else 0)\n"
    )
    host = f"endless.clock{seconds}.bad.test"
    seeds = seed_file(tmp_path, host)
    (tmp_path / "config.yml").write_text("crawl: {delay: 0.1}\n", "utf8")
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    process = start(tmp_path, *crawl_arguments(seeds, web.port, *ENDLESS, "40"), env={"PYTHONPATH": path})
    web.wait_for(f"{host}/3")
    (tmp_path / "set").touch()
    done = finish(process)
    assert done.returncode == 0, done.stderr
    assert left(tmp_path)[0].report["counts"]["done"] == 40
    # No lease has run out for it: every page was asked for once.
    assert {count for url, count in web.asked.items() if url.startswith(f"{host}/")} == {1}
    assert f"本机时钟被改动了 {seconds:+d} 秒" in done.stderr

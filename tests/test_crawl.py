"""The real command on real servers: what is captured, what is refused, and that no interruption loses or doubles a page."""

from __future__ import annotations

import argparse
import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import crawl_arguments, finish, seed_file, start, takedown
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker
from web import FOUR_BYTE, LIBRARY, MANY, SECRET, TRADITIONAL, Web, serve

from data.archive import read_piece
from data.records import Capture, Kind, Run
from data.store import Store


@dataclass(frozen=True)
class Outcome:
    """A finished command and what it left in its home."""

    home: Path
    code: int
    out: str
    err: str
    captures: tuple[Capture, ...]
    run: Run

    @classmethod
    def of(cls, home: Path, result: subprocess.CompletedProcess[str]) -> Outcome:
        with Store(home) as store:
            return cls(home, result.returncode, result.stdout, result.stderr, tuple(store.captures()), store.runs()[0])

    def page(self, url: str) -> Capture:
        """The newest capture of the page."""
        return [capture for capture in self.captures if capture.url == url][-1]

    def trouble(self, url: str) -> tuple[str, str]:
        (found,) = [item for item in self.run.report["troubles"] if item["url"] == url]
        return found["state"], found["why"]


def warcs(home: Path) -> list[str]:
    return [str(path) for path in sorted((home / "archives").glob("*/*.warc.gz"))]


def check_evidence(home: Path, captures: Sequence[Capture]) -> None:
    """Every file passes ``warcio check``, and every capture's pieces read back."""
    assert Checker(argparse.Namespace(inputs=warcs(home), verbose=False)).process_all() == 0
    for capture in captures:
        for piece in (capture.payload, capture.dom, capture.screenshot):
            assert piece is None or len(read_piece(home, piece)) == piece.size


# -- one crawl of everything that can go wrong -----------------------------------------------------------------------

SEEDS = (
    "# 种子", "", "http://pages.test/", "PAGES.test", "slow.test", "many.test/p/1", "moved.test", "dead.test",
    "10.0.0.9", "例子.测试/redirect/1", "file:///etc/passwd", "随便写的",
)  # fmt: skip


@pytest.fixture(scope="module")
def survey(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    home = tmp_path_factory.mktemp("survey")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        arguments = crawl_arguments(
            seed_file(home, *SEEDS), web.port,
            "--connect-to", f"dead.test::127.0.0.1:{unused.getsockname()[1]}",
            "--connect-to", "10.0.0.9:::",
        )  # fmt: skip
        # A proxy in the environment would be a second way out; this one answers nothing.
        proxy = f"http://127.0.0.1:{unused.getsockname()[1]}"
        env = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"), proxy)
        return Outcome.of(home, takedown(home, *arguments, env=env))


def test_the_crawl_finishes_and_says_what_it_did(survey: Outcome) -> None:
    assert survey.code == 0, survey.err
    assert re.search(r"采集 \d+ 页（浏览器渲染 [1-9]", survey.out)
    assert re.search(r"按规则不必渲染 \d+ 页，随机抽查渲染其中 \d+ 页，文字明显增多（漏看）0 页", survey.out)
    assert survey.run.finished_at
    assert survey.run.environment["proxy_variables"] != "none"
    assert survey.run.environment["scrapy"]
    assert re.fullmatch(r"\d+\.[\d.]+", survey.run.environment["browser"])
    clocks = survey.run.environment["server_clocks"]
    assert clocks["servers"] >= 3
    assert abs(clocks["offset_seconds"]) < 2
    assert "个服务器的时钟与本机时钟相差" not in survey.err
    check_evidence(survey.home, survey.captures)


def test_every_page_has_one_capture(survey: Outcome) -> None:
    counts = Counter(capture.url for capture in survey.captures)
    # A busy server's answer is kept, and it is asked again, twice at most.
    assert counts["http://pages.test/503"] == 3
    assert all(n == 1 for url, n in counts.items() if not url.endswith("/503"))
    assert {
        f"http://pages.test{path}"
        for path in ("/", "/delay", "/redirect/3", "/enc/gb18030", "/enc/gbk", "/enc/big5", "/enc/utf16", "/enc/bare", "/lie",
                     "/headers", "/gzip", "/403", "/503", "/big", "/deep", "/nul", "/script", "/jump", "/packed", "/fake.apk")
    } | {"http://many.test/p/1", "http://slow.test/", "http://xn--fsqu00a.xn--0zwm56d/redirect/1"} <= set(counts)  # fmt: skip


def test_refused_lines_and_unreachable_hosts_are_named(survey: Outcome) -> None:
    assert "第 11 行未采用" in survey.err
    assert "file:///etc/passwd" in survey.err
    assert "第 12 行未采用" in survey.err
    assert "1 行重复" in survey.err
    assert "未能访问 http://dead.test/" in survey.err
    assert survey.trouble("http://dead.test/")[0] == "failed"
    assert "按规则未访问 http://10.0.0.9/" in survey.err
    assert survey.trouble("http://10.0.0.9/")[0] == "refused"
    assert "出口策略" in survey.trouble("http://10.0.0.9/")[1]
    # What a server that hangs up had sent by then is kept, and said to be cut off.
    (said,) = (remark["why"] for remark in survey.run.report["remarks"] if remark["url"] == "http://pages.test/drop")
    assert "服务器中途断开，只保存了前 6 字节" in said
    assert survey.trouble("http://pages.test/loop") == ("failed", "跳转次数过多")
    assert "Traceback" not in survey.err


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/enc/gb18030", LIBRARY + FOUR_BYTE), ("/enc/gbk", LIBRARY), ("/enc/big5", TRADITIONAL), ("/enc/utf16", LIBRARY),
        ("/enc/bare", LIBRARY), ("/gzip", LIBRARY), ("/delay", LIBRARY), ("/nul", LIBRARY),
    ],
)  # fmt: skip
def test_text_is_right_in_every_encoding(survey: Outcome, path: str, words: str) -> None:
    page = survey.page(f"http://pages.test{path}")
    assert words in page.text
    assert page.language == "zh"
    assert "\x00" not in page.text


def test_bytes_and_headers_are_kept_as_sent(survey: Outcome) -> None:
    page = survey.page("http://pages.test/gzip")
    sent = read_piece(survey.home, page.payload)
    assert LIBRARY in gzip.decompress(sent).decode()
    headers = survey.page("http://pages.test/headers").headers
    assert [value for name, value in headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert page.address == "127.0.0.1"
    assert page.dns
    assert page.dns[0].startswith("connect-to 127.0.0.1:")
    assert page.fetched_at.utcoffset() == timedelta(0)
    assert page.referrer == "http://pages.test/"
    assert page.depth == 1


def test_redirects_are_hops(survey: Outcome) -> None:
    page = survey.page("http://pages.test/redirect/3")
    assert [(hop.url.removeprefix("http://pages.test"), hop.status, hop.location) for hop in page.hops] == [
        ("/redirect/3", 302, "/redirect/2"),
        ("/redirect/2", 302, "/redirect/1"),
        ("/redirect/1", 302, "/redirect/0"),
    ]
    assert page.final_url == "http://pages.test/redirect/0"
    assert all(hop.address == "127.0.0.1" and hop.at <= page.fetched_at for hop in page.hops if hop.at)
    # Each of them is evidence too.
    kept = set()
    for path in warcs(survey.home):
        with Path(path).open("rb") as stream:
            kept |= {
                r.rec_headers.get_header("WARC-Target-URI") for r in ArchiveIterator(stream) if r.rec_type == "response"
            }
    assert {hop.url for hop in page.hops} <= kept
    assert "http://slow.test/robots.txt" in kept


def test_the_archive_says_which_request_led_to_which(survey: Outcome) -> None:
    responses: dict[str, str] = {}
    led: dict[str, dict[str, str]] = {}
    for path in warcs(survey.home):
        with Path(path).open("rb") as stream:
            for record in ArchiveIterator(stream):
                named = record.rec_headers.get_header
                url = named("WARC-Target-URI")
                if record.rec_type == "response":
                    responses[named("WARC-Record-ID")] = url
                elif record.rec_type == "metadata" and named("WARC-Concurrent-To"):
                    assert responses[named("WARC-Concurrent-To")] == url
                    lines = record.content_stream().read().decode("ascii").splitlines()
                    led[url] = dict(line.split(": ", 1) for line in lines)
    for number in range(3):
        here, there = (f"http://pages.test/redirect/{n}" for n in (number, number + 1))
        assert led[here]["via"] == there
        assert responses[led[here]["viaRecord"]] == there
    page = survey.page("http://pages.test/redirect/3")
    facts = json.loads(led["http://pages.test/redirect/0"]["network"])
    assert facts["address"] == page.address
    assert tuple(facts["dns"]) == page.dns
    assert facts["timings"]["whole"] == page.network.timings.whole
    assert int(led["http://pages.test/delay"]["fetchTimeMs"]) >= 100
    assert led["http://pages.test/delay"]["via"] == "http://pages.test/"
    assert "viaRecord" not in led["http://pages.test/delay"]


@pytest.mark.parametrize("status", [403, 503])
def test_a_refusal_is_evidence(survey: Outcome, status: int) -> None:
    page = survey.page(f"http://pages.test/{status}")
    assert page.status == status
    assert f"状态 {status}" in page.text


def test_a_page_built_by_script_is_shown_and_kept(survey: Outcome) -> None:
    page = survey.page("http://pages.test/script")
    assert SECRET in page.text
    assert page.dom
    assert SECRET in read_piece(survey.home, page.dom).decode()
    assert page.screenshot
    assert read_piece(survey.home, page.screenshot).startswith(b"\x89PNG")
    assert survey.page("http://pages.test/delay").dom is None


def test_what_the_proxy_refused_is_not_taken_for_the_page(survey: Outcome) -> None:
    page = survey.page("http://pages.test/jump")
    assert "出口策略" not in page.text
    assert "出口策略" in page.render
    assert page.final_url == "http://pages.test/jump"
    assert page.dom is None


def test_what_is_not_a_page_is_kept_and_said(survey: Outcome) -> None:
    assert "不是可读取的安卓安装包" in survey.page("http://pages.test/packed").render
    assert "不是可读取的安卓安装包" in survey.page("http://pages.test/fake.apk").render


def test_robots_txt_is_obeyed(survey: Outcome, web: Web) -> None:
    assert not [hit for hit in web.asked("slow.test") if hit.path.startswith("/private")]
    for url in ("http://slow.test/private/list", "http://moved.test/"):
        assert survey.trouble(url) == ("refused", "robots.txt 不允许")


def test_crawl_delay_is_obeyed(survey: Outcome, web: Web) -> None:
    assert survey.page("http://slow.test/3")
    # A page of them may be in the run's random sample: then a browser, which says so, asks for it too.
    crawler = [hit for hit in web.asked("slow.test") if "Upgrade-Insecure-Requests" not in hit.headers]
    times = [hit.at for hit in crawler if hit.path != "/robots.txt"]
    assert len(times) == 5
    # A little less than half a second: what passes between a request's start here and its arrival there varies.
    assert min(after - before for before, after in pairwise(times)) > 0.4


# -- a site of many pages: pace, interruption, budget ----------------------------------------------------------------


def pages_of(captures: Sequence[Capture]) -> list[str]:
    return sorted(capture.url for capture in captures)


ALL = sorted(["http://many.test/", *(f"http://many.test/p/{n}" for n in range(MANY))])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, tuple[str, ...], Web]]:
    """A home, the arguments of a crawl of the whole site, and a server that nobody else asks."""
    with serve() as own:
        yield tmp_path, (*crawl_arguments(seed_file(tmp_path, "many.test"), own.port, "--render", "never"),), own


def test_ctrl_c_stops_cleanly_and_the_same_command_finishes(site: tuple[Path, tuple[str, ...], Web]) -> None:
    home, arguments, web = site
    process = start(home, *arguments)
    web.wait_for("many.test", 5)
    process.send_signal(signal.SIGINT)
    stopped = Outcome.of(home, finish(process))
    assert stopped.code == 1
    assert "再次运行同一命令" in stopped.err
    assert "Traceback" not in stopped.err
    assert 0 < len(stopped.captures) < len(ALL)
    assert stopped.run.finished_at is None
    done = Outcome.of(home, takedown(home, *arguments))
    assert done.code == 0, done.err
    assert done.run.id == stopped.run.id
    assert pages_of(done.captures) == ALL
    check_evidence(home, done.captures)
    # What was stopped cleanly is not asked for again, and no host is asked by more than two at a time.
    asked = Counter(hit.path for hit in web.asked("many.test"))
    assert max(asked[path] for path in (url.removeprefix("http://many.test") for url in ALL)) == 1
    assert web.busiest["many.test"] <= 2


def test_kill_9_loses_nothing(site: tuple[Path, tuple[str, ...], Web]) -> None:
    home, arguments, web = site
    process = start(home, *arguments)
    web.wait_for("many.test", 20)
    process.kill()
    assert finish(process).returncode == -signal.SIGKILL
    done = Outcome.of(home, takedown(home, *arguments))
    assert done.code == 0, done.err
    assert pages_of(done.captures) == ALL
    check_evidence(home, done.captures)


def test_the_delay_and_the_budget_of_the_office_are_kept(site: tuple[Path, tuple[str, ...], Web]) -> None:
    home, arguments, web = site
    (home / "config.yml").write_text("crawl: {delay: 0.2}\n", "utf8")
    done = Outcome.of(home, takedown(home, *arguments, "--max-pages", "6"))
    assert done.code == 0, done.err
    assert len(done.captures) == 6
    times = [hit.at for hit in web.asked("many.test")]
    assert min(after - before for before, after in pairwise(times)) > 0.12
    assert times[-1] - times[0] > 0.2 * (len(times) - 1) * 0.95


# -- lists and machines that lack something --------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [(), ("# 空", "", "file:///etc/passwd", "？？？")])
def test_a_list_without_an_address_is_a_sentence(tmp_path: Path, lines: tuple[str, ...]) -> None:
    result = takedown(tmp_path, "crawl", "--seeds", seed_file(tmp_path, *lines))
    assert result.returncode == 1
    assert "没有可用的网址" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_browser_static_pages_are_still_collected(tmp_path: Path, web: Web) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = crawl_arguments(
        seed_file(tmp_path, "pages.test/script", "pages.test/gzip"), web.port, "--max-depth", "0"
    )
    env = {"PATH": str(empty), "PLAYWRIGHT_BROWSERS_PATH": str(empty)}
    done = Outcome.of(tmp_path, takedown(tmp_path, *arguments, env=env))
    assert done.code == 0, done.err
    assert len(done.captures) == 2
    # One page needs it; the other may be in the run's random sample.
    assert re.search("[12] 页需要浏览器而未能渲染", done.out)
    assert "takedown doctor" in done.out
    assert "无法启动 Chromium" in done.page("http://pages.test/script").render
    assert LIBRARY in done.page("http://pages.test/gzip").text


# -- the demonstration web -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(demoweb_port: int, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    home = tmp_path_factory.mktemp("demo")
    seeds = seed_file(
        home,
        "www.dongfangbi.test",
        "dl.hxex.test/android.html",
        "mini.daohang.test",
        "www.bijiaocheng.test/invite.html",
    )
    arguments = crawl_arguments(seeds, demoweb_port, "--render", "never", "--max-depth", "1")
    return Outcome.of(home, takedown(home, *arguments))


def test_the_gb18030_site_of_the_demonstration_is_readable(demo: Outcome) -> None:
    assert demo.code == 0, demo.err
    text = demo.page("http://www.dongfangbi.test/").text
    assert "�" not in text
    assert "东方币 DFB 公售第二轮" in text
    check_evidence(demo.home, demo.captures)


def test_the_package_is_an_app_with_its_label_and_the_page_that_offers_it(demo: Outcome) -> None:
    with Store(demo.home) as store:
        app = store.target("app:android:test.hxex.app")
        assert app.title == "恒鑫交易所"
        assert app.facts["signer_sha256"]
        evidence = {row["url"] for row in store.db.query(
            "SELECT url FROM evidence JOIN captures ON id = capture_id WHERE target = ?", [app.key])}  # fmt: skip
    assert app.facts["download"] in evidence
    assert "http://dl.hxex.test/android.html" in evidence
    assert demo.page(app.facts["download"]).render == "安卓安装包"


def test_each_mini_program_of_the_directory_has_a_capture_of_its_own(demo: Outcome) -> None:
    with Store(demo.home) as store:
        listed = [target for target in store.targets() if target.kind is Kind.MINIPROGRAM]
    assert len(listed) >= 9
    for target in listed:
        appid = target.facts["appid"]
        entries = [c for c in demo.captures if target.key in c.targets]
        assert entries
        assert target.title
        for entry in entries:
            assert set(re.findall(r"wx[0-9a-f]{16}", entry.text)) == {appid}
            assert not any(key.startswith("site:") for key in entry.targets if entry.url.endswith(f"#{appid}"))


def test_the_forbidden_page_of_the_demonstration_is_not_fetched(demo: Outcome) -> None:
    assert not [capture for capture in demo.captures if "/private/" in capture.url]


def test_places_of_identifiers_are_those_of_the_stored_text(survey: Outcome, demo: Outcome) -> None:
    found = [
        (capture, item)
        for capture in (*survey.captures, *demo.captures)
        for item in capture.identifiers
        if item.start >= 0
    ]
    assert found
    for capture, item in found:
        if item.kind not in {"icp", "police", "licence"}:
            assert item.value in capture.text[item.start : item.end]


def test_the_run_is_indexed_and_leaves_as_a_package_others_can_check(survey: Outcome, tmp_path: Path) -> None:
    (index,) = survey.home.glob("archives/*/index.cdxj")
    lines = index.read_text("utf-8").splitlines()
    assert lines == sorted(lines)
    urls = {json.loads(line.split(" ", 2)[2])["url"] for line in lines}
    assert {capture.url for capture in survey.captures if not capture.hops and "#" not in capture.url} <= urls
    package = tmp_path / "回放.wacz"
    result = takedown(survey.home, "wacz", "--out", str(package))
    assert result.returncode == 0, result.stderr
    check = [sys.executable, "-c", "import sys; from wacz.main import main; sys.exit(main())", "validate", "--file"]
    assert subprocess.run([*check, str(package)], capture_output=True, timeout=120).returncode == 0
    with zipfile.ZipFile(package) as whole:
        _, *pages = map(json.loads, whole.read("pages/pages.jsonl").splitlines())
    assert {page["url"] for page in pages} <= urls


def test_nothing_is_written_outside_the_home(survey: Outcome) -> None:
    assert {path.name for path in survey.home.iterdir()} <= {
        "crawl.lock", "takedown.db", "takedown.db-wal", "takedown.db-shm", "archives", "backup", "log", "config.yml", "seeds.txt",
    }  # fmt: skip

"""Archives as others read them: an index, a package that validates, and a replay that asks nobody else."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import sync_playwright
from test_archive import check, records
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
from web import Web
from witnessed import egress, keep, watch

from crawler.archive import Archive, Exchange
from crawler.cdxj import Index, PackagingError
from crawler.render import CHROMIUM_ARGUMENTS, find_chromium, sandbox_arguments
from crawler.revisits import SMALLEST, Original, revisit
from crawler.wacz import ArchivedPage, write_wacz

AT = datetime(2025, 6, 1, 2, 3, 4, 567890, UTC)
BODY = ("<meta charset=utf-8><p>" + "收U出U，价高，秒到账。" * 60).encode()
HTML = (("Content-Type", "text/html; charset=utf-8"),)


def exchange(url: str, body: bytes = BODY, second: int = 4) -> Exchange:
    host = (("Host", "a.test"),)
    return Exchange(url, "GET", host, 200, "OK", "1.1", HTML, body, "192.0.2.7", AT.replace(second=second))


@pytest.fixture
def warc(tmp_path: Path) -> Path:
    """A run's archive with two pages."""
    piece = keep(tmp_path, (exchange("http://a.test/x?y=1"), exchange("http://a.test/%E9%A6%86", second=5)))[0]
    return tmp_path / piece.file


def test_the_index_finds_every_record(warc: Path) -> None:
    index = Index().save([warc], warc.with_suffix(".cdxj"))
    lines = index.read_text("utf-8").splitlines()
    assert lines == sorted(lines)
    entries = [json.loads(line.split(" ", 2)[2]) for line in lines]
    assert {entry["url"] for entry in entries} == {"http://a.test/x?y=1", "http://a.test/%E9%A6%86"}
    assert {line.split(" ", 2)[1] for line in lines} == {"20250601020304", "20250601020305"}
    with warc.open("rb") as stream:
        for entry in entries:
            assert entry["filename"] == warc.name
            stream.seek(int(entry["offset"]))
            record = next(iter(ArchiveIterator(stream)))
            assert (record.rec_type, record.rec_headers.get_header("WARC-Target-URI")) == ("response", entry["url"])


def test_what_is_noted_while_writing_is_what_reading_anew_finds(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "run", {"software": "takedown test", "format": "WARC/1.1"})
    odd = (("content-type", "text/plain;charset=x"), ("X-Note", "馆".encode().decode("latin-1")))
    archive.write_exchange(exchange("http://a.test/x?y=1"))
    archive.write_exchange(replace(exchange("http://b.test/"), received=odd, status=404, reason=""))
    archive.write_exchange(replace(exchange("http://b.test/h2"), version="2", received=()))
    for host in "cd":
        archive.write_exchange(exchange(f"http://{host}.test/look.css", BODY + b"!"), once=True)
    archive.write_view("dom", "http://a.test/x", b"<html>", "text/html", AT)
    archive.write_view("screenshot", "http://a.test/x", b"PNG", "image/png", AT)
    archive.close()
    archive.index()
    kept = archive.folder / "index.cdxj"
    anew = Index().save(sorted(archive.folder.glob("*.warc.gz")), tmp_path / "anew.cdxj")
    assert kept.read_text("utf-8") == anew.read_text("utf-8")
    assert len(kept.read_text("utf-8").splitlines()) == 6


VALIDATE = "import sys; from wacz.main import main; sys.exit(main())"  # what the command does


def validate(package: Path) -> int:
    """The exit value of ``wacz validate``."""
    command = [sys.executable, "-c", VALIDATE, "validate", "--file", str(package)]
    return subprocess.run(command, capture_output=True, timeout=60).returncode


def test_a_package_validates_and_holds_the_archive_byte_by_byte(warc: Path, tmp_path: Path) -> None:
    pages = [
        ArchivedPage("http://a.test/x?y=1", AT, "收U"),
        ArchivedPage("http://a.test/%E9%A6%86", AT.replace(second=5), ""),
    ]
    package = write_wacz([warc], tmp_path / "运行.wacz", pages, "--采集 <1>")
    assert validate(package) == 0
    with zipfile.ZipFile(package) as whole:
        names = set(whole.namelist())
        assert {"datapackage.json", "datapackage-digest.json", "indexes/index.cdx.gz", "indexes/index.idx"} <= names
        assert whole.read(f"archive/{warc.name}") == warc.read_bytes()
        assert whole.getinfo(f"archive/{warc.name}").compress_type == zipfile.ZIP_STORED
        assert json.loads(whole.read("datapackage.json"))["title"] == "--采集 <1>"
        _, *listed = map(json.loads, whole.read("pages/pages.jsonl").splitlines())
    assert [(page["url"], page["ts"], page["title"]) for page in listed] == [
        ("http://a.test/x?y=1", "2025-06-01T02:03:04Z", "收U"),
        ("http://a.test/%E9%A6%86", "2025-06-01T02:03:05Z", "http://a.test/%E9%A6%86"),
    ]


def test_an_altered_package_does_not_validate(warc: Path, tmp_path: Path) -> None:
    package = write_wacz([warc], tmp_path / "run.wacz", [], "采集")
    altered = tmp_path / "altered.wacz"
    with zipfile.ZipFile(package) as whole, zipfile.ZipFile(altered, "w") as copy:
        for entry in whole.infolist():
            content = whole.read(entry)
            copy.writestr(entry, content[:-1] + b"!" if entry.filename.startswith("archive/") else content)
    assert validate(altered) == 1


def test_what_cannot_be_packaged_is_said_and_leaves_nothing(warc: Path, tmp_path: Path) -> None:
    out = tmp_path / "run.wacz"
    with pytest.raises(PackagingError, match=r"没有 http://b\.test/"):
        write_wacz([warc], out, [ArchivedPage("http://b.test/", AT, "")], "采集")
    with pytest.raises(PackagingError, match="重名"):
        write_wacz([warc, tmp_path / warc.name], out, [], "采集")
    with pytest.raises(PackagingError, match="不存在"):
        Index().save([warc.with_name("none.warc.gz")], out)
    with pytest.raises(PackagingError, match="没有可打包"):
        write_wacz([], out, [], "采集")
    content = warc.read_bytes()
    for damaged in (content[: len(content) // 2], content[:-3], content[:700] + b"?" * 300 + content[1000:]):
        warc.write_bytes(damaged)
        with pytest.raises(PackagingError, match="已损坏"):
            write_wacz([warc], out, [], "采集")
        with pytest.raises(PackagingError, match="已损坏"):
            Index().save([warc], out)
    warc.write_bytes(gzip.compress(b"no archive"))
    with pytest.raises(PackagingError, match="不是 WARC"):
        Index().save([warc], out)
    assert [path.name for path in tmp_path.iterdir()] == ["archives"]


# -- revisits ------------------------------------------------------------------------------------------------------------


def archive_twice(home: Path) -> tuple[Path, Original]:
    """An archive with a payload, and the same payload from another URL as a revisit."""
    (piece,) = keep(home, (exchange("http://a.test/first"),))
    path = home / piece.file
    with path.open("rb") as stream:
        stream.seek(piece.offset)
        kept = next(iter(ArchiveIterator(stream))).rec_headers
    fields = (kept.get_header(f"WARC-{name}") for name in ("Target-URI", "Date", "Record-ID", "Payload-Digest"))
    original = Original(*fields, piece)
    with path.open("ab") as stream:
        writer = WARCWriter(stream, gzip=True, warc_version="WARC/1.1")
        headers = {"WARC-Date": "2025-06-01T02:03:09.000000Z", "WARC-IP-Address": "192.0.2.8"}
        http = StatusAndHeaders("200 OK", [*HTML, ("X-Own", "1")], protocol="HTTP/1.1")
        writer.write_record(revisit(writer, "http://b.test/again", original, headers, http))
    return path, original


def test_a_revisit_names_the_first_and_checks(tmp_path: Path) -> None:
    path, original = archive_twice(tmp_path)
    assert check(path) == 0
    with path.open("rb") as stream:
        (record,) = [record for record in ArchiveIterator(stream) if record.rec_type == "revisit"]
    named = {name: value for name, value in record.rec_headers.headers if name.startswith("WARC-")}
    assert named["WARC-Profile"] == "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
    assert named["WARC-Target-URI"] == "http://b.test/again"
    assert named["WARC-Refers-To-Target-URI"] == "http://a.test/first"
    assert named["WARC-Refers-To-Date"] == original.date == "2025-06-01T02:03:04.567890Z"
    assert named["WARC-Payload-Digest"] == original.payload_digest
    assert record.http_headers.get_header("X-Own") == "1"
    # The way back without an index: the named place, in the same folder, holds the payload.
    with (path.parent / named["WARC-Refers-To-Filename"]).open("rb") as stream:
        stream.seek(int(named["WARC-Refers-To-File-Offset"]))
        first = next(iter(ArchiveIterator(stream)))
        assert first.rec_headers.get_header("WARC-Record-ID") == named["WARC-Refers-To"]
        assert first.raw_stream.read() == BODY


def test_what_a_browser_loads_twice_is_kept_once(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "run", {"software": "takedown test", "format": "WARC/1.1"})
    short = b"x" * (SMALLEST - 1)
    for url, body in (("http://a.test/1", BODY), ("http://b.test/2", BODY), ("http://a.test/3", short)):
        archive.write_exchange(exchange(url, body), once=True)
    archive.write_exchange(exchange("http://a.test/3", short), once=True)
    archive.write_exchange(exchange("http://a.test/page"))
    archive.close()
    (path,) = (tmp_path / "archives").glob("*/*.warc.gz")
    assert check(path) == 0
    kept = [(kind, url, body) for kind, url, body in records(path) if kind in ("response", "revisit")]
    assert kept == [
        ("response", "http://a.test/1", BODY),
        ("revisit", "http://b.test/2", b""),
        # Too short to save anything; and a page stands alone, whatever else says the same.
        ("response", "http://a.test/3", short),
        ("response", "http://a.test/3", short),
        ("response", "http://a.test/page", BODY),
    ]


def test_what_cannot_be_unpacked_is_indexed_and_packaged_as_it_is(tmp_path: Path) -> None:
    packed = (("Content-Type", "text/html"), ("Content-Encoding", "br"))
    broken = (("Content-Type", "text/html"), ("Content-Encoding", "gzip"))
    first = replace(exchange("http://a.test/br"), received=packed)
    (piece, _) = keep(tmp_path, (first, replace(exchange("http://a.test/gz", second=5), received=broken)))
    path = tmp_path / piece.file
    assert len(Index().save([path], tmp_path / "index.cdxj").read_text("utf-8").splitlines()) == 2
    package = write_wacz([path], tmp_path / "run.wacz", [ArchivedPage("http://a.test/br", AT, "")], "采集")
    with zipfile.ZipFile(package) as whole:
        assert whole.read(f"archive/{path.name}") == path.read_bytes()


# -- replay --------------------------------------------------------------------------------------------------------------


class Outside(BaseHTTPRequestHandler):
    """The proxy of a browser that may go nowhere: it refuses, and remembers what was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        self.send_error(403)

    do_CONNECT = do_POST = do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def outside() -> Iterator[int]:
    Outside.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Outside) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def pywb(folder: Path, package: Path) -> Iterator[str]:
    """pywb serving a package, each WARC taken out of it and indexed by pywb itself; yields its address."""
    wayback, manager = shutil.which("wayback"), shutil.which("wb-manager")
    if wayback is None or manager is None:
        pytest.skip("pywb 不在 PATH 上；在另一个虚拟环境里 pip install pywb，并把它的 bin 加进 PATH。")
    folder.mkdir()
    for arguments in (["init", "run"], ["add", "run", str(package), "--unpack-wacz"]):
        subprocess.run([manager, *arguments], cwd=folder, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "log").open("wb")
    server = subprocess.Popen([wayback, "-b", "127.0.0.1", "-p", str(port)], cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(200):
            with contextlib.suppress(URLError), urlopen(f"http://127.0.0.1:{port}/run/", timeout=5):
                break
            server.poll()
            threading.Event().wait(0.1)
        yield f"http://127.0.0.1:{port}/run"
    finally:
        server.terminate()
        server.wait(10)
        log.close()


def test_pywb_replays_the_page_without_asking_anyone(web: Web, outside: int, tmp_path: Path) -> None:
    view, loaded = watch(egress(web), "http://shown.test/sub/page")
    (page,) = [exchange for exchange in loaded.exchanges if exchange.url == view.final_url]
    path = tmp_path / keep(tmp_path, loaded.exchanges)[0].file
    package = write_wacz([path], tmp_path / "run.wacz", [ArchivedPage(page.url, page.at, "馆")], "采集")
    assert validate(package) == 0
    asked = len(web.hits)
    with pywb(tmp_path / "pywb", package) as served, sync_playwright() as playwright:
        port = served.split(":")[2].partition("/")[0]
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=[*(flag for flag in CHROMIUM_ARGUMENTS if "bypass" not in flag), *sandbox_arguments()],
            proxy={"server": f"http://127.0.0.1:{outside}", "bypass": f"<-loopback>,127.0.0.1:{port}"},
        )  # fmt: skip
        shown = browser.new_page(viewport={"width": 1366, "height": 768})
        asked_for: list[str] = []
        statuses: set[int] = set()
        shown.on("request", lambda request: asked_for.append(request.url))
        shown.on("response", lambda response: statuses.add(response.status))
        # pywb puts its banner around a page that is not in a frame.
        shown.set_content(
            f"<body style='margin:0'><iframe src='{served}/{page.at:%Y%m%d%H%M%S}mp_/{page.url}' "
            "style='border:0;width:1366px;height:768px;display:block'></iframe>",
            wait_until="networkidle",
        )
        screenshot = shown.screenshot(animations="disabled")
        # The proof is worth something only when going elsewhere would have been seen.
        shown.evaluate("fetch('http://elsewhere.test/').catch(() => 0)")
        browser.close()
    (tmp_path / "before.png").write_bytes(view.screenshot)
    (tmp_path / "after.png").write_bytes(screenshot)
    before, after = (Image.open(io.BytesIO(content)).convert("RGB") for content in (view.screenshot, screenshot))
    assert before.size == after.size
    assert ImageChops.difference(before, after).getbbox() is None
    assert len(web.hits) == asked
    # The browser's own housekeeping (time, updates) knocks at the same door; every host of the page ends in .test.
    assert [line for line in Outside.asked if ".test" in line] == ["GET http://elsewhere.test/"]
    assert [url for url in asked_for if not url.startswith(served.removesuffix("run"))] == ["http://elsewhere.test/"]
    assert statuses <= {200, 204, 302, 307}


def test_pywb_follows_a_revisit(tmp_path: Path) -> None:
    path, _ = archive_twice(tmp_path)
    again = ArchivedPage("http://b.test/again", datetime(2025, 6, 1, 2, 3, 9, tzinfo=UTC), "")
    package = write_wacz([path], tmp_path / "run.wacz", [again], "采集")
    assert validate(package) == 0
    with (
        pywb(tmp_path / "pywb", package) as served,
        urlopen(f"{served}/20250601020309id_/http://b.test/again") as answer,  # noqa: S310
    ):
        assert answer.read() == BODY
        assert answer.headers["X-Own"] == "1" or answer.headers["X-Archive-Orig-X-Own"] == "1"

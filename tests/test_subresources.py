"""What a browser loaded for a page is kept as it was received, and what is not kept is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from test_archive import check, records
from web import Web, _Handler, html, route
from witnessed import FONT, GREETING, PAGE, SCRIPT, SEAL, egress, keep, watch

from crawler import subresources
from crawler.archive import Exchange, Loaded

Seen = dict[str, Exchange]


@pytest.fixture(scope="module")
def loaded(web: Web) -> Loaded:
    return watch(egress(web), "http://shown.test/sub/page")[1]


@pytest.fixture(scope="module")
def seen(loaded: Loaded) -> Seen:
    return {exchange.url: exchange for exchange in loaded.exchanges}


def test_everything_the_page_loaded_is_kept_once(loaded: Loaded, seen: Seen) -> None:
    shown = {"page", "look.css", "say.js", "seal.png", "inner", "none", "moved", "arrived"} | (
        {"seal.ttf"} if FONT else set()
    )
    wanted = {f"http://shown.test/sub/{name}" for name in shown} | {
        f"http://other.test/sub/{name}" for name in ("frame", "seal.png")
    }
    assert set(seen) == wanted
    assert len(loaded.exchanges) == len(wanted)
    assert [exchange.at for exchange in loaded.exchanges] == sorted(exchange.at for exchange in loaded.exchanges)
    # The frame of the same site took its style sheet from the cache: no server said it a second time.
    assert {(left.url, left.why) for left in loaded.left_out} >= {
        ("http://shown.test/sub/look.css", "由浏览器缓存应答")
    }
    assert all("缓存" in left.why for left in loaded.left_out)


def test_a_text_is_kept_as_the_browser_decoded_it_and_says_so(seen: Seen) -> None:
    page, script = seen["http://shown.test/sub/page"], seen["http://shown.test/sub/say.js"]
    assert page.body.decode() == PAGE
    assert script.body.decode() == SCRIPT
    received = {name.lower(): value for name, value in page.received}
    assert received["content-type"] == "text/html; charset=utf-8"
    assert received["x-archive-orig-content-type"] == "text/html; charset=gbk"
    assert received["x-archive-orig-content-encoding"] == "gzip"
    assert "content-encoding" not in received
    assert received["content-length"] == str(len(page.body))
    assert received["x-archive-orig-content-length"] == str(len(gzip.compress(PAGE.encode("gbk"), mtime=0)))


def test_bytes_headers_and_addresses_are_the_exchange_s_own(seen: Seen) -> None:
    page, picture = seen["http://shown.test/sub/page"], seen["http://shown.test/sub/seal.png"]
    assert picture.body == SEAL
    assert ("Content-Type", "image/png") in picture.received
    assert not any(name.startswith("X-Archive") for name, _ in picture.received)
    assert [value for name, value in page.received if name.lower() == "set-cookie"] == ["a=1", "b=2"]
    assert ("X-Note", "馆".encode().decode("latin-1")) in page.received
    sent = {name.lower(): value for name, value in picture.sent}
    assert (sent["host"], sent["connection"], sent["cookie"]) == ("shown.test", "close", "a=1; b=2")
    assert "proxy-connection" not in sent
    assert (page.method, page.status, page.reason, page.version, page.address) == ("GET", 200, "OK", "1.1", "127.0.0.1")
    assert (seen["http://shown.test/sub/none"].status, seen["http://shown.test/sub/none"].body) == (204, b"")
    moved = seen["http://shown.test/sub/moved"]
    assert (moved.status, dict(moved.received)["Location"], moved.body) == (302, "/sub/arrived", b"")


def test_it_is_archived_and_checks(loaded: Loaded, tmp_path: Path) -> None:
    keep(tmp_path, loaded.exchanges)
    (path,) = (tmp_path / "archives").glob("*/*.warc.gz")
    assert check(path) == 0
    kept = {url: body for kind, url, body in records(path) if kind == "response"}
    assert GREETING in kept["http://shown.test/sub/page"].decode()


@route("/sub/odd")
def _odd(web: _Handler, _: str) -> None:
    web.say(
        html(
            "怪",
            "<img src=http://127.0.0.1:81/a><img src=http://nowhere.invalid/b><img src=/drop><img src=/sub/large>"
            "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><script>new WebSocket('ws://shown.test/c');"
            "fetch('/sub/drip');const gone=new AbortController();fetch('/sub/drip?2',{signal:gone.signal}).catch(()=>0);"
            "setTimeout(()=>gone.abort(),50)</script>",
        )
    )


@route("/sub/large")
def _large(web: _Handler, _: str) -> None:
    web.say(SEAL + b"\0" * 300_000, "image/png")


@route("/sub/drip")
def _drip(web: _Handler, _: str) -> None:
    web.send_response(200)
    web.send_header("Content-Length", "10")
    web.end_headers()
    web.wfile.write(b"x")
    web.wfile.flush()
    web.rfile.read(1)  # until the browser goes away


def test_what_is_not_kept_is_named(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subresources, "RESOURCE_BYTES", 200_000)
    loaded = watch(egress(web), "http://shown.test/sub/odd")[1]
    why = {left.url.removeprefix("http://"): left.why for left in loaded.left_out}
    assert "出口策略不允许" in why["127.0.0.1:81/a"]
    assert "出口代理没有连上" in why["nowhere.invalid/b"]
    assert "上限" in why["shown.test/sub/large"]
    assert "未完成" in why["shown.test/sub/drip?2"]
    assert "仍未收完" in why["shown.test/sub/drip"]
    assert "WebSocket" in why["ws://shown.test/c"]
    assert "shown.test/drop" in why
    assert [exchange.url for exchange in loaded.exchanges] == ["http://shown.test/sub/odd"]


def test_the_page_s_caps_hold(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subresources, "COUNT", 3)
    monkeypatch.setattr(subresources, "NAMED", 2)
    loaded = watch(egress(web), "http://shown.test/sub/page")[1]
    assert len(loaded.exchanges) <= 3
    assert len(loaded.left_out) == 2
    assert loaded.unnamed >= 4
    monkeypatch.undo()
    monkeypatch.setattr(subresources, "PAGE_BYTES", 900)
    loaded = watch(egress(web), "http://shown.test/sub/page")[1]
    assert sum(len(exchange.body) for exchange in loaded.exchanges) <= 900
    assert any("每页子资源共" in left.why for left in loaded.left_out)

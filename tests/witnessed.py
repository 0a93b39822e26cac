"""A page with every kind of sub-resource, on the session's server, and what a browser loads for it."""

from __future__ import annotations

import asyncio
import gzip
import io
from pathlib import Path

from PIL import Image
from web import Web, _Handler, route

from crawler.archive import Archive, Exchange, Loaded
from crawler.egress import ConnectTo, Egress
from crawler.render import Renderer, View
from data.facts import profiles
from data.records import Piece

GREETING = "蓝江图书馆"
PAGE = (
    "<!doctype html><html><head><link rel=stylesheet href=/sub/look.css><title>馆</title></head><body>"
    f"<h1>{GREETING}</h1><div id=painted></div><p id=said></p><img src=/sub/seal.png width=60 height=60>"
    "<iframe src=http://other.test/sub/frame width=300 height=120></iframe>"
    "<iframe src=/sub/inner width=300 height=80></iframe><script src=/sub/say.js></script></body></html>"
)
CSS = (
    "@font-face{font-family:Seal;src:url(/sub/seal.ttf)}body{font:20px Seal,sans-serif;background:#eef6ff}"
    "h1{color:#b00020}#painted{width:200px;height:40px;background:url(/sub/seal.png)}"
)
SCRIPT = "document.getElementById('said').textContent='脚本写出的字';fetch('/sub/none');fetch('/sub/moved');"


def _seal() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), (180, 30, 40)).save(out, "PNG")
    return out.getvalue()


SEAL = _seal()
KEPT = (("Cache-Control", "max-age=600"),)


@route("/sub/page")
def _page(web: _Handler, _: str) -> None:
    web.say(
        gzip.compress(PAGE.encode("gbk"), mtime=0),
        "text/html; charset=gbk",
        headers=(("Content-Encoding", "gzip"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Note", "馆".encode().decode("latin-1"))),
    )  # fmt: skip


@route("/sub/look.css")
def _look(web: _Handler, _: str) -> None:
    web.say(CSS, "text/css", headers=KEPT)


@route("/sub/say.js")
def _say(web: _Handler, _: str) -> None:
    web.say(SCRIPT.encode("gbk"), "text/javascript; charset=gbk")


@route("/sub/seal.png")
def _png(web: _Handler, _: str) -> None:
    web.say(SEAL, "image/png", headers=KEPT)


@route("/sub/seal.ttf")
def _ttf(web: _Handler, _: str) -> None:
    web.say(FONT.read_bytes() if FONT else b"", "font/ttf", headers=KEPT)


@route("/sub/frame")
def _frame(web: _Handler, _: str) -> None:
    web.say("<meta charset=utf-8><p style='color:green'>框内的字</p><img src=/sub/seal.png>", "text/html")


@route("/sub/inner")
def _inner(web: _Handler, _: str) -> None:
    web.say("<link rel=stylesheet href=/sub/look.css><meta charset=utf-8><p>同站的框</p>", "text/html; charset=utf-8")


@route("/sub/none")
def _none(web: _Handler, _: str) -> None:
    web.send_response(204)
    web.end_headers()


@route("/sub/moved")
def _moved(web: _Handler, _: str) -> None:
    web.say("went", status=302, headers=(("Location", "/sub/arrived"),))


@route("/sub/arrived")
def _arrived(web: _Handler, _: str) -> None:
    web.say("到了", "text/plain; charset=utf-8")


FONT = next(Path("/usr/share/fonts").rglob("*.ttf"), None)


def egress(web: Web) -> Egress:
    """Only the two hosts of the page are reached."""
    return Egress(tuple(ConnectTo.parse(f"{host}:80:127.0.0.1:{web.port}") for host in ("shown.test", "other.test")))


def watch(policy: Egress, url: str) -> tuple[View, Loaded]:
    """What a browser showed of a page, and everything it loaded for it."""

    async def look() -> tuple[View, Loaded]:
        renderer = Renderer(policy, profiles()[0])
        try:
            view = await renderer.view(url)
            return view, view.loaded
        finally:
            await renderer.close()

    return asyncio.run(look())


def keep(home: Path, exchanges: tuple[Exchange, ...]) -> list[Piece]:
    """The exchanges as the archive of a run."""
    archive = Archive(home, "run", {"software": "takedown test", "format": "WARC/1.1"})
    pieces = [archive.write_exchange(exchange) for exchange in exchanges]
    archive.close()
    return pieces

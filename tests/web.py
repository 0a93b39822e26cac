"""A web on loopback that misbehaves on request: threads, a free port, every host answered by its ``Host`` header.

``serve()`` gives a ``Web`` that remembers who asked for what, and when. The path says what goes wrong; the hosts
``many.test`` and ``slow.test`` are whole sites. Everything here is invented.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

LIBRARY = (
    "蓝江图书馆自习室今日开放，读者凭借书证入馆，可以在二楼阅览室阅读报刊，也可以在三楼借还图书。"
    "本周六上午九点举行少儿故事会，请家长提前半小时带孩子到一楼大厅签到，场内保持安静，谢谢合作。"
)
FOUR_BYTE = "𠮷野家读书会"  # outside GBK; four bytes in GB18030
TRADITIONAL = "藍江圖書館自習室今日開放，讀者憑借書證入館，可以在二樓閱覽室閱讀報刊，也可以在三樓借還圖書。"
SECRET = "脚本写出的暗号是青苹果"
MANY = 48
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def html(title: str, body: str, head: str = "") -> str:
    """A whole page."""
    return f"<!doctype html><html><head>{head}<title>{title}</title></head><body>{body}</body></html>"


@dataclass(frozen=True)
class Hit:
    """One request as the server saw it; ``at`` is a monotonic time in seconds."""

    at: float
    host: str
    path: str
    headers: dict[str, str]


@dataclass
class Web:
    """What a running server knows."""

    port: int = 0
    hits: list[Hit] = field(default_factory=list)
    busiest: Counter[str] = field(default_factory=Counter)
    active: Counter[str] = field(default_factory=Counter)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def asked(self, host: str, path: str = "") -> list[Hit]:
        """The requests for a host, or for one path of it, in order."""
        with self.changed:
            return [hit for hit in self.hits if hit.host == host and path in ("", hit.path)]

    def wait_for(self, host: str, count: int, timeout: float = 40) -> None:
        """Return when the host was asked ``count`` times; raises ``TimeoutError``."""
        with self.changed:
            if not self.changed.wait_for(lambda: sum(hit.host == host for hit in self.hits) >= count, timeout):
                raise TimeoutError(f"{host} was asked fewer than {count} times")


Answer = Callable[["_Handler", str], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    routes: ClassVar[dict[str, Answer]] = {}

    def do_GET(self) -> None:
        web, path = self.server.web, self.path.partition("?")[0]
        host = (self.headers.get("Host") or "").partition(":")[0].lower()
        with web.changed:
            web.hits.append(Hit(time.monotonic(), host, path, dict(self.headers.items())))
            web.active[host] += 1
            web.busiest[host] = max(web.busiest[host], web.active[host])
            web.changed.notify_all()
        try:
            self._route(host, path)
        finally:
            with web.changed:
                web.active[host] -= 1

    def _route(self, host: str, path: str) -> None:
        if site := SITES.get(host):
            site(self, path)
            return
        for pattern, answer in self.routes.items():
            if found := re.fullmatch(pattern, path):
                answer(self, found[1] if found.re.groups else "")
                return
        self.say(html("没有这一页", "没有这一页"), status=404)

    def say(
        self,
        content: str | bytes,
        kind: str = "text/html; charset=utf-8",
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, web: Web) -> None:
        self.web = web
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or a page that drops its connection, is no news."""


def route(pattern: str) -> Callable[[Answer], Answer]:
    def add(answer: Answer) -> Answer:
        _Handler.routes[pattern] = answer
        return answer

    return add


# -- pages, by path ------------------------------------------------------------------------------------------------------

LINKED = (
    "/delay", "/drop", "/redirect/3", "/loop", "/enc/gb18030", "/enc/gbk", "/enc/big5", "/enc/utf16", "/enc/bare",
    "/lie", "/headers", "/gzip", "/403", "/503", "/big", "/deep", "/nul", "/script", "/jump", "/packed", "/fake.apk",
)  # fmt: skip


@route("/")
def index(handler: _Handler, _: str) -> None:
    links = "".join(f'<li><a href="{path}">{path}</a></li>' for path in LINKED)
    handler.say(html("目录", f"<p>{LIBRARY}</p><ul>{links}</ul>"))


@route("/robots.txt")
def robots(handler: _Handler, _: str) -> None:
    handler.say("User-agent: *\nAllow: /\n", "text/plain")


@route("/delay")
def delay(handler: _Handler, _: str) -> None:
    threading.Event().wait(0.1)
    handler.say(html("慢", LIBRARY))


@route("/drop")
def drop(handler: _Handler, _: str) -> None:
    """Promises more than it sends, and hangs up."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b"<html>")
    handler.close_connection = True


@route(r"/redirect/(\d+)")
def redirect(handler: _Handler, left: str) -> None:
    if left == "0":
        handler.say(html("到了", LIBRARY))
    else:
        handler.say("", status=302, headers=(("Location", f"/redirect/{int(left) - 1}"),))


@route("/loop")
def loop(handler: _Handler, _: str) -> None:
    handler.say("", status=301, headers=(("Location", "/loop"),))


@route(r"/enc/(\w+)")
def encoded(handler: _Handler, name: str) -> None:
    if name == "bare":  # no charset anywhere, as old sites have it
        handler.say(html("裸", f"<p>{LIBRARY}</p>" * 4).encode("gbk"), "text/html")
    elif name == "utf16":
        handler.say(html("宽", LIBRARY).encode("utf-16"), "text/html")
    elif name == "big5":
        handler.say(html("繁", TRADITIONAL, '<meta charset="big5">').encode("big5"), "text/html")
    elif name == "gb18030":  # says GB2312, as sites do, and goes beyond it
        handler.say(html("扩", LIBRARY + FOUR_BYTE, '<meta charset="gb2312">').encode("gb18030"), "text/html")
    else:
        handler.say(html("国", LIBRARY).encode("gbk"), "text/html; charset=gbk")


@route("/lie")
def lie(handler: _Handler, _: str) -> None:
    handler.say(html("谎", LIBRARY).encode("gbk"), "text/html; charset=utf-8")


@route("/headers")
def headers(handler: _Handler, _: str) -> None:
    handler.say(
        html("头", LIBRARY),
        headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Note", "中文".encode().decode("latin-1"))),
    )


@route("/gzip")
def gzipped(handler: _Handler, _: str) -> None:
    handler.say(gzip.compress(html("压", LIBRARY).encode(), mtime=0), headers=(("Content-Encoding", "gzip"),))


@route("/(403|503)")
def refusal(handler: _Handler, status: str) -> None:
    handler.say(html("不给看", f"<p>状态 {status}</p><p>{LIBRARY}</p>"), status=int(status))


@route("/big")
def big(handler: _Handler, _: str) -> None:
    """Three megabytes in chunks, without a length."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    piece = f"<p>{LIBRARY}</p>".encode() * 120
    for _piece in range(3_000_000 // len(piece) + 1):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    handler.wfile.write(b"0\r\n\r\n")


@route("/deep")
def deep(handler: _Handler, _: str) -> None:
    handler.say(html("深", f"<p>{LIBRARY}</p>" + "<span>" * 50_000 + "底"))


@route("/nul")
def nul(handler: _Handler, _: str) -> None:
    handler.say(html("空\x00字", f"图书\x00馆{LIBRARY}"))


@route("/packed")
def packed(handler: _Handler, _: str) -> None:
    """A package that calls itself text, as carelessly set-up servers have it."""
    handler.say(b"PK\x03\x04" + b"\x00" * 40, "text/html")


@route(r"/fake\.apk")
def fake(handler: _Handler, _: str) -> None:
    handler.say("这不是安装包。", "application/vnd.android.package-archive")


@route("/script")
def script(handler: _Handler, _: str) -> None:
    code = (
        "alert('欢迎');confirm('确定？');"
        "fetch('/script.json').then(r=>r.json()).then(d=>{document.getElementById('app').textContent=d.text})"
    )
    handler.say(html("应用", f'<div id="app"></div><script>{code}</script>'))


@route(r"/script\.json")
def script_data(handler: _Handler, _: str) -> None:
    handler.say(json.dumps({"text": SECRET + LIBRARY}), "application/json")


@route("/jump")
def jump(handler: _Handler, _: str) -> None:
    """A script that sends the visitor to a private address."""
    handler.say(html("跳", "请稍候<script>window.location='http://10.0.0.9/inner'</script>"))


@route(r"/probe/(\d+)")
def probe(handler: _Handler, port: str) -> None:
    """Tries every way a page has to reach another server."""
    away = f"http://127.0.0.1:{port}"
    code = f"""
      const said = [];
      const done = (what) => {{ said.push(what); document.getElementById('out').textContent = said.join(' ') }};
      fetch('{away}/fetch', {{mode: 'no-cors'}}).then(() => done('fetch-answered'), () => done('fetch-failed'));
      const socket = new WebSocket('ws://127.0.0.1:{port}/socket');
      socket.onerror = () => done('socket-failed'); socket.onopen = () => done('socket-open');
      window.open('{away}/popup');
      navigator.sendBeacon('{away}/beacon', 'x');
    """
    handler.say(
        html(
            "试探",
            f'<p id="out"></p><img src="{away}/image"><iframe src="{away}/frame"></iframe>'
            f'<link rel="stylesheet" href="{away}/style"><img src="/away/{port}"><script>{code}</script>',
        )
    )


@route(r"/away/(\d+)")
def away(handler: _Handler, port: str) -> None:
    handler.say("", status=302, headers=(("Location", f"http://127.0.0.1:{port}/redirected"),))


@route("/late")
def late(handler: _Handler, _: str) -> None:
    """Writes its text two seconds after it has asked for it, and a clock of its own never stops."""
    code = (
        "setInterval(() => document.title = Date.now(), 20);"
        "setTimeout(() => fetch('/script.json').then(r => r.json()).then(d => setTimeout(() => {"
        "document.getElementById('app').textContent = d.text}, 1000)), 1000)"
    )
    handler.say(html("晚", f'<div id="app"></div><script>{code}</script>'))


@route("/never")
def never(handler: _Handler, _: str) -> None:
    """Asks for what does not come, and writes its text without it."""
    code = f"fetch('/silent'); setTimeout(() => document.getElementById('app').textContent = '{SECRET}', 300)"
    handler.say(html("等", f'<div id="app"></div><script>{code}</script>'))


@route("/silent")
def silent(handler: _Handler, _: str) -> None:
    threading.Event().wait(8)
    handler.close_connection = True


@route("/framed")
def framed(handler: _Handler, _: str) -> None:
    handler.say(html("框", '<iframe src="/late"></iframe><iframe src="http://other.test/enc/gbk"></iframe>'))


@route("/tall")
def tall(handler: _Handler, _: str) -> None:
    handler.say(html("高", f'<div style="height:30000px">{LIBRARY}</div>'))


@route(r"/image\.png")
def image(handler: _Handler, _: str) -> None:
    handler.say(PNG, "image/png")


@route("/socket")
def socket(handler: _Handler, _: str) -> None:
    """The opening handshake of a WebSocket (RFC 6455), so that one that gets here opens."""
    key = (handler.headers.get("Sec-WebSocket-Key") or "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324  # the protocol's own choice
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Accept", accept)
    handler.end_headers()
    handler.close_connection = True


# -- sites, by host --------------------------------------------------------------------------------------------------


def many(handler: _Handler, path: str) -> None:
    """A front page and ``MANY`` static pages, each slow enough that a crawl can be caught in the middle."""
    if path == "/robots.txt":
        handler.say("", "text/plain", 404)
    elif path == "/":
        handler.say(html("首页", f"{LIBRARY}" + "".join(f'<a href="/p/{n}">{n}</a> ' for n in range(MANY))))
    else:
        threading.Event().wait(0.02)
        handler.say(html(f"第{path[3:]}页", f"{LIBRARY} {path}"))


def slow(handler: _Handler, path: str) -> None:
    """Asks for half a second between requests, and for its private part to be left alone."""
    if path == "/robots.txt":
        handler.say("User-agent: *\nCrawl-delay: 0.5\nDisallow: /private/\n", "text/plain")
    else:
        links = "".join(f'<a href="/{n}">{n}</a> ' for n in range(4))
        handler.say(html("慢站", f'{LIBRARY}{links}<a href="/private/list">名单</a>'))


def moved(handler: _Handler, path: str) -> None:
    """Sends everybody to the slow site, past its door."""
    if path == "/robots.txt":
        handler.say("", "text/plain", 404)
    else:
        handler.say("", status=302, headers=(("Location", "http://slow.test/private/door"),))


SITES: dict[str, Answer] = {"many.test": many, "slow.test": slow, "moved.test": moved}


@contextmanager
def serve() -> Iterator[Web]:
    """Serve on a free loopback port until the context ends."""
    web = Web()
    server = _Server(web)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

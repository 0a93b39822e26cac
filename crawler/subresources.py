"""What a page asked for while a browser showed it: each answer as the browser received it, ready for the archive.

A browser hands out bodies after content decoding, and documents, style sheets and scripts after character decoding too.
The records say so: ``Content-Encoding`` and ``Transfer-Encoding`` become ``X-Archive-Orig-*``; ``Content-Length`` is that
of the body kept and ``charset`` is UTF-8 where the browser made it so, with the server's own words under
``X-Archive-Orig-*``. Headers come sorted by name, repetitions kept. What is not kept is named.
"""

from __future__ import annotations

import asyncio
import string
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.message import Message
from urllib.parse import quote, urldefrag, urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page, Request, WebSocket

from crawler.archive import Exchange, LeftOut, Loaded
from crawler.egress import Egress, Route

COUNT = 400
RESOURCE_BYTES = 8 * 1024 * 1024
PAGE_BYTES = 48 * 1024 * 1024
LAST_SECONDS = 5.0
NAMED = 200
_AT_ONCE = 4
Headers = list[tuple[str, str]]
# Blink keeps these as text; the type is what it takes an answer to be that names none.
_TEXT = {"document": "text/html", "stylesheet": "text/css", "script": "text/javascript"}
_HOP = {"connection", "proxy-connection", "proxy-authorization"}


class Witness:
    """Listens to a page from before it is opened; ``await loaded()`` when it has been looked at.

    Bodies are fetched as answers end, before the browser forgets them. Pop-ups are pages of their own, and not heard.
    """

    def __init__(self, page: Page, egress: Egress) -> None:
        self.egress = egress
        self._exchanges: list[Exchange] = []
        self._left_out: list[LeftOut] = []
        self._unnamed = 0
        self._open: set[Request] = set()
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._bytes = 0
        self._taken = 0
        self._over = False
        page.on("request", self._asked)
        page.on("requestfinished", self._answered)
        page.on("requestfailed", self._failed)
        page.on("websocket", self._socket)

    async def loaded(self) -> Loaded:
        """What was kept; waits at most ``LAST_SECONDS`` for bodies that are still on their way from the browser."""
        self._over = True
        for request in self._open:
            self._leave(request.url, "页面看完时仍未收完")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_SECONDS)
        for task, url in list(self._tasks.items()):
            task.cancel()
            self._leave(url, "浏览器未及时交出正文")
        return Loaded(
            tuple(sorted(self._exchanges, key=lambda exchange: exchange.at)), tuple(self._left_out), self._unnamed
        )

    # -- what the page reports -----------------------------------------------------------------------------------------

    def _asked(self, request: Request) -> None:
        if not self._over and _on_the_wire(request.url):
            self._open.add(request)

    def _failed(self, request: Request) -> None:
        if self._ended(request):
            self._leave(request.url, f"未完成：{request.failure or '原因不明'}")

    def _ended(self, request: Request) -> bool:
        """Whether the request was one to tell of."""
        known = request in self._open and not self._over
        self._open.discard(request)
        return known

    def _socket(self, socket: WebSocket) -> None:
        if not self._over:
            self._leave(socket.url, "WebSocket 的往来不存档")

    def _answered(self, request: Request) -> None:
        if not self._ended(request):
            return
        if self._taken >= COUNT:
            self._leave(request.url, f"超过每页 {COUNT} 个子资源的上限")
            return
        self._taken += 1
        task = asyncio.ensure_future(self._take(request))
        self._tasks[task] = request.url
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def _leave(self, url: str, why: str) -> None:
        if len(self._left_out) < NAMED:
            self._left_out.append(LeftOut(url[:2000], why))
        else:
            self._unnamed += 1

    # -- one answer ------------------------------------------------------------------------------------------------

    async def _take(self, request: Request) -> None:
        try:
            async with self._at_once:
                taken = await self._read(request)
        except (PlaywrightError, ValueError) as error:
            taken = f"浏览器没有交出正文（{(str(error).strip() or '无说明').splitlines()[0][:120]}）"
        if isinstance(taken, str):
            self._leave(request.url, taken)
        else:
            self._exchanges.append(taken)

    async def _read(self, request: Request) -> Exchange | str:
        """The exchange, or why there is none. Raises ``playwright`` errors."""
        response = await request.response()
        if response is None:
            return "没有应答"
        # Addresses are ASCII in an archive, whatever the browser lets pass.
        url = quote(urldefrag(request.url).url, string.punctuation)
        host = urlsplit(url).hostname or ""
        if url.startswith("http:") and response.status_text == "refused" and response.status in (400, 403, 502):
            # The egress proxy's own words; no server said them.
            return self.egress.refused.get(host, "出口代理没有连上服务器")
        sent = _pairs(await request.headers_array())
        if not any(name.lower() in ("host", ":authority") for name, _ in sent):
            # What never named a host never went out: the browser answered itself.
            return "由浏览器缓存应答"
        received = _pairs(await response.headers_array())
        body = b""
        # A redirect's body is never handed out; the others have none.
        if not (300 <= response.status < 400 or response.status in (204, 205) or request.method == "HEAD"):
            declared = next((value for name, value in received if name.lower() == "content-length"), "")
            # What the browser counted is asked for where the server has not said it: it takes a moment, a hundred times over.
            if not declared.isdecimal():
                declared = str((await request.sizes())["responseBodySize"])
            if int(declared) > RESOURCE_BYTES:
                return f"大于每个子资源 {RESOURCE_BYTES} 字节的上限"
            body = await response.body()
            if len(body) > RESOURCE_BYTES:
                return f"解码后 {len(body)} 字节，大于每个子资源 {RESOURCE_BYTES} 字节的上限"
        if self._bytes + len(body) > PAGE_BYTES:
            return f"超过每页子资源共 {PAGE_BYTES} 字节的上限"
        self._bytes += len(body)
        return Exchange(
            url,
            request.method,
            _as_sent(sent, url),
            response.status,
            response.status_text,
            _version(await response.http_version()),
            _as_kept(received, body, request.resource_type),
            body,
            _address(self.egress.routes.get(host.lower())),
            datetime.fromtimestamp(request.timing["startTime"] / 1000, UTC),
        )


def _on_the_wire(url: str) -> bool:
    return url.startswith(("http:", "https:"))


def _pairs(headers: Iterable[Mapping[str, object]]) -> Headers:
    """Names and values that any HTTP/1 record can hold: Latin-1 for bytes, as the archive writes them, in one line."""
    return [(str(header["name"]), _bytewise(str(header["value"]))) for header in headers]


def _bytewise(value: str) -> str:
    """One character a byte. The browser reads a header's bytes as Windows-1252, which is undone here."""
    value = value.replace("\r", " ").replace("\n", " ").replace("\0", " ")
    try:
        raw = b"".join(letter.encode("latin-1" if letter < "\u0100" else "cp1252") for letter in value)
    except UnicodeEncodeError:
        raw = value.encode("utf-8", "replace")
    return raw.decode("latin-1")


def _as_sent(headers: Headers, url: str) -> Headers:
    """What reached the server: HTTP/2's ``:authority`` as ``Host``; for ``http:``, the connection the proxy made."""
    kept = [("Host" if name == ":authority" else name, value) for name, value in headers]
    kept = [(name, value) for name, value in kept if not name.startswith(":") and name.lower() not in _HOP]
    return [*kept, ("Connection", "close")] if url.startswith("http:") else kept


def _as_kept(headers: Headers, body: bytes, kind: str) -> Headers:
    """The answer's headers, made true of the body that is kept; the server's words stay under ``X-Archive-Orig-*``."""
    recoded = _recoded(headers, body, kind)
    kept: Headers = []
    for name, value in headers:
        lower = name.lower()
        now = name, value
        if lower in ("content-encoding", "transfer-encoding"):
            now = f"X-Archive-Orig-{name}", value
        elif lower == "content-length" and value.strip() != str(len(body)):
            kept.append((name, str(len(body))))
            now = f"X-Archive-Orig-{name}", value
        elif lower == "content-type" and recoded:
            kept.append((name, recoded))
            now = f"X-Archive-Orig-{name}", value
        kept.append(now)
    if recoded and not any(name.lower() == "content-type" for name, _ in headers):
        kept += [("Content-Type", recoded), ("X-Archive-Orig-Content-Type", "")]
    return kept


def _recoded(headers: Headers, body: bytes, kind: str) -> str:
    """The content type that tells the truth of a text the browser has turned into UTF-8; empty when the server's does."""
    if kind not in _TEXT or not body:
        return ""
    try:
        body.decode()
    except UnicodeDecodeError:
        return ""  # handed out as it came: a picture that was opened as a document
    declared = Message()
    declared["Content-Type"] = next((value for name, value in headers if name.lower() == "content-type"), _TEXT[kind])
    if (declared.get_content_charset() or "").lower() in ("utf-8", "utf8"):
        return ""
    return f"{declared.get_content_type()}; charset=utf-8"


def _version(name: str) -> str:
    """``HTTP/1.1`` or ``HTTP/2.0`` or ``h2`` as the number alone."""
    number = name.lower().removeprefix("http/").removeprefix("h").removesuffix(".0")
    return {"1": "1.0", "": "1.1"}.get(number, number)


def _address(route: Route | None) -> str:
    """The address a host was reached at, where only one was allowed; empty rather than guessed."""
    return route.addresses[0] if route is not None and len(route.addresses) == 1 else ""

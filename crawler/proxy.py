"""The browser's way out: a proxy on loopback that connects only where the egress policy lets it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from urllib.parse import urlsplit

from crawler.egress import Egress, Refused

logger = logging.getLogger(__name__)

HEAD_LIMIT = 64 * 1024
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0
BYTES_LIMIT = 64 * 1024 * 1024
# What Chromium asks for of its own accord, whatever its flags (seen while it showed one local page for half a minute, and
# the services its documentation names): no part of any page's evidence, and no business of a third party's.
BROWSERS_OWN = frozenset(
    {
        "accounts.google.com",
        "clients1.google.com",
        "clients2.google.com",
        "content-autofill.googleapis.com",
        "edgedl.me.gvt1.com",
        "optimizationguide-pa.googleapis.com",
        "redirector.gvt1.com",
        "safebrowsing.googleapis.com",
        "update.googleapis.com",
    }
)


class EgressProxy:
    """An HTTP and CONNECT proxy for Chromium. ``async with`` starts it on a free loopback port and stops it."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> EgressProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError) as error:
            logger.debug("proxy connection ended: %s", error)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_SECONDS)
        request, _, headers = head.partition(b"\r\n")
        method, target, version = request.split(b" ", 2)
        if method == b"CONNECT":
            host, _, port = target.decode("ascii").rpartition(":")
            upstream = await self._connect(writer, host, int(port))
            if upstream is None:
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            parts = urlsplit(target.decode("ascii", "replace"))
            if parts.scheme != "http" or not parts.hostname:
                await _answer(writer, 400, "只代理 http")
                return
            upstream = await self._connect(writer, parts.hostname, parts.port or 80)
            if upstream is None:
                return
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            # One request a connection: the next may go to another host, and must be resolved and allowed by itself.
            kept = [
                line
                for line in headers.split(b"\r\n")
                if line and line.split(b":", 1)[0].strip().lower() not in (b"connection", b"proxy-connection")
            ]
            head = b"\r\n".join([method + b" " + path.encode("ascii", "replace") + b" " + version, *kept])
            upstream[1].write(head + b"\r\nConnection: close\r\n\r\n")
        up_reader, up_writer = upstream
        try:
            await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))
        finally:
            up_writer.close()

    async def _connect(
        self, writer: asyncio.StreamWriter, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        if host.lower().rstrip(".") in BROWSERS_OWN:
            await _answer(writer, 403, f"{host} 是浏览器自身的请求，不予放行")
            return None
        try:
            route = await self.egress.resolve(host, port)
            for address in route.addresses:
                with contextlib.suppress(OSError, TimeoutError):
                    return await asyncio.wait_for(asyncio.open_connection(address, route.port), CONNECT_SECONDS)
        except Refused as error:
            await _answer(writer, 403, str(error))
            return None
        except OSError as error:
            await _answer(writer, 502, f"{host} 无法解析：{error}")
            return None
        await _answer(writer, 502, f"{host} 无应答")
        return None


async def _answer(writer: asyncio.StreamWriter, status: int, why: str) -> None:
    body = why.encode("utf-8", "replace")
    writer.write(
        b"HTTP/1.1 %d refused\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
        b"Connection: close\r\n\r\n%s" % (status, len(body), body)
    )
    await writer.drain()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    sent = 0
    while chunk := await asyncio.wait_for(source.read(65536), IDLE_SECONDS):
        sent += len(chunk)
        if sent > BYTES_LIMIT:
            break
        sink.write(chunk)
        await sink.drain()
    with contextlib.suppress(OSError):
        if sink.can_write_eof():
            sink.write_eof()

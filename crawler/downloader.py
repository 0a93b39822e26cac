"""Scrapy's way out: its aiohttp handler, with the egress policy in place of the resolver."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from scrapy.core.downloader.handlers._aiohttp import AiohttpDownloadHandler
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.utils._download_handlers import make_response

from crawler.apk import MAGIC
from crawler.connection import Connection, EgressConnector
from crawler.egress import Egress, Refused
from crawler.recorder import RecorderStopped, cannot_write
from crawler.spool import HEAD_BYTES, Body, opened

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response


GIVE_UP_AFTER = 3
# What is kept of a body, in bytes; RFC 9309 asks for at least 500 KiB of a robots.txt.
PAGE_BYTES, PACKAGE_BYTES, ROBOTS_BYTES = 8 << 20, 64 << 20, 512 << 10
# As browsers have it: content security policies alone are longer than aiohttp's default of 8 KB.
HEADER_BYTES, HEADER_LINES = 256 << 10, 4096


class EgressRefused(IgnoreRequest):
    """The egress policy refused the address; an ``IgnoreRequest`` so that Scrapy does not try again."""


class GivenUp(DownloadConnectionRefusedError):
    """The origin could not be connected to several times in a row in this run; it is not asked again."""


class EgressDownloadHandler(AiohttpDownloadHandler):
    """Leaves in ``request.meta["wire"]`` what the archive needs and Scrapy forgets: raw headers, reason, address, how it was
    resolved and reached, and how long that took."""

    experimental = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        spider: Any = crawler.spider
        self._egress: Egress = spider.job.egress
        self._folder: Path = spider.job.recorder.archive.folder
        self._failures: Counter[str] = Counter()
        # The session that the parent made has not connected anywhere; only its connector is exchanged for ours.
        parent = self._session._connector
        self._session._connector = EgressConnector(
            self._egress,
            limit=self._pool_size_total,
            limit_per_host=self._pool_size_per_host,
            loop=asyncio.get_event_loop(),
        )
        self._session._max_line_size = self._session._max_field_size = HEADER_BYTES
        self._session._max_headers = HEADER_LINES
        if parent is not None:
            parent._close()

    @asynccontextmanager
    async def _make_request(self, request: Request, timeout: float) -> AsyncIterator[Any]:
        started, begun = time.time(), time.monotonic()
        origin = request.url[: request.url.find("/", 8)]
        if self._failures[origin] >= GIVE_UP_AFTER:
            raise GivenUp(origin)
        try:
            async with super()._make_request(request, timeout) as response:
                connection = response._protocol
                assert isinstance(connection, Connection)
                request.meta["wire"] = {
                    "started": started,
                    "reason": response.reason or "",
                    "headers": [
                        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers
                    ],
                    "version": f"{response.version.major}.{response.version.minor}" if response.version else "1.1",
                    "address": response._peername[0] if response._peername else "",
                    "sent": [(name, value) for name, value in response.request_info.headers.items()],
                    "begun": begun,
                    "dns": connection.route.records,
                    "tls": connection.encryption,
                }
                self._failures.pop(origin, None)
                yield response
        except (CannotResolveHostError, DownloadConnectionRefusedError):
            self._failures[origin] += 1
            raise
        except Refused as error:
            raise EgressRefused(str(error)) from error

    async def _read_response(self, response: Any, request: Request) -> Response:
        """Read the body as far as its cap and its time allow. What was cut off is kept and marked, as WARC marks it.

        Raises ``ResponseDataLossError`` when the server broke off and the request is still to be tried again.
        """
        connection: Connection = response._protocol
        body = Body(self._folder)
        limit = ROBOTS_BYTES if request.url.endswith("/robots.txt") else PAGE_BYTES
        cut = ""
        try:
            async for chunk in response.content.iter_any():
                if body.startswith(MAGIC):
                    limit = PACKAGE_BYTES
                with _on_disk():
                    fits = body.add(chunk, limit)
                if not fits:
                    cut = "length"
                    break
        except TimeoutError:
            if not body.size:
                raise
            cut = "time"
        except aiohttp.ClientPayloadError as error:
            if request.meta.get("download_fail_on_dataloss", True):
                body.discard()
                raise ResponseDataLossError(str(error)) from error
            cut = "disconnect"
        except BaseException:
            body.discard()
            raise
        wire = request.meta["wire"]
        wire["truncated"] = cut
        with _on_disk():
            wire["body"] = whole = body.finish()
        # A page is read whole; of a large package, Scrapy needs to know only that it is one.
        with opened(whole) as stream:
            shown = stream.read(HEAD_BYTES if isinstance(whole, Path) and body.startswith(MAGIC) else -1)
        wire["network"] = connection.network(request.meta["download_latency"], time.monotonic() - wire["begun"])
        return make_response(
            **self._build_base_response_args(response, request, self._extract_headers(response)), body=shown
        )


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecorderStopped(cannot_write(error)) from error

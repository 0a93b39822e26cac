"""Between Scrapy and the network: everything that comes back is archived as it came, pages, hops and robots.txt alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.downloadermiddlewares.httpcompression import HttpCompressionMiddleware
from scrapy.downloadermiddlewares.redirect import MetaRefreshMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from crawler.apk import MAGIC
from crawler.archive import Exchange
from crawler.clock import ServerClocks
from crawler.frontier import Frontier
from crawler.recorder import Recorder
from crawler.urls import host_of

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler


class ArchiveMiddleware:
    """Nearest to the downloader, so that it sees bodies before content decoding, and redirects before they are followed.

    Leaves the evidence of the last response in ``request.meta["piece"]`` and of each hop in ``request.meta["hops"]``. The
    large package that a lease asked for stays in its file, ``request.meta["wire"]["body"]``; the spider removes it.
    """

    def __init__(self, recorder: Recorder, frontier: Frontier, clocks: ServerClocks) -> None:
        self.recorder = recorder
        self.frontier = frontier
        self.clocks = clocks

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> ArchiveMiddleware:
        spider: Any = crawler.spider
        return cls(spider.job.recorder, spider.job.frontier, spider.job.clocks)

    async def process_response(self, request: Request, response: Response) -> Response:
        wire = request.meta.get("wire")
        if wire is None:
            return response
        if link := request.meta.get("link"):
            self.frontier.arrived(link)
        at = datetime.fromtimestamp(wire["started"], UTC)
        request.meta["fetched_at"] = at
        if date := response.headers.get("Date"):
            answered = at + timedelta(milliseconds=wire["network"].timings.first_byte)
            self.clocks.hear(host_of(request.url), date.decode("latin-1"), answered)
        hops = request.meta.get("hops", [])
        exchange = Exchange(
            request.url,
            request.method,
            wire["sent"],
            response.status,
            wire["reason"],
            wire["version"],
            wire["headers"],
            wire["body"],
            wire["address"],
            at,
            wire.get("truncated", ""),
            network=wire["network"],
            dns=wire["dns"],
            tls=wire["tls"],
            via=hops[-1][0] if hops else (request.headers.get("Referer") or b"").decode("latin-1"),
            via_record=request.meta.get("led_by", ""),
        )
        request.meta["piece"] = await self.recorder.record(exchange)
        leased = "link" in request.meta and not 300 <= response.status < 400
        if isinstance(wire["body"], Path) and not (leased and response.body.startswith(MAGIC)):
            wire["body"].unlink()
            wire["body"] = response.body
        location = response.headers.get("Location")
        if 300 <= response.status < 400 and location:
            hop = (request.url, response.status, location.decode("utf-8", "replace"), wire["address"], at)
            # A new list: Scrapy copies meta shallowly into the request that follows the redirect.
            request.meta["hops"] = [*hops, hop]
            request.meta["led_by"] = exchange.id
        return response


class DecodingMiddleware(HttpCompressionMiddleware):
    """Content decoding under the cap. What cannot be decoded (a bomb, damaged data) has been archived as it came; it is
    handed on without a body, and ``request.meta["fault"]`` says why."""

    def process_response(self, request: Request, response: Response, spider: Any = None) -> Request | Response:  # noqa: ARG002
        request.meta.pop("fault", None)
        try:
            decoded: Request | Response = super().process_response(request, response)
            return decoded
        except IgnoreRequest:
            request.meta["fault"] = f"解压后超过 {self._max_size >> 20} MB，只保存了压缩的原样"
        except Exception as error:  # each codec has errors of its own
            request.meta["fault"] = f"内容无法解压（{type(error).__name__}），只保存了原样"
        return Response(response.url, status=response.status, headers=response.headers, request=request)


class RefreshMiddleware(MetaRefreshMiddleware):
    """Follows ``<meta http-equiv=refresh>`` as Scrapy does, which decodes a page for that; most need no such look."""

    def process_response(self, request: Request, response: Response, spider: Any = None) -> Request | Response:  # noqa: ARG002
        # Scrapy looks at 4,096 characters; a character takes four bytes at most. A NUL: UTF-16 or the like.
        start = response.body[: 4 * 4096].lower()
        if b"refresh" not in start and b"\x00" not in start:
            return response
        followed: Request | Response = super().process_response(request, response)
        return followed

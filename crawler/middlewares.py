"""Between Scrapy and the network: everything that comes back is archived as it came, pages, hops and robots.txt alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crawler.archive import Exchange
from crawler.recorder import Recorder

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response


class ArchiveMiddleware:
    """Nearest to the downloader, so that it sees bodies before content decoding, and redirects before they are followed.

    Leaves the evidence of the last response in ``request.meta["piece"]`` and of each hop in ``request.meta["hops"]``.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> ArchiveMiddleware:
        spider: Any = crawler.spider
        return cls(spider.job.recorder)

    async def process_response(self, request: Request, response: Response) -> Response:
        wire = request.meta.get("wire")
        if wire is None:
            return response
        at = datetime.fromtimestamp(wire["started"], UTC)
        request.meta["fetched_at"] = at
        request.meta["piece"] = await self.recorder.record(
            Exchange(
                request.url,
                request.method,
                wire["sent"],
                response.status,
                wire["reason"],
                wire["version"],
                wire["headers"],
                response.body,
                wire["address"],
                at,
            )
        )
        location = response.headers.get("Location")
        if 300 <= response.status < 400 and location:
            hop = (request.url, response.status, location.decode("utf-8", "replace"))
            # A new list: Scrapy copies meta shallowly into the request that follows the redirect.
            request.meta["hops"] = [*request.meta.get("hops", []), hop]
        return response

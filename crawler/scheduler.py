"""Scrapy's ``SCHEDULER``: hands the frontier's leases to the engine, and wakes it when a host's turn comes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from scrapy import Request

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from crawler.frontier import Frontier

LONGEST_NAP = 5.0


class FrontierScheduler:
    """What follows from a leased URL (a redirect) comes first; then the frontier's next lease."""

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        spider: Any = crawler.spider
        self.spider = spider
        self.frontier: Frontier = spider.job.frontier
        self.continued: deque[Request] = deque()
        self._nap: asyncio.TimerHandle | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> FrontierScheduler:
        return cls(crawler)

    def open(self, spider: Any) -> None:  # noqa: ARG002
        """The frontier is open; but the engine must hear of it when a lease ends and its host may have another."""
        self.frontier.freed = self._wake

    def close(self, reason: str) -> None:  # noqa: ARG002
        if self._nap is not None:
            self._nap.cancel()

    def has_pending_requests(self) -> bool:
        return bool(self.continued) or self.frontier.owed()

    def enqueue_request(self, request: Request) -> bool:
        """Only what follows from a leased URL comes this way; new URLs go to the frontier."""
        # A redirect may lead to another host, which is asked at its own pace and not at the first one's.
        request.meta.pop("download_slot", None)
        self.continued.append(request)
        return True

    def next_request(self) -> Request | None:
        if self.continued:
            return self.continued.popleft()
        link = self.frontier.lease()
        if link is not None:
            request: Request = self.spider.request_for(link)
            return request
        if self.frontier.owed():
            self._sleep()
        return None

    def _sleep(self) -> None:
        # The engine asks again when an answer comes; between answers somebody has to wake it.
        if self._nap is not None and not self._nap.cancelled() and self._nap.when() > asyncio.get_event_loop().time():
            return
        pause = min(max(self.frontier.wait(), 0.02), LONGEST_NAP)
        self._nap = asyncio.get_event_loop().call_later(pause, self._wake)

    def _wake(self) -> None:
        engine: Any = self.crawler.engine
        if engine is not None and engine._slot is not None:
            engine._slot.nextcall.schedule()

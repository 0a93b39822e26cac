"""robots.txt as RFC 9309 has it: rules that cannot be had are no permission."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from scrapy import Request, signals
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.httpobj import urlparse_cached
from scrapy.utils.misc import build_from_crawler

from crawler.downloader import GIVE_UP_AFTER, ROBOTS_BYTES
from crawler.troubles import reason_of, transient

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.robotstxt import RobotParser


class RobotsUnavailable(IgnoreRequest):
    """The host's robots.txt could not be had; the message says why. ``state`` is what becomes of a page for that:
    ``failed`` when the host did not answer, ``refused`` when it answered with a server's error. ``final``: do not ask again.
    """

    def __init__(self, why: str, state: str, final: bool) -> None:
        super().__init__(why)
        self.state = state
        self.final = final


class RobotsMiddleware(RobotsTxtMiddleware):
    """The rules of an origin, asked for once: scheme, host and port, for each has its own (RFC 9309, 2.3).

    No answer and a server's error shut the origin (2.3.1.4); with the next page it is asked again, a few times in all.
    Any 4xx is as good as no rules (2.3.1.3), whatever its body says; so are too many redirects (2.3.1.2). What was cut off
    or could not be unpacked is told in the run's report.
    """

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        spider: Any = crawler.spider
        self._remarks: dict[str, str] = spider.job.remarks
        self._rules: dict[str, asyncio.Task[RobotParser | None]] = {}
        self._strikes: Counter[str] = Counter()

    async def robot_parser(self, request: Request) -> RobotParser | None:
        """``None`` when there are no rules. Raises ``RobotsUnavailable``."""
        url = urlparse_cached(request)
        origin = f"{url.scheme}://{url.netloc}"
        known = self._rules.get(origin)
        if known is None or (known.done() and _may_be_asked_again(known.exception())):
            known = self._rules[origin] = asyncio.ensure_future(self._ask(origin, request))
        return await asyncio.shield(known)

    async def _ask(self, origin: str, request: Request) -> RobotParser | None:
        engine: Any = self.crawler.engine
        asked = Request(
            f"{origin}/robots.txt",
            priority=self.DOWNLOAD_PRIORITY,
            meta={"dont_obey_robotstxt": True},
            callback=NO_CALLBACK,
        )
        try:
            response = await engine.download_async(asked)
        except IgnoreRequest:
            return None
        except Exception as error:
            raise self._shut(
                origin, f"robots.txt 未能取得：{reason_of(error)}", "failed", not transient(error)
            ) from error
        if response.status >= 500:
            raise self._shut(origin, f"robots.txt 的应答是 {response.status}，按 RFC 9309 视为全部不允许", "refused")
        self._strikes.pop(origin, None)
        if response.status >= 400:
            return None
        if response.meta.get("wire", {}).get("truncated") == "length":
            self._remarks[response.url] = f"robots.txt 超过 {ROBOTS_BYTES >> 10} KB，只按其前一部分遵守"
        if "fault" in response.meta:
            self._remarks[response.url] = f"robots.txt 未能遵守：{response.meta['fault']}"
        rules: RobotParser = build_from_crawler(self._parserimpl, self.crawler, response.body)
        await self.crawler.signals.send_catch_log_async(signals.robots_parsed, robotparser=rules, request=request)
        return rules

    def _shut(self, origin: str, why: str, state: str, final: bool = False) -> RobotsUnavailable:
        self._strikes[origin] += 1
        return RobotsUnavailable(why, state, final or self._strikes[origin] >= GIVE_UP_AFTER)


def _may_be_asked_again(error: BaseException | None) -> bool:
    return error is not None and not (isinstance(error, RobotsUnavailable) and error.final)

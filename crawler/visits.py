"""Hits asked for again as other visitors, when the crawl itself is done: on a phone, inside WeChat, from a search engine.

The most likely offer of each target is asked for. What was asked for is archived like any page; the first answer to each
visitor becomes a capture of its own, evidence of the difference and of nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import scrapy
from playwright.async_api import Error as PlaywrightError
from scrapy.exceptions import IgnoreRequest
from scrapy.http import TextResponse

from crawler.captures import capture_of
from crawler.cloaking import Answer, Interest, visit_as
from crawler.frontier import Link
from crawler.job import Job
from crawler.profiles import request_headers
from crawler.reading import EMPTY, Unreadable
from crawler.recorder import Outcome, RecorderStopped
from crawler.render import NoBrowser, View
from crawler.targets import site_target
from data.facts import Profile, platforms, profiles
from data.records import Contrast, Hop, Side
from data.store import now

if TYPE_CHECKING:
    from scrapy.http import Response

logger = logging.getLogger(__name__)

AT_ONCE = 4


class Visits:
    """The visits of one run. ``download`` sends a request through Scrapy's own ways, at the host's pace;
    ``closing`` says whether the crawl is being stopped. ``all`` raises ``RecorderStopped``."""

    def __init__(
        self,
        job: Job,
        download: Callable[[scrapy.Request], Awaitable[Response]],
        review: float,
        interest: Interest,
        closing: Callable[[], bool],
    ) -> None:
        self.job = job
        self.download = download
        self.interest = interest
        self.hits = self._hits(review)
        self.closing = closing

    def _hits(self, review: float) -> list[Link]:
        """The likeliest page of each target that has not been asked for in this run yet."""
        done = {contrast.url for contrast in self.job.store.contrasts(run_id=self.job.run.id)}
        best: dict[str, str] = {}
        depths: dict[str, int] = {}
        for url, depth in self.job.frontier.promising(review):
            target = site_target(url, "", platforms())
            if target is not None:
                best.setdefault(target.key, url)
                depths[url] = depth
        return [Link(url, depths[url], 0.0, "") for url in best.values() if url not in done]

    async def all(self) -> None:
        """Visit every hit. Hosts are visited side by side, each by one visitor at a time."""
        self.job.visits = len(self.hits)
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(link: Link) -> None:
            async with turns:
                if not self.closing():
                    await self._visit(link)
                    self.job.visited += 1
                    self.job.tell()

        await asyncio.gather(*(one(link) for link in self.hits))

    async def _visit(self, link: Link) -> None:
        kept: dict[str, str] = {}

        async def fetch(url: str, visitor: Profile) -> Answer | None:
            return None if self.closing() else await self._ask(url, link, visitor, kept)

        try:
            visits = await visit_as(link.url, profiles(), fetch, self.interest)
            if self.closing() or not visits.answers:
                return
            first = {answer.profile.id: answer for answer in reversed(visits.answers)}
            sides = (
                Side(visitor.id, first[visitor.id].final_url, first[visitor.id].status, kept.get(visitor.id, ""))
                for visitor in profiles()
                if visitor.id in first
            )
            sentences = tuple(finding.sentence for finding in visits.findings)
            contrast = Contrast(self.job.run.id, link.url, now(), visits.variable, sentences, tuple(sides))
            await self.job.recorder.commit(Outcome(link.url, "", contrast=contrast))
        except RecorderStopped:
            raise
        except Exception:
            # The hit stands as it is; that it was not asked for again is told by what is missing.
            logger.exception("cannot visit %s", link.url)

    async def _ask(self, url: str, link: Link, visitor: Profile, kept: dict[str, str]) -> Answer | None:
        request = scrapy.Request(
            url, headers=request_headers(visitor), meta={"cookiejar": uuid.uuid4().hex}, dont_filter=True
        )
        try:
            response = await self.download(request)
        except RecorderStopped:
            raise
        except IgnoreRequest:
            return None
        except Exception as error:
            logger.info("no answer from %s for %s: %s", url, visitor.id, error)
            return Answer(visitor, url, 0)
        if response.status == 429:
            # Too many requests is said to all visitors alike, and no answer to any.
            return None
        reading, view = EMPTY, None
        if isinstance(response, TextResponse) and "fault" not in response.meta:
            try:
                view = await self._view(url, response, visitor)
                shown = view.shown if view else None
                media = (response.headers.get("Content-Type") or b"").decode("latin-1")
                reading = await self.job.readers.read(response.body, media, response.url, shown)
            except (PlaywrightError, TimeoutError, Unreadable) as error:
                logger.info("could not look at %s as %s: %s", url, visitor.id, error)
                return None
        capture = capture_of(self.job, response, link, reading, view, visitor.id, f"以“{visitor.zh}”再访")
        if visitor.id not in kept:
            kept[visitor.id] = capture.id
            await self.job.recorder.commit(Outcome(url, "", captures=((capture, ()),), view=view))
        return Answer(
            visitor, capture.final_url, response.status, tuple(Hop(*hop) for hop in response.meta.get("hops", [])),
            reading.title, reading.text, reading.language, capture.id,
        )  # fmt: skip

    async def _view(self, url: str, response: Response, visitor: Profile) -> View | None:
        if self.job.rendering.mode == "never" or response.status >= 400:
            return None
        try:
            return await self.job.renderer.view(url, visitor)
        except NoBrowser:
            return None

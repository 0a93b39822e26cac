"""The spider of sites: reads each page, looks at it in a browser where that is needed, and commits it as a Capture."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scrapy
from playwright.async_api import Error as PlaywrightError
from scrapy.exceptions import IgnoreRequest
from scrapy.http import TextResponse

from crawler.apk import MAGIC, BadPackage
from crawler.captures import capture_of, entry_of
from crawler.downloader import PACKAGE_BYTES
from crawler.frontier import BACKOFF_LIMIT, TRIES, Link
from crawler.job import Job
from crawler.reading import EMPTY, Reading, Unreadable
from crawler.recorder import Outcome, RecorderStopped
from crawler.render import NoBrowser, View
from crawler.rendering import COMPLETE
from crawler.robots import RobotsUnavailable
from crawler.targets import is_package, site_target
from crawler.troubles import reason_of, remarks, retry_after, transient
from crawler.urls import host_of, in_scope
from data.facts import platforms, profiles
from data.records import Target

if TYPE_CHECKING:
    from scrapy.http import Response
    from twisted.python.failure import Failure


logger = logging.getLogger(__name__)

BUSY = {429, 503}

# Not pages: what they carry is archived with the page that shows it, or not at all.
_SKIPPED = (
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".svg", ".ico", ".css", ".js", ".mjs", ".json", ".xml", ".mp4",
    ".mp3", ".woff", ".woff2", ".ttf", ".zip", ".rar", ".7z", ".gz", ".exe", ".dmg", ".pdf", ".doc", ".docx",
    ".xls", ".xlsx", ".ppt", ".pptx", ".csv", ".txt", ".ipa", ".plist",
)  # fmt: skip


class SitesSpider(scrapy.Spider):
    """One run over sites. Everything it needs is in the ``Job`` it is given."""

    name = "sites"

    def __init__(self, job: Job, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job = job

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """The frontier holds the seeds already; nothing is added here."""
        return
        yield

    def request_for(self, link: Link) -> scrapy.Request:
        """The request that fetches a leased link."""
        return scrapy.Request(
            link.url,
            callback=self.parse,
            errback=self.failed,
            dont_filter=True,
            headers={"Referer": link.referrer} if link.referrer else None,
            meta={
                "link": link,
                # The last time, what there is is kept.
                "download_fail_on_dataloss": self.job.frontier.tries(link) < TRIES - 1,
            }
            | ({"download_maxsize": PACKAGE_BYTES} if is_package(link.url) else {}),
        )

    async def parse(self, response: Response) -> None:
        """Read one answer and commit what came of it."""
        link: Link = response.meta["link"]
        try:
            # First by its bytes: many servers send packages as text.
            if "fault" in response.meta:
                await self._commit(response, link, response.meta["fault"], EMPTY, remark=response.meta["fault"])
            elif response.body.startswith(MAGIC) or (is_package(link.url) and response.status < 400):
                await self._package(response, link)
            elif isinstance(response, TextResponse):
                await self._page(response, link)
            else:
                await self._commit(response, link, "不是网页", EMPTY)
        except RecorderStopped as error:
            self._stop(error)
        except Exception as error:
            # The evidence is in the archive whatever our reading of it ran into; say so, and let the run go on.
            logger.exception("cannot read %s", response.url)
            await self._end(link, "failed", f"无法读取内容（{type(error).__name__}：{error}）")
        finally:
            if isinstance(body := response.meta["wire"]["body"], Path):
                body.unlink(missing_ok=True)
        self.job.tell()

    async def failed(self, failure: Failure) -> None:
        """Nothing came back, or nothing was asked for: robots.txt or the egress policy said no."""
        link: Link = failure.request.meta["link"]  # type: ignore[attr-defined]
        error = failure.value
        if isinstance(error, RecorderStopped):
            self._stop(error)
        elif isinstance(error, RobotsUnavailable):
            if error.final or not self.job.frontier.again(link):
                await self._end(link, error.state, str(error))
        elif isinstance(error, IgnoreRequest):
            why = str(error) or "未采集"
            if "max redirections" in why:
                await self._end(link, "failed", "跳转次数过多")
            else:
                await self._end(link, "refused", "robots.txt 不允许" if "Forbidden by robots.txt" in why else why)
        elif transient(error) and self.job.frontier.again(link):
            pass
        else:
            await self._end(link, "failed", reason_of(error))
        self.job.tell()

    async def _end(self, link: Link, state: str, note: str) -> None:
        await self._settle(link, Outcome(link.url, state, note))

    async def _settle(self, link: Link, outcome: Outcome) -> None:
        """End the lease, durably. An answer that comes after its lease ran out is nobody's and changes nothing."""
        frontier = self.job.frontier
        if not frontier.holds(link):
            return
        frontier.finish(link, outcome.state)
        try:
            await self.job.recorder.commit(replace(outcome, politeness=tuple(frontier.politeness())))
            frontier.settled(link.url)
        except RecorderStopped as error:
            self._stop(error)

    def _stop(self, error: RecorderStopped) -> None:
        """Writing has failed: stop the crawl. What is owed stays owed."""
        self.job.stopped = str(error)
        engine: Any = self.crawler.engine
        engine._slot.closing or asyncio.ensure_future(engine.close_spider_async(reason="recorder"))

    async def _page(self, response: TextResponse, link: Link) -> None:
        media = (response.headers.get("Content-Type") or b"").decode("latin-1")
        try:
            reading = await self.job.readers.read(response.body, media, response.url)
        except Unreadable as error:
            await self._commit(response, link, f"未能读取：{error}", EMPTY, remark=f"未能读取：{error}")
            return
        rendering = self.job.rendering
        reason = rendering.why(response.url, response.status, reading.signs, reading.interest)
        why, view = await self._view(response.url, reason)
        if view is not None:
            static = reading
            try:
                reading = await self.job.readers.read(response.body, media, response.url, view.shown)
                rendering.learn(response.url, reason, static.signs, static.text, reading.text)
            except Unreadable as error:
                why = f"{why}；渲染结果未能读取：{error}"
        unseen = why if why.startswith("需要渲染") else ""
        await self._commit(response, link, why, reading, view=view, remark=unseen)

    async def _view(self, url: str, why: str) -> tuple[str, View | None]:
        """What a browser shows of the page, when there is a reason to look, and what is to be said of it."""
        job = self.job
        if not why:
            return COMPLETE, None
        if job.rendering.mode == "never":
            return f"未渲染（--render never）：{why}", None
        try:
            view = await job.renderer.view(url)
        except NoBrowser as error:
            job.unseen += 1
            return f"需要渲染（{why}），但{error}", None
        except (PlaywrightError, TimeoutError) as error:
            job.unseen += 1
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            return f"需要渲染（{why}），但浏览器未能完成：{first}", None
        job.rendered += 1
        return f"{why}；{view.note}" if view.note else why, view

    async def _package(self, response: Response, link: Link) -> None:
        try:
            large = response.meta["wire"]["body"]
            app = await self.job.readers.read_package(large if isinstance(large, Path) else response.body, link.url)
        except (BadPackage, Unreadable) as error:
            await self._commit(response, link, str(error), EMPTY)
            return
        text = "\n".join(f"{name}: {value}" for name, value in app.facts.items())
        await self._commit(
            response, link, "安卓安装包", replace(EMPTY, title=app.title, language="zh", text=text), apps=(app,)
        )

    async def _commit(
        self,
        response: Response,
        link: Link,
        why: str,
        reading: Reading,
        *,
        view: View | None = None,
        apps: tuple[Target, ...] = (),
        remark: str = "",
    ) -> None:
        job, meta = self.job, response.meta
        # A package lies on the site but says nothing about what the site offers.
        site = site_target(response.url, reading.title, platforms())
        targets = apps or ((site,) if site else ())
        targets += tuple(listing.target for listing in reading.listings if listing.alone)
        said = tuple(remarks(meta["wire"], meta["piece"].size))
        note = "；".join(filter(None, (remark, *said, *reading.notes)))
        capture = capture_of(job, response, link, reading, view, profiles()[0].id, "；".join((why, *said)), targets)
        entries = (entry_of(capture, listing) for listing in reading.listings if not listing.alone)
        new = job.frontier.offer(self._links(reading, link, response.url))
        outcome = Outcome(
            link.url, "done", note, ((capture, targets), *entries), view, tuple(new), interest=reading.interest
        )
        if response.status in BUSY:
            asked = retry_after(response.headers.get("Retry-After"))
            job.frontier.slow(host_of(response.url), asked)
            # Who wants to be left alone for longer than any back-off lasts is not asked again in this run.
            if asked <= BACKOFF_LIMIT and job.frontier.tries(link) < TRIES - 1:
                await job.recorder.commit(
                    replace(outcome, state="waiting", politeness=tuple(job.frontier.politeness()))
                )
                job.frontier.again(link, 0.0)
                return
            if asked > BACKOFF_LIMIT:
                outcome = replace(outcome, note=f"服务器要求 {asked:.0f} 秒后再来，本次未再访问")
        await self._settle(link, outcome)

    def _links(self, reading: Reading, link: Link, url: str) -> Iterator[Link]:
        job = self.job
        if link.depth >= job.max_depth:
            return
        for anchor in reading.anchors:
            if anchor.url.partition("?")[0].lower().endswith(_SKIPPED):
                continue
            package = is_package(anchor.url)
            # A package is part of the page that offers it, wherever it is kept.
            if in_scope(anchor.url, job.scope) or package or job.outward:
                promise = job.promise(reading.interest, anchor) + (0.5 if package else 0.0)
                yield Link(anchor.url, link.depth + 1, round(promise, 3), url)

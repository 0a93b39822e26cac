"""The spider of sites: reads each page, looks at it in a browser where that is needed, and commits it as a Capture."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import scrapy
from playwright.async_api import Error as PlaywrightError
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import TextResponse

from crawler.apk import MAGIC, BadPackage, read_apk
from crawler.extract import Anchor, Page, read_page
from crawler.frontier import Link
from crawler.identifiers import find_identifiers
from crawler.job import Job
from crawler.render import NoBrowser, View, needs_browser
from crawler.targets import miniprograms, site_target
from crawler.urls import host_of, in_scope
from data.facts import platforms
from data.records import Capture, Hop, Identifier, Target

if TYPE_CHECKING:
    from scrapy.http import Response
    from twisted.python.failure import Failure


logger = logging.getLogger(__name__)

COMPLETE = "静态页面文字完整"

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
            meta={"link": link},
        )

    async def parse(self, response: Response) -> None:
        """Read one answer and commit it: capture, targets, links and the end of the lease in one transaction."""
        link: Link = response.meta["link"]
        try:
            # First by its bytes: many servers send packages as text.
            if response.body.startswith(MAGIC):
                self._package(response, link)
            elif isinstance(response, TextResponse):
                await self._page(response, link)
            else:
                self._commit(response, link, "不是网页", None, Page("", "und", "", ()), "", (), [])
        except Exception as error:
            # The evidence is in the archive whatever our reading of it ran into; say so, and let the run go on.
            logger.exception("cannot read %s", response.url)
            self._end(link, "failed", f"无法读取内容（{type(error).__name__}：{error}）")
        self.job.tell()

    def failed(self, failure: Failure) -> None:
        """Nothing came back, or nothing was asked for: robots.txt or the egress policy said no."""
        link: Link = failure.request.meta["link"]  # type: ignore[attr-defined]
        error = failure.value
        if isinstance(error, IgnoreRequest):
            why = str(error) or "未采集"
            if "max redirections" in why:
                self._end(link, "failed", "跳转次数过多")
            else:
                self._end(link, "refused", "robots.txt 不允许" if "robots.txt" in why else why)
        else:
            self._end(link, "failed", reason_of(error))
        self.job.tell()

    def _end(self, link: Link, state: str, note: str) -> None:
        with self.job.store.transaction():
            self.job.frontier.finish(link.url, state, note)

    async def _page(self, response: TextResponse, link: Link) -> None:
        page = read_page(response.text, response.url)
        why, view = await self._view(response, page)
        markup = response.text
        if view is not None:
            markup = f"{markup}\n{view.dom}"
            rendered = read_page(view.dom, view.final_url)
            # What the server sent may say things the script removes again; the links of both are links of the page.
            known = {anchor.url for anchor in rendered.anchors}
            page = Page(
                rendered.title or page.title,
                rendered.language,
                rendered.text if len(rendered.text) >= len(page.text) // 2 else page.text,
                (*rendered.anchors, *(anchor for anchor in page.anchors if anchor.url not in known)),
            )
        packages = (Identifier("package_link", a.url) for a in page.anchors if is_package(a.url))
        self._commit(response, link, why, view, page, markup, (*find_identifiers(page.text, markup), *packages), [])

    async def _view(self, response: TextResponse, page: Page) -> tuple[str, View | None]:
        if self.job.render == "never":
            missing = needs_browser(response.text, page.text)
            return (f"未渲染（--render never）：{missing}" if missing else COMPLETE), None
        why = needs_browser(response.text, page.text) if response.status < 400 else ""
        if not why and self.job.interest(page.text) >= self.job.near:
            why = "评分接近或高于复核阈值"
        if not why and self.job.render == "always":
            why = "要求全部渲染"
        if not why:
            return COMPLETE, None
        try:
            view = await self.job.renderer.view(response.url)
        except NoBrowser as error:
            self.job.unseen += 1
            return f"需要渲染（{why}），但{error}", None
        except (PlaywrightError, TimeoutError) as error:
            self.job.unseen += 1
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            return f"需要渲染（{why}），但浏览器未能完成：{first}", None
        self.job.rendered += 1
        return f"{why}；{view.note}" if view.note else why, view

    def _package(self, response: Response, link: Link) -> None:
        try:
            app = read_apk(response.body, link.url)
        except BadPackage as error:
            self._commit(response, link, str(error), None, Page("", "und", "", ()), "", (), [])
            return
        text = "\n".join(f"{name}: {value}" for name, value in app.facts.items())
        page = Page(app.title, "zh", text, ())
        self._commit(response, link, "安卓安装包", None, page, "", (), [app])

    def _commit(
        self,
        response: Response,
        link: Link,
        why: str,
        view: View | None,
        page: Page,
        markup: str,
        identifiers: tuple[Identifier, ...],
        apps: list[Target],
    ) -> None:
        job, meta = self.job, response.meta
        at: datetime = meta["fetched_at"]
        dom = shot = None
        if view is not None:
            dom = job.archive.write_view("dom", response.url, view.dom.encode(), "text/html", at)
            shot = job.archive.write_view("screenshot", response.url, view.screenshot, "image/png", at)
        job.archive.sync()
        final_url = view.final_url if view else response.url
        # A package lies on the site but says nothing about what the site offers.
        site = site_target(response.url, page.title, platforms())
        targets = apps or ([site] if site else [])
        listings = list(miniprograms(markup, page.text)) if markup else []
        targets += [listing.target for listing in listings if listing.alone]
        wire = meta["wire"]
        capture = Capture(
            id=uuid.uuid4().hex,
            run_id=job.run.id,
            url=link.url,
            final_url=final_url,
            hops=tuple(Hop(*hop) for hop in meta.get("hops", [])),
            status=response.status,
            headers=tuple(wire["headers"]),
            fetched_at=at,
            seconds=round(float(meta.get("download_latency", 0.0)), 3),
            address=wire["address"],
            dns=job.egress.answers.get(host_of(response.url), ()),
            tls=wire["tls"],
            fetcher=job.fetcher,
            profile=job.profile_name,
            depth=link.depth,
            referrer=link.referrer,
            payload=meta["piece"],
            dom=dom,
            screenshot=shot,
            render=why,
            title=page.title,
            language=page.language,
            text=page.text,
            identifiers=identifiers,
            targets=tuple(target.key for target in targets),
        )
        with job.store.transaction():
            job.store.save_capture(capture, targets)
            for listing in listings:
                if not listing.alone:
                    self._save_listing(capture, listing.target, listing.text)
            job.frontier.add(list(self._links(page.anchors, link, response.url, job.interest(page.text))))
            job.frontier.finish(link.url)

    def _save_listing(self, page: Capture, target: Target, text: str) -> None:
        """An entry of a directory is evidence by itself: the page's pieces, the entry's own text."""
        appid = target.identity.partition(":")[2]
        entry = replace(
            page,
            id=f"{page.id}-{appid}",
            url=f"{page.url}#{appid}",
            title=target.title,
            text=text,
            identifiers=find_identifiers(text),
            targets=(target.key,),
        )
        self.job.store.save_capture(entry, [target])

    def _links(self, anchors: tuple[Anchor, ...], link: Link, url: str, interest: float) -> Iterator[Link]:
        job = self.job
        if link.depth >= job.max_depth:
            return
        for anchor in anchors:
            if anchor.url.partition("?")[0].lower().endswith(_SKIPPED):
                continue
            package = is_package(anchor.url)
            # A package is part of the page that offers it, wherever it is kept.
            if in_scope(anchor.url, job.scope) or package or job.outward:
                yield Link(anchor.url, link.depth + 1, round(interest + (0.5 if package else 0.0), 3), url)


def is_package(url: str) -> bool:
    """Whether a link leads to an Android package, by its name."""
    return url.partition("?")[0].lower().endswith(".apk")


def reason_of(error: BaseException | None) -> str:
    """Why nothing came back, in words; the exception's own text follows for whoever has to look closer."""
    known = {
        CannotResolveHostError: "主机名无法解析",
        DownloadTimeoutError: "等待超时",
        DownloadCancelledError: "内容超过大小上限，未保存",
        ResponseDataLossError: "内容未传完就中断",
        DownloadConnectionRefusedError: "无法建立连接",
        DownloadFailedError: "传输失败",
    }
    words = next((zh for kind, zh in known.items() if isinstance(error, kind)), "未能采集")
    return f"{words}（{type(error).__name__}: {error}）"

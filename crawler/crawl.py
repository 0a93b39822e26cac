"""One crawl from a seed list: opens or resumes a run, drives Scrapy, and leaves captures in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.settings import Settings

from crawler import settings as project
from crawler.archive import Archive
from crawler.egress import Egress
from crawler.environment import environment
from crawler.frontier import Frontier, Link
from crawler.job import Job, Progress
from crawler.render import Renderer
from crawler.seeds import SeedList
from crawler.spiders.sites import SitesSpider
from crawler.urls import scope_hosts
from data.records import Kind, Run
from data.store import Store, now

DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36"
)
MAX_CRAWL_DELAY = 60.0


class CrawlError(Exception):
    """The crawl cannot be done as asked; the message is a sentence."""


def crawl(
    store: Store,
    seeds: SeedList,
    egress: Egress,
    *,
    max_pages: int = 10_000,
    max_depth: int = 3,
    render: str = "auto",
    outward: bool = False,
    delay: float = 0.25,
    near: float = 0.2,
    interest: Callable[[str], float] = lambda _: 0.0,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Run:
    """Crawl from ``seeds`` and return the run, finished or (after Ctrl-C, ``finished_at`` is ``None``) to be resumed.

    ``interest`` maps a page's text to its probability of being an offer: it orders the frontier, and pages at or
    above ``near`` are always looked at in a browser. ``outward`` also follows links to hosts that are not seeds.
    ``delay`` is in seconds between two requests to one host; a longer ``Crawl-delay`` in robots.txt wins.

    Scrapy's reactor starts once in a process, so this can be called once. Raises ``CrawlError`` when it was before.
    """
    options = {"seeds": _digest(seeds.urls), "max_depth": max_depth, "render": render, "outward": outward}
    run = _unfinished(store, options) or Run(_run_id(), now(), options, environment())
    store.save_run(run)
    archive = Archive(store.home, run.id, {"software": f"takedown {version('takedown')}", "format": "WARC/1.1"})
    assert store.db.conn is not None
    frontier = Frontier(store.db.conn, run.id, max_pages)
    with store.transaction():
        frontier.add([Link(url, 0, 1.0, "") for url in seeds.urls])
    renderer = Renderer(egress, {"user_agent": DESKTOP})
    job = Job(
        run, store, archive, frontier, egress, renderer, render, near, scope_hosts(list(seeds.urls)), outward,
        max_depth, interest, progress,
    )  # fmt: skip
    stopped = _drive(job, delay)
    archive.close()
    # Only now are all the pages known that offer an app, whichever was fetched first.
    for app in store.targets():
        if app.kind is Kind.APP and "download" in app.facts:
            store.link_evidence(app.key, run.id, "package_link", app.facts["download"])
    counts = frontier.counts()
    report: dict[str, Any] = {
        "counts": counts,
        "rendered": job.rendered,
        "unseen": job.unseen,
        "browser": renderer.version,
        "interrupted": stopped,
        "refused_lines": [f"{r.number}: {r.line.strip()} ({r.why})" for r in seeds.refused],
        "troubles": [{"url": url, "state": state, "why": why} for url, state, why in frontier.troubles()],
    }
    run = replace(run, finished_at=None if stopped else now(), report=report)
    store.save_run(run)
    store.backup()
    return run


def _drive(job: Job, delay: float) -> bool:
    """Run Scrapy until nothing is owed; returns whether it was stopped before that."""
    settings = Settings()
    settings.setmodule(project, priority="project")
    log = job.store.home / "log" / f"crawl-{job.run.id}.log"
    log.parent.mkdir(exist_ok=True)
    settings.setdict(
        {
            "USER_AGENT": DESKTOP,
            "DOWNLOAD_DELAY": delay,
            "LOG_FILE": str(log),
        },
        priority="cmdline",
    )
    process = AsyncCrawlerProcess(settings)
    crawler = process.create_crawler(SitesSpider)
    outcome = {"reason": ""}

    async def closed(reason: str) -> None:
        outcome["reason"] = reason
        await job.renderer.close()

    def robots(robotparser: Any, request: Any) -> None:
        wanted = robotparser.crawl_delay(project.ROBOTSTXT_USER_AGENT) if hasattr(robotparser, "crawl_delay") else None
        if wanted and crawler.engine is not None:
            # For the slot there is and for those made later: an idle one is forgotten after a minute.
            downloader = crawler.engine.downloader
            key, slot = downloader._get_slot(request)
            slot.delay = max(slot.delay, min(float(wanted), MAX_CRAWL_DELAY))
            downloader.per_slot_settings[key] = {"delay": slot.delay}

    crawler.signals.connect(closed, signals.spider_closed, weak=False)
    crawler.signals.connect(robots, signals.robots_parsed, weak=False)
    process.crawl(crawler, job=job)
    process.start()
    if not outcome["reason"]:
        raise CrawlError(f"采集未能启动，原因见 {log}。")
    return outcome["reason"] != "finished"


def _unfinished(store: Store, options: Mapping[str, Any]) -> Run | None:
    return next((run for run in store.runs() if run.finished_at is None and dict(run.options) == dict(options)), None)


def _run_id() -> str:
    return now().strftime("%Y%m%dT%H%M%S%f")[:-3]


def _digest(urls: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(urls).encode()).hexdigest()

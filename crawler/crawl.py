"""One crawl from a seed list: opens or resumes a run, drives Scrapy, and leaves captures in the store."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from scrapy import signals
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.exceptions import DontCloseSpider
from scrapy.settings import Settings

from crawler import settings as project
from crawler.cloaking import UNSTABLE
from crawler.egress import Egress
from crawler.environment import environment
from crawler.frontier import PER_SITE, Frontier, Link, steady, write_links
from crawler.job import Job, Progress
from crawler.promise import promise
from crawler.readers import Readers
from crawler.recorder import Recorder, cannot_write
from crawler.render import Renderer
from crawler.rendering import Rendering
from crawler.seeds import SeedList
from crawler.spiders.sites import SitesSpider
from crawler.urls import host_of, scope_hosts
from crawler.visits import Visits
from data.facts import profiles
from data.records import Kind, Run
from data.store import Store, now

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
    review: float | None = None,
    interest: Callable[[], Callable[[str], float]] | None = None,
    focused: bool = True,
    per_host: int = 2,
    per_site: int = PER_SITE,
    timeout: float = 30.0,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Run:
    """Crawl from ``seeds`` and return the run, finished or (after Ctrl-C, ``finished_at`` is ``None``) to be resumed.

    ``interest`` is a picklable callable that loads, in each reader process, the function from a page's text to its
    probability of being an offer: that orders the frontier (unless ``focused`` is off: then breadth first), and pages at
    or above ``near`` are always looked at in a browser; the likeliest page of each target at or above ``review`` (``None``:
    none) is asked for again as other visitors when all else is done. ``outward`` also follows links to hosts that are not seeds.
    ``delay`` is in seconds between two requests to one host, which has at most ``per_host`` at once; a longer
    ``Crawl-delay`` in robots.txt wins. A run takes on at most ``per_site`` URLs of a host, and spends at most ``timeout``
    seconds on one answer.

    Scrapy's reactor starts once in a process, so this can be called once. Raises ``CrawlError`` when the crawl cannot start,
    when another one is at work on the same home, and when evidence can no longer be written.
    """
    with alone(store.home):
        options = {"seeds": _digest(seeds.urls), "max_depth": max_depth, "render": render, "outward": outward}
        here = environment()
        run = _unfinished(store, options)
        if run is None:
            run = Run(_run_id(), now(), options, here)
        else:
            since = {name: value for name, value in here.items() if run.environment.get(name) != value}
            resumed = [*run.environment.get("resumed", ()), {"at": now().isoformat(), **since}]
            run = replace(run, environment={**run.environment, "resumed": resumed})
        store.save_run(run)
        assert store.db.conn is not None
        frontier = Frontier(
            store.db.conn, run.id, max_pages=max_pages, delay=delay, per_host=per_host, per_site=per_site
        )
        recorder = Recorder(
            store.home, run.id, {"software": f"takedown {version('takedown')}", "format": "WARC/1.1"} | here
        )
        # Another sample each time, and yet the one that anybody gets who repeats what was done.
        sample = f"{options['seeds']} {sum(earlier.id < run.id for earlier in store.runs())}"
        readers = Readers(interest)
        renderer = Renderer(egress, profiles()[0])
        job = Job(
            run, store, recorder, frontier, egress, renderer, Rendering(render, near, sample), scope_hosts(list(seeds.urls)), outward,
            max_depth, readers, promise if focused else (lambda _, __: 0.0), progress,
        )  # fmt: skip
        with store.transaction() as sql:
            write_links(sql, run.id, frontier.offer(Link(url, 0, 1.0, "") for url in seeds.urls))
        try:
            stopped = _drive(job, delay, per_host, timeout, review, interest)
        finally:
            readers.close()
            recorder.close()
        if job.stopped:
            raise CrawlError(f"{job.stopped}。")
        recorder.archive.index()
        # Only now are all the pages known that offer an app, whichever was fetched first.
        for app in store.targets():
            if app.kind is Kind.APP and "download" in app.facts:
                store.link_evidence(app.key, run.id, "package_link", app.facts["download"])
        report: dict[str, Any] = {
            "counts": dict(frontier.counts),
            "rendered": job.rendered,
            "unseen": job.unseen,
            "rendering": job.rendering.report(),
            "visits": _contrasts(store, run.id),
            "browser": renderer.version,
            "interrupted": stopped,
            "refused_lines": [f"{r.number}: {r.line.strip()} ({r.why})" for r in seeds.refused],
            "troubles": [{"url": url, "state": state, "why": why} for url, state, why in frontier.troubles()],
            "remarks": [{"url": url, "why": why} for url, why in (*frontier.remarks(), *job.remarks.items())],
            "left_out": dict(frontier.left_out),
            "clock_set_by": round(time.time() - steady(), 1),
        }
        found = {
            "browser": renderer.version or run.environment.get("browser", "not started"),
            "server_clocks": job.clocks.told(),
        }
        run = replace(
            run, finished_at=None if stopped else now(), report=report, environment={**run.environment, **found}
        )
        store.save_run(run)
        store.backup()
        return run


def _drive(
    job: Job,
    delay: float,
    per_host: int,
    timeout: float,
    review: float | None,
    interest: Callable[[], Callable[[str], float]] | None,
) -> bool:
    """Run Scrapy until nothing is owed; returns whether it was stopped before that."""
    # On a full disk every line of the log would come out as a traceback.
    logging.raiseExceptions = False
    settings = Settings()
    settings.setmodule(project, priority="project")
    log = job.store.home / "log" / f"crawl-{job.run.id}.log"
    log.parent.mkdir(exist_ok=True)
    settings.setdict(
        {
            "USER_AGENT": profiles()[0].user_agent,
            "DOWNLOAD_DELAY": delay,
            "CONCURRENT_REQUESTS_PER_DOMAIN": per_host,
            "DOWNLOAD_TIMEOUT": timeout,
            "LOG_FILE": str(log),
        },
        priority="cmdline",
    )
    process = AsyncCrawlerProcess(settings)
    # Otherwise a line is made for every request, and thrown away where the log is written.
    logging.getLogger("scrapy").setLevel(settings["LOG_LEVEL"])
    crawler = process.create_crawler(SitesSpider)
    outcome = {"reason": ""}

    visiting: asyncio.Task[None] | None = None

    def idle() -> None:
        """Nothing is owed any more: the hits are asked for again, as other visitors."""
        nonlocal visiting
        if review is None or interest is None or job.stopped:
            return
        engine: Any = crawler.engine
        if visiting is None:
            visits = Visits(job, engine.download_async, review, interest(), lambda: bool(engine._slot.closing))
            visiting = asyncio.ensure_future(visits.all())
            visiting.add_done_callback(left)
        if not visiting.done():
            raise DontCloseSpider

    def left(visits: asyncio.Task[None]) -> None:
        """The last visitor has left, or writing failed; nobody else wakes the engine."""
        if not visits.cancelled() and (error := visits.exception()) is not None:
            job.stopped = str(error)
        engine: Any = crawler.engine
        if engine._slot is not None:
            engine._slot.nextcall.schedule()

    async def closed(reason: str) -> None:
        outcome["reason"] = reason
        if visiting is not None:
            visiting.cancel()
        await job.renderer.close()

    def robots(robotparser: Any, request: Any) -> None:
        wanted = robotparser.crawl_delay(project.ROBOTSTXT_USER_AGENT) if hasattr(robotparser, "crawl_delay") else None
        if wanted and crawler.engine is not None:
            pause = min(float(wanted), MAX_CRAWL_DELAY)
            job.frontier.pace(host_of(request.url), pause)
            # For the slot there is and for those made later: an idle one is forgotten after a minute.
            downloader = crawler.engine.downloader
            key, slot = downloader._get_slot(request)
            slot.delay = max(slot.delay, pause)
            downloader.per_slot_settings[key] = {"delay": slot.delay}

    crawler.signals.connect(idle, signals.spider_idle, weak=False)
    crawler.signals.connect(closed, signals.spider_closed, weak=False)
    crawler.signals.connect(robots, signals.robots_parsed, weak=False)
    process.crawl(crawler, job=job)
    process.start()
    if not outcome["reason"]:
        raise CrawlError(f"采集未能启动，原因见 {log}。")
    return outcome["reason"] != "finished"


def _contrasts(store: Store, run_id: str) -> dict[str, int]:
    """Hits that were asked for again, those whose answer depends on the visitor, those that change by themselves."""
    found = [contrast.variable for contrast in store.contrasts(run_id=run_id)]
    unstable = found.count(UNSTABLE)
    return {"hits": len(found), "cloaked": len(found) - unstable - found.count(""), "unstable": unstable}


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Hold the home for this crawl. Raises ``CrawlError`` when another process does, and when it cannot be written to."""
    try:
        lock = (home / "crawl.lock").open("a")
    except OSError as error:
        raise CrawlError(f"{cannot_write(error)}。") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CrawlError(f"另一个采集正在使用 {home}；等它结束，或用 --home 指定另一个工作目录。") from error
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            raise CrawlError(f"{cannot_write(error)}。") from error


def _unfinished(store: Store, options: Mapping[str, Any]) -> Run | None:
    return next((run for run in store.runs() if run.finished_at is None and dict(run.options) == dict(options)), None)


def _run_id() -> str:
    return now().strftime("%Y%m%dT%H%M%S%f")[:-3]


def _digest(urls: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(urls).encode()).hexdigest()

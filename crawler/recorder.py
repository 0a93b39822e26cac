"""The recorder: one thread that writes everything a crawl learns, evidence first, in groups.

Archive records are appended as they come. What was derived from them (captures, links, the ends of leases) is committed
in groups: the archive is made durable (``fsync``), then one transaction commits the group. A page costs a fraction of a
flush, and nothing is ever committed whose evidence is not on disk.
"""

from __future__ import annotations

import asyncio
import errno
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from crawler.archive import Archive, Exchange
from crawler.frontier import Link, write_end, write_links, write_politeness
from crawler.render import View
from data.records import Capture, Contrast, Piece, Target
from data.store import Store

GROUP = 64
GROUP_SECONDS = 0.05


class RecorderStopped(Exception):
    """The recorder could not write (disk full, read-only, damaged database) and takes nothing more; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one lease: its state, what was captured, how likely an offer it is, and the new links found there.
    Without a state, what is recorded ends no lease: the page was asked for again, as another visitor.

    ``view`` is what a browser made of the first capture; its pieces are filled in when they have been written.
    """

    url: str
    state: str
    note: str = ""
    captures: tuple[tuple[Capture, tuple[Target, ...]], ...] = ()
    view: View | None = None
    links: tuple[Link, ...] = ()
    politeness: tuple[tuple[str, float, float, int], ...] = ()
    interest: float = 0.0
    contrast: Contrast | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    work: Exchange | Outcome
    done: asyncio.Future[Any]


class Recorder:
    """``await record(exchange)`` gives the piece written; ``await commit(outcome)`` returns when it is durable.

    Both raise ``RecorderStopped`` once writing has failed: nothing half-done is left, and the run can go on later.
    """

    def __init__(self, home: Path, run_id: str, facts: dict[str, str]) -> None:
        self.home = home
        self.run_id = run_id
        self.archive = Archive(home, run_id, facts)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    async def record(self, exchange: Exchange) -> Piece:
        piece: Piece = await self._ask(exchange)
        return piece

    async def commit(self, outcome: Outcome) -> None:
        await self._ask(outcome)

    async def _ask(self, work: Exchange | Outcome) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, future))
        return await future

    def close(self) -> None:
        """Finish what was asked, then stop."""
        self._jobs.put(None)
        self._thread.join()

    # -- the thread ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        with Store(self.home) as store:
            running = True
            while running:
                group, running = self._gather()
                try:
                    if self._failure is None and group:
                        self._commit(store, group)
                except Exception as error:
                    self._failure = error
                for job in group:
                    self._answer(job, None)
            try:
                self.archive.close()
            except OSError as error:
                self._failure = self._failure or error

    def _gather(self) -> tuple[list[_Job], bool]:
        """Write archive records as they come, and collect outcomes until there is a group of them, or none waits."""
        group: list[_Job] = []
        while len(group) < GROUP:
            try:
                job = self._jobs.get(timeout=GROUP_SECONDS) if group else self._jobs.get()
            except queue.Empty:
                break
            if job is None:
                return group, False
            if isinstance(job.work, Exchange):
                self._write(job, job.work)
            else:
                group.append(job)
        return group, True

    def _write(self, job: _Job, exchange: Exchange) -> None:
        piece = None
        try:
            if self._failure is None:
                piece = self.archive.write_exchange(exchange)
        except Exception as error:
            self._failure = error
        self._answer(job, piece)

    def _commit(self, store: Store, group: list[_Job]) -> None:
        ready = []
        for job in group:
            outcome = job.work
            assert isinstance(outcome, Outcome)
            captures = outcome.captures
            if outcome.view is not None:
                captures = self._with_view(captures, outcome.view)
            ready.append((outcome, captures))
        self.archive.sync()
        with store.transaction() as sql:
            for outcome, captures in ready:
                for capture, targets in captures:
                    store.save_capture(capture, targets)
                write_links(sql, self.run_id, outcome.links)
                if outcome.state:
                    write_end(sql, self.run_id, outcome.url, outcome.state, outcome.note, outcome.interest)
                if outcome.contrast is not None:
                    store.save_contrast(outcome.contrast)
                write_politeness(sql, outcome.politeness)

    def _with_view(
        self, captures: tuple[tuple[Capture, tuple[Target, ...]], ...], view: View
    ) -> tuple[tuple[Capture, tuple[Target, ...]], ...]:
        page = captures[0][0]
        at: datetime = page.fetched_at
        self.archive.write_loaded(page.final_url, view.loaded, at)
        dom = self.archive.write_view("dom", page.final_url, view.dom.encode(), "text/html", at)
        shot = self.archive.write_view("screenshot", page.final_url, view.screenshot, "image/png", at)
        return tuple((replace(capture, dom=dom, screenshot=shot), targets) for capture, targets in captures)

    def _answer(self, job: _Job, result: Any) -> None:
        failure = self._failure

        def answer() -> None:
            if job.done.done():
                return
            if failure is not None:
                job.done.set_exception(RecorderStopped(cannot_write(failure)))
            else:
                job.done.set_result(result)

        loop: asyncio.AbstractEventLoop = job.done.get_loop()
        _in_loop(loop, answer)


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)


def cannot_write(error: Exception) -> str:
    """What to tell when evidence cannot be written, and how to go on; without its full stop."""
    text = str(error)
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "disk is full" in text:
        return "磁盘已满，采集已停下；腾出空间后再次运行同一命令，会从停下处继续"
    if (isinstance(error, OSError) and error.errno in {errno.EROFS, errno.EACCES}) or "readonly" in text:
        return "工作目录不可写，无法固定证据；请检查其权限与挂载方式，或用 --home 指定另一个工作目录"
    return f"证据无法写入（{type(error).__name__}：{text}），采集已停下；排除故障后再次运行同一命令，会从停下处继续"

"""The frontier: which URLs a run still owes, kept in the store's database so that no crash forgets one.

A URL is leased when it is handed to the downloader and finished in the transaction that commits its capture. What was
leased when a process died is simply owed again. This is Scrapy's ``SCHEDULER``; it keeps its own table.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scrapy import Request

from crawler.urls import host_of

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

_TABLE = """
CREATE TABLE IF NOT EXISTS frontier (
    run_id TEXT NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL, depth INTEGER NOT NULL, priority REAL NOT NULL,
    referrer TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL DEFAULT '', PRIMARY KEY (run_id, url));
CREATE INDEX IF NOT EXISTS frontier_next ON frontier(run_id, state, host, priority DESC, depth);
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A URL to visit: how far from a seed, how promising (higher first), and the page it stood on."""

    url: str
    depth: int
    priority: float
    referrer: str


class Frontier:
    """The URLs of one run: ``waiting`` → ``leased`` → ``done``, ``failed`` or ``refused`` (with the reason in words)."""

    def __init__(self, connection: sqlite3.Connection, run_id: str, max_pages: int) -> None:
        self.connection = connection
        self.run_id = run_id
        self.max_pages = max_pages
        self.active: Counter[str] = Counter()
        connection.executescript(_TABLE)
        with connection:
            connection.execute("UPDATE frontier SET state='waiting' WHERE run_id=? AND state='leased'", (run_id,))
        # What the budget has paid for already; the rest is counted here, for a count of the table would cost every page.
        self.spent = self.counts().get("done", 0)

    def add(self, links: list[Link]) -> int:
        """Owe these URLs too; those already known to this run change nothing. Returns how many were new."""
        rows = [(self.run_id, k.url, host_of(k.url), k.depth, k.priority, k.referrer, "waiting") for k in links]
        before = self.connection.total_changes
        self.connection.executemany(
            "INSERT OR IGNORE INTO frontier (run_id, url, host, depth, priority, referrer, state)"
            " VALUES (?,?,?,?,?,?,?)",
            rows,
        )
        return self.connection.total_changes - before

    def lease(self) -> Link | None:
        """The most promising URL of the host that is served least at the moment; ``None`` when none is owed."""
        if self.spent + self.active.total() >= self.max_pages:
            return None
        waiting = self.connection.execute(
            "SELECT DISTINCT host FROM frontier WHERE run_id=? AND state='waiting'", (self.run_id,)
        )
        hosts = [row[0] for row in waiting]
        if not hosts:
            return None
        host = min(hosts, key=lambda name: self.active[name])
        url, depth, priority, referrer = self.connection.execute(
            "SELECT url, depth, priority, referrer FROM frontier WHERE run_id=? AND state='waiting' AND host=?"
            " ORDER BY priority DESC, depth LIMIT 1",
            (self.run_id, host),
        ).fetchone()
        self._set(url, "leased", "")
        self.connection.commit()
        self.active[host] += 1
        return Link(url, depth, priority, referrer)

    def finish(self, url: str, state: str = "done", note: str = "") -> None:
        """End the lease of ``url``. Runs inside the caller's transaction when there is one."""
        self._set(url, state, note)
        self.active[host_of(url)] -= 1
        if state == "done":
            self.spent += 1

    def _set(self, url: str, state: str, note: str) -> None:
        self.connection.execute(
            "UPDATE frontier SET state=?, note=? WHERE run_id=? AND url=?", (state, note[:500], self.run_id, url)
        )

    def counts(self) -> dict[str, int]:
        """How many URLs of the run are in each state."""
        rows = self.connection.execute(
            "SELECT state, count(*) FROM frontier WHERE run_id=? GROUP BY state", (self.run_id,)
        )
        return dict(rows.fetchall())

    def troubles(self, limit: int = 200) -> list[tuple[str, str, str]]:
        """``(url, state, reason)`` of what could not or must not be fetched."""
        rows = self.connection.execute(
            "SELECT url, state, note FROM frontier WHERE run_id=? AND state IN ('failed', 'refused')"
            " ORDER BY url LIMIT ?",
            (self.run_id, limit),
        )
        return rows.fetchall()


class FrontierScheduler:
    """Hands the frontier's URLs to Scrapy's engine, redirects and retries of a leased one first."""

    def __init__(self, frontier: Frontier) -> None:
        self.frontier = frontier
        self.continued: deque[Request] = deque()

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> FrontierScheduler:
        spider: Any = crawler.spider
        return cls(spider.job.frontier)

    def open(self, spider: Any) -> None:
        self.spider = spider

    def close(self, reason: str) -> None:
        pass

    def has_pending_requests(self) -> bool:
        frontier = self.frontier
        if self.continued:
            return True
        if frontier.spent + frontier.active.total() >= frontier.max_pages:
            return False
        row = frontier.connection.execute(
            "SELECT 1 FROM frontier WHERE run_id=? AND state='waiting' LIMIT 1", (frontier.run_id,)
        ).fetchone()
        return row is not None

    def enqueue_request(self, request: Request) -> bool:
        """Only what follows from a leased URL (a redirect, a retry) comes this way; new URLs go to the frontier."""
        # A redirect may lead to another host, which is asked at its own pace and not at the first one's.
        request.meta.pop("download_slot", None)
        self.continued.append(request)
        return True

    def next_request(self) -> Request | None:
        if self.continued:
            return self.continued.popleft()
        link = self.frontier.lease()
        return None if link is None else self.spider.request_for(link)

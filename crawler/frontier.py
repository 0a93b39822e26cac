"""The frontier: which URLs a run still owes, how polite to be to each host, and whose turn it is.

A URL is leased in memory when it is handed to the downloader; on disk it stays ``waiting`` until the transaction that
commits its capture. So a process that dies owes exactly what it had not committed, and politeness (delays, back-off,
what servers asked for) is on disk too: a restart is as polite as the run before. All writes go through the recorder.
"""

from __future__ import annotations

import heapq
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from crawler.urls import host_of

_TABLES = """
CREATE TABLE IF NOT EXISTS frontier (
    run_id TEXT NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL, depth INTEGER NOT NULL, priority REAL NOT NULL,
    referrer TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL DEFAULT '',
    interest REAL NOT NULL DEFAULT 0, PRIMARY KEY (run_id, url));
CREATE INDEX IF NOT EXISTS frontier_next ON frontier(run_id, state, host, priority DESC, depth);
CREATE TABLE IF NOT EXISTS hosts (
    host TEXT PRIMARY KEY, next_at REAL NOT NULL, delay REAL NOT NULL, strikes INTEGER NOT NULL) WITHOUT ROWID;
"""
IN_MEMORY = 500  # URLs of one host kept in memory; the rest wait on disk
LEASE_SECONDS = 600.0
TRIES = 3
PAUSE_SECONDS = 3.0
BACKOFF_SECONDS, BACKOFF_LIMIT = 5.0, 300.0
# What each page already fetched from a host takes off its next one's urgency: no host, however promising, takes all.
FAIRNESS = 0.01
# A budget that may not pay for all is kept for the promising: while some are under way, at most this many others are.
OTHERS = 2
SCARCE = 10
# URLs of one host that a run takes on: a site may have no end.
PER_SITE = 5000
_STARTED = time.time() - time.monotonic()


def steady() -> float:
    """Seconds since the epoch by a clock that nobody sets while the process runs."""
    return _STARTED + time.monotonic()


@dataclass(frozen=True, slots=True)
class Link:
    """A URL to visit: how far from a seed, how promising (higher first), and the page it stood on."""

    url: str
    depth: int
    priority: float
    referrer: str


@dataclass(slots=True)
class _Host:
    """``known`` URLs of the host are the run's, whatever became of them; ``more`` wait on disk only; ``ticket`` tells its valid place in the queues from stale ones."""

    delay: float
    next_at: float = 0.0
    strikes: int = 0
    active: int = 0
    served: int = 0
    known: int = 0
    more: int = 0
    ticket: int = 0
    heap: list[tuple[float, int, int, Link]] = field(default_factory=list)


class Frontier:
    """The URLs of one run: ``waiting`` → (leased) → ``done``, ``failed`` or ``refused``, with the reason in words.

    ``delay`` is in seconds between two requests to a host, ``per_host`` the requests it may have at once,
    ``per_site`` the URLs it may have at all; ``left_out`` counts, by host, links found beyond that. ``connection`` is only
    read from after the start; ``clock`` gives seconds since the epoch. ``freed`` is called whenever a host
    may have another.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        run_id: str,
        *,
        max_pages: int,
        delay: float,
        per_host: int,
        per_site: int = PER_SITE,
        clock: Callable[[], float] = steady,
    ) -> None:
        self.connection = connection
        self.run_id = run_id
        self.max_pages = max_pages
        self.delay = delay
        self.per_host = per_host
        self.per_site = per_site
        self.clock = clock
        self.counts = {"waiting": 0, "done": 0, "failed": 0, "refused": 0}
        self._hosts: dict[str, _Host] = {}
        self._ready: list[tuple[float, int, str, int]] = []
        self._later: list[tuple[float, int, str, int]] = []
        self._leases: dict[str, tuple[Link, float]] = {}
        self._arrived: set[str] = set()
        self._unsettled: set[str] = set()
        self._tries: dict[str, int] = {}
        self._seen: set[int] = set()
        self.left_out: Counter[str] = Counter()
        self.freed: Callable[[], None] = lambda: None
        self._dirty: set[str] = set()
        self._order = 0
        connection.executescript(_TABLES)
        if not any(column[1] == "interest" for column in connection.execute("PRAGMA table_info(frontier)")):
            connection.execute("ALTER TABLE frontier ADD COLUMN interest REAL NOT NULL DEFAULT 0")
        self._load()

    def _load(self) -> None:
        now = self.clock()
        for host, next_at, delay, strikes in self.connection.execute("SELECT * FROM hosts"):
            # A clock that was set back must not silence a host for longer than any back-off lasts.
            waits = min(next_at, now + max(BACKOFF_LIMIT, delay))
            self._hosts[host] = _Host(max(delay, self.delay), waits, strikes)
        rows = self.connection.execute(
            "SELECT url, state, host, count(*) OVER (PARTITION BY state) FROM frontier WHERE run_id=?", (self.run_id,)
        )
        for url, state, host, total in rows:
            self._seen.add(hash(url))
            self.counts[state] = total
            self._host(host).known += 1
            if state == "waiting":
                self._host(host).more += 1
        for name in list(self._hosts):
            self._enqueue(name)

    def _host(self, name: str) -> _Host:
        return self._hosts.setdefault(name, _Host(self.delay))

    # -- what is owed ----------------------------------------------------------------------------------------------

    def offer(self, links: Iterable[Link]) -> list[Link]:
        """Owe these URLs too, and return those that are new to the run, for the recorder to write down."""
        new = []
        for link in links:
            key = hash(link.url)
            if key in self._seen:
                continue
            name = host_of(link.url)
            host = self._host(name)
            if host.known >= self.per_site:
                self.left_out[name] += 1
                continue
            host.known += 1
            self._seen.add(key)
            new.append(link)
            self.counts["waiting"] += 1
            if host.more == 0 and len(host.heap) < IN_MEMORY:
                self._push(host, link)
            else:
                host.more += 1
        for name in dict.fromkeys(host_of(link.url) for link in new):
            self._enqueue(name)
        return new

    def _push(self, host: _Host, link: Link) -> None:
        self._order += 1
        heapq.heappush(host.heap, (-link.priority, link.depth, self._order, link))

    def _refill(self, name: str, host: _Host) -> None:
        rows = self.connection.execute(
            "SELECT url, depth, priority, referrer FROM frontier WHERE run_id=? AND state='waiting' AND host=?"
            " ORDER BY priority DESC, depth, rowid LIMIT ?",
            (self.run_id, name, IN_MEMORY + len(self._unsettled)),
        )
        fresh = [Link(*row) for row in rows if row[0] not in self._unsettled]
        for link in fresh:
            self._push(host, link)
        host.more -= len(fresh)

    def owed(self) -> bool:
        """Whether anything waits that the budget still pays for."""
        self._expire(self.clock())
        return self.counts["waiting"] > 0 and self.counts["done"] + len(self._leases) < self.max_pages

    # -- whose turn it is ------------------------------------------------------------------------------------------

    def _enqueue(self, name: str) -> None:
        """Put the host where its next turn is, if it has one."""
        host = self._hosts[name]
        host.ticket += 1
        if host.active >= self.per_host or not (host.heap or host.more > 0):
            return
        self._order += 1
        if host.next_at <= self.clock():
            best = -host.heap[0][0] if host.heap else 0.0
            heapq.heappush(self._ready, (FAIRNESS * host.served - best, self._order, name, host.ticket))
        else:
            heapq.heappush(self._later, (host.next_at, self._order, name, host.ticket))

    def lease(self) -> Link | None:
        """The most promising URL of a host whose turn it is; ``None`` when there is none at this moment."""
        if not self.owed():
            return None
        now = self.clock()
        while self._later and self._later[0][0] <= now:
            _, _, name, ticket = heapq.heappop(self._later)
            if ticket == self._hosts[name].ticket:
                self._enqueue(name)
        while self._ready:
            _, _, name, ticket = heapq.heappop(self._ready)
            host = self._hosts[name]
            if ticket != host.ticket:
                continue
            if not host.heap:
                self._refill(name, host)
            if not host.heap:  # what waits is still on its way to the disk
                host.next_at = now + 0.1
                self._enqueue(name)
                continue
            if self._spared(-host.heap[0][0]):
                heapq.heappush(self._ready, (FAIRNESS * host.served + host.heap[0][0], self._order, name, ticket))
                return None
            link = heapq.heappop(host.heap)[3]
            host.active += 1
            host.served += 1
            host.next_at = now + host.delay
            self._dirty.add(name)
            self._leases[link.url] = (link, now)
            self._unsettled.add(link.url)
            self.counts["waiting"] -= 1
            self._enqueue(name)
            return link
        return None

    def _spared(self, priority: float) -> bool:
        """Whether the budget is better kept: it is scarce, better ones are under way, and enough others are too."""
        if self.counts["waiting"] * SCARCE <= self.max_pages - self.counts["done"] - len(self._leases):
            return False
        under_way = [link.priority for link, _ in self._leases.values()]
        best = max(under_way, default=0.0)
        return priority < best / 2 and sum(value < best / 2 for value in under_way) >= OTHERS

    def wait(self) -> float:
        """Seconds until the next host's turn; a heartbeat's length when none is in sight."""
        for turns in (self._ready, self._later):
            while turns and turns[0][3] != self._hosts[turns[0][2]].ticket:
                heapq.heappop(turns)
        if self._ready:
            return 0.0
        return max(self._later[0][0] - self.clock(), 0.0) if self._later else 1.0

    def _expire(self, now: float) -> None:
        # Leases are handed out in order, so the oldest comes first.
        for url, (link, since) in list(self._leases.items())[:4]:
            if now - since < LEASE_SECONDS:
                break
            self._give_back(url, link)

    def _give_back(self, url: str, link: Link) -> None:
        self._release(url)
        self._unsettled.discard(url)
        self.counts["waiting"] += 1
        self._push(self._host(host_of(url)), link)
        self._enqueue(host_of(url))

    def _release(self, url: str) -> None:
        del self._leases[url]
        if url in self._arrived:
            self._arrived.discard(url)
        else:
            self._hosts[host_of(url)].active -= 1
        self._enqueue(host_of(url))
        self.freed()

    def arrived(self, link: Link) -> None:
        """The host has answered: it may be asked for its next page while this one is read and kept."""
        if self.holds(link) and link.url not in self._arrived:
            self._arrived.add(link.url)
            self._hosts[host_of(link.url)].active -= 1
            self._enqueue(host_of(link.url))
            self.freed()

    def holds(self, link: Link) -> bool:
        """Whether the lease of the link is still running; an answer that comes after it is nobody's."""
        return self._leases.get(link.url, (None, 0.0))[0] is link

    # -- what came of it -------------------------------------------------------------------------------------------

    def finish(self, link: Link, state: str) -> None:
        """End the lease. The recorder writes it down; ``settled`` says when it has."""
        self._release(link.url)
        self._tries.pop(link.url, None)
        self.counts[state] += 1
        if state == "done":
            self._hosts[host_of(link.url)].strikes = 0

    def settled(self, url: str) -> None:
        """The end of this lease is on disk."""
        self._unsettled.discard(url)

    def tries(self, link: Link) -> int:
        """How often the URL was given back already."""
        return self._tries.get(link.url, 0)

    def again(self, link: Link, pause: float = PAUSE_SECONDS) -> bool:
        """Give the URL back to be tried after a pause; ``False`` when it was tried often enough."""
        if not self.holds(link) or self.tries(link) >= TRIES - 1:
            return False
        self._tries[link.url] = self.tries(link) + 1
        host = self._host(host_of(link.url))
        host.next_at = max(host.next_at, self.clock() + pause)
        self._give_back(link.url, link)
        return True

    def slow(self, name: str, retry_after: float) -> None:
        """Leave the host alone: as long as it asked (at most five minutes), or twice as long as the last time."""
        host = self._host(name)
        host.strikes += 1
        pause = max(retry_after, BACKOFF_SECONDS * 2 ** (host.strikes - 1) if retry_after == 0 else 0.0)
        host.next_at = max(host.next_at, self.clock() + min(pause, BACKOFF_LIMIT))
        self._dirty.add(name)
        self._enqueue(name)

    def pace(self, name: str, delay: float) -> None:
        """The host's own ``Crawl-delay`` (robots.txt); never quicker than the run's."""
        host = self._host(name)
        host.delay = max(host.delay, delay)
        self._dirty.add(name)

    def politeness(self) -> list[tuple[str, float, float, int]]:
        """What changed since the last call, as rows for the recorder: host, next turn, delay, strikes."""
        rows = [(n, self._hosts[n].next_at, self._hosts[n].delay, self._hosts[n].strikes) for n in self._dirty]
        self._dirty.clear()
        return rows

    def promising(self, least: float) -> Iterator[tuple[str, int]]:
        """URL and depth of the pages of the run found at least so likely an offer, the likeliest first."""
        yield from self.connection.execute(
            "SELECT url, depth FROM frontier WHERE run_id=? AND state='done' AND interest>=? ORDER BY interest DESC, depth, url",
            (self.run_id, least),
        )

    def troubles(self, limit: int = 200) -> Iterator[tuple[str, str, str]]:
        """``(url, state, reason)`` of what could not or must not be fetched."""
        yield from self.connection.execute(
            "SELECT url, state, note FROM frontier WHERE run_id=? AND state IN ('failed', 'refused')"
            " ORDER BY url LIMIT ?",
            (self.run_id, limit),
        )

    def remarks(self, limit: int = 200) -> Iterator[tuple[str, str]]:
        """``(url, what is to be said)`` of what was captured with a reservation."""
        yield from self.connection.execute(
            "SELECT url, note FROM frontier WHERE run_id=? AND state='done' AND note<>'' ORDER BY url LIMIT ?",
            (self.run_id, limit),
        )


# -- the recorder's side: statements inside its transaction ------------------------------------------------------------


def write_links(connection: sqlite3.Connection, run_id: str, links: Iterable[Link]) -> None:
    """Write down that these URLs are owed."""
    connection.executemany(
        "INSERT OR IGNORE INTO frontier (run_id, url, host, depth, priority, referrer, state) VALUES (?,?,?,?,?,?,'waiting')",
        ((run_id, k.url, host_of(k.url), k.depth, k.priority, k.referrer) for k in links),
    )


def write_end(
    connection: sqlite3.Connection, run_id: str, url: str, state: str, note: str, interest: float = 0.0
) -> None:
    """Write down what became of a URL, and how likely an offer it was found to be."""
    connection.execute(
        "UPDATE frontier SET state=?, note=?, interest=? WHERE run_id=? AND url=?",
        (state, note[:500], interest, run_id, url),
    )


def write_politeness(connection: sqlite3.Connection, rows: Iterable[tuple[str, float, float, int]]) -> None:
    """Write down when each host may be asked again."""
    connection.executemany(
        "INSERT INTO hosts VALUES (?,?,?,?) ON CONFLICT(host) DO UPDATE SET"
        " next_at=excluded.next_at, delay=excluded.delay, strikes=excluded.strikes",
        rows,
    )

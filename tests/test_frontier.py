"""The frontier: nothing owed is forgotten, nothing is handed out twice, hosts take turns and are treated politely."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from crawler import frontier as module
from crawler.frontier import Frontier, Link, write_end, write_links, write_politeness
from data.store import Store


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Crawl:
    """A frontier with the recorder's part done at once, as one process of a run sees it."""

    def __init__(
        self, home: Path, clock: Clock, *, run: str = "r1", max_pages: int = 100, delay: float = 0.0, per_host: int = 99
    ) -> None:
        self.store = Store(home)
        assert self.store.db.conn is not None
        self.sql = self.store.db.conn
        self.run = run
        self.frontier = Frontier(self.sql, run, max_pages=max_pages, delay=delay, per_host=per_host, clock=clock)

    def owe(self, *urls: str, priority: float = 0.0) -> int:
        new = self.frontier.offer(Link(url, 0, priority, "") for url in urls)
        with self.store.transaction() as sql:
            write_links(sql, self.run, new)
        return len(new)

    def lease(self) -> str:
        link = self.frontier.lease()
        self.last = link
        return link.url if link else ""

    def leases(self) -> list[str]:
        return list(iter(self.lease, ""))

    def finish(self, link: Link, state: str = "done", note: str = "") -> None:
        self.frontier.finish(link, state)
        with self.store.transaction() as sql:
            write_end(sql, self.run, link.url, state, note)
            write_politeness(sql, self.frontier.politeness())
        self.frontier.settled(link.url)

    def close(self) -> None:
        self.store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crawl(tmp_path: Path, clock: Clock) -> Iterator[Crawl]:
    opened = Crawl(tmp_path, clock)
    yield opened
    opened.close()


def test_a_known_url_is_owed_once(crawl: Crawl) -> None:
    assert crawl.owe("http://a.test/", "http://a.test/1", "http://a.test/") == 2
    assert crawl.owe("http://a.test/1", "http://a.test/2") == 1
    assert len(crawl.leases()) == 3


def test_hosts_take_turns_and_the_promising_comes_first(crawl: Crawl) -> None:
    crawl.owe("http://a.test/1", "http://a.test/2")
    crawl.owe("http://a.test/best", priority=0.9)
    crawl.owe("http://b.test/1", priority=0.5)
    leased = crawl.leases()
    assert leased[:2] == ["http://a.test/best", "http://b.test/1"]
    assert set(leased[2:]) == {"http://a.test/1", "http://a.test/2"}


def test_no_host_takes_everything_however_promising(crawl: Crawl) -> None:
    crawl.owe(*(f"http://hot.test/{n}" for n in range(90)), priority=0.5)
    crawl.owe("http://quiet.test/", priority=0.0)
    assert "http://quiet.test/" in crawl.leases()[:60]


def test_what_was_leased_when_a_process_died_is_owed_again(tmp_path: Path, clock: Clock) -> None:
    first = Crawl(tmp_path, clock)
    first.owe("http://a.test/1", "http://a.test/2")
    done = first.frontier.lease()
    assert done
    first.finish(done)
    assert first.lease()
    assert first.lease() == ""
    first.close()
    second = Crawl(tmp_path, clock)
    assert second.frontier.counts["done"] == 1
    assert len(second.leases()) == 1
    second.close()


def test_an_expired_lease_is_handed_out_again_and_its_late_answer_is_nobodys(crawl: Crawl, clock: Clock) -> None:
    crawl.owe("http://a.test/1")
    late = crawl.frontier.lease()
    assert late
    assert crawl.lease() == ""
    clock.now += module.LEASE_SECONDS + 1
    assert crawl.lease() == "http://a.test/1"
    again = crawl.last
    assert again is not None
    crawl.finish(again)
    assert not crawl.frontier.holds(late)


def test_the_budget_counts_pages_and_not_failures(tmp_path: Path, clock: Clock) -> None:
    crawl = Crawl(tmp_path, clock, max_pages=2)
    crawl.owe(*(f"http://a.test/{n}" for n in range(5)))
    one, two = crawl.frontier.lease(), crawl.frontier.lease()
    assert one
    assert two
    assert crawl.lease() == ""
    crawl.finish(one, "failed", "等待超时")
    three = crawl.frontier.lease()
    assert three
    crawl.finish(two)
    crawl.finish(three)
    assert crawl.lease() == ""
    assert not crawl.frontier.owed()
    assert list(crawl.frontier.troubles()) == [(one.url, "failed", "等待超时")]
    crawl.close()


def test_runs_do_not_see_each_other(tmp_path: Path, clock: Clock) -> None:
    first, second = Crawl(tmp_path, clock), Crawl(tmp_path, clock, run="r2")
    first.owe("http://a.test/")
    first.close()
    assert second.lease() == ""
    second.close()


def test_more_than_memory_holds_waits_on_disk_in_its_order(crawl: Crawl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", 5)
    crawl.owe(*(f"http://a.test/{n}" for n in range(23)))
    leased = []
    while link := crawl.frontier.lease():
        leased.append(link.url)
        crawl.finish(link)
    assert sorted(leased) == sorted(f"http://a.test/{n}" for n in range(23))


def test_delay_and_concurrency_hold_per_host(tmp_path: Path, clock: Clock) -> None:
    crawl = Crawl(tmp_path, clock, delay=2.0, per_host=2)
    crawl.owe(*(f"http://a.test/{n}" for n in range(9)), "http://b.test/")
    assert {crawl.lease(), crawl.lease()} == {"http://a.test/0", "http://b.test/"}
    assert crawl.lease() == ""
    assert 1.9 < crawl.frontier.wait() <= 2.0
    clock.now += 2.01
    assert crawl.lease() == "http://a.test/1"
    clock.now += 2.01
    assert crawl.lease() == ""  # two are under way
    under_way = list(crawl.frontier._leases)
    for url in under_way:
        if "a.test" in url:
            link = crawl.frontier._leases[url][0]
            crawl.frontier.arrived(link)
            crawl.frontier.arrived(link)
    # Both have been answered: two more may be asked for while those are read, one after the other.
    assert crawl.lease() == "http://a.test/2"
    clock.now += 2.01
    assert crawl.lease() == "http://a.test/3"
    clock.now += 2.01
    assert crawl.lease() == ""
    crawl.finish(link)
    assert crawl.lease() == ""  # its turn was given back when it was answered
    crawl.close()


def test_politeness_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    crawl = Crawl(tmp_path, clock)
    crawl.owe("http://a.test/1", "http://a.test/2", "http://b.test/")
    crawl.frontier.pace("b.test", 30.0)
    link = next(link for link in (crawl.frontier.lease() for _ in range(3)) if link and "a.test/1" in link.url)
    crawl.frontier.slow("a.test", 120.0)
    crawl.finish(link)
    crawl.close()
    later = Crawl(tmp_path, clock)
    assert later.leases() == ["http://b.test/"]
    clock.now += 121
    assert later.leases() == ["http://a.test/2"]
    assert later.frontier.politeness()
    later.owe("http://b.test/2")
    assert later.lease() == "http://b.test/2"
    later.close()


def test_back_off_doubles_and_ends(crawl: Crawl, clock: Clock) -> None:
    crawl.owe("http://a.test/1")
    waits = []
    for _ in range(12):
        crawl.frontier.slow("a.test", 0.0)
        waits.append(crawl.frontier.wait())
        clock.now += waits[-1]
    assert waits[0] < waits[1] < waits[2]
    assert max(waits) <= module.BACKOFF_LIMIT
    assert crawl.lease()


def test_a_clock_set_back_does_not_silence_a_host(tmp_path: Path, clock: Clock) -> None:
    crawl = Crawl(tmp_path, clock)
    crawl.owe("http://a.test/1", "http://a.test/2")
    link = crawl.frontier.lease()
    assert link
    crawl.finish(link)
    crawl.close()
    clock.now -= 400 * 86_400
    later = Crawl(tmp_path, clock)
    clock.now += module.BACKOFF_LIMIT + 1
    assert later.lease() == "http://a.test/2"
    later.close()


def test_tries_are_counted_and_end(crawl: Crawl, clock: Clock) -> None:
    crawl.owe("http://a.test/1")
    given_back = 0
    while (link := crawl.frontier.lease()) and crawl.frontier.again(link):
        given_back += 1
        clock.now += module.PAUSE_SECONDS + 0.1
    assert given_back == module.TRIES - 1


def test_nothing_is_lost_or_handed_out_twice_whatever_happens(tmp_path_factory: pytest.TempPathFactory) -> None:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.home = tmp_path_factory.mktemp("frontier")
            self.crawl = Crawl(self.home, Clock())
            self.known: set[str] = set()
            self.leased: dict[str, Link] = {}
            self.ended: set[str] = set()

        @rule(host=st.sampled_from("abc"), page=st.integers(0, 5), priority=st.floats(0, 1))
        def owe(self, host: str, page: int, priority: float) -> None:
            url = f"http://{host}.test/{page}"
            assert self.crawl.owe(url, priority=priority) == (url not in self.known)
            self.known.add(url)

        @rule()
        def lease(self) -> None:
            link = self.crawl.frontier.lease()
            owed = self.known - set(self.leased) - self.ended
            assert (link is None) == (not owed)
            if link:
                assert link.url in owed
                self.leased[link.url] = link

        @precondition(lambda self: self.leased)
        @rule(state=st.sampled_from(["done", "failed", "refused"]))
        def finish(self, state: str) -> None:
            url, link = self.leased.popitem()
            self.crawl.finish(link, state)
            self.ended.add(url)

        @precondition(lambda self: self.leased)
        @rule()
        def arrive(self) -> None:
            self.crawl.frontier.arrived(next(iter(self.leased.values())))

        @rule()
        def crash(self) -> None:
            self.crawl.close()
            self.crawl = Crawl(self.home, Clock())
            self.leased.clear()

        @invariant()
        def every_url_has_one_state(self) -> None:
            assert sum(self.crawl.frontier.counts.values()) + len(self.leased) == len(self.known)
            assert all(host.active >= 0 for host in self.crawl.frontier._hosts.values())

        def teardown(self) -> None:
            self.crawl.close()

    run_state_machine_as_test(Machine, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))

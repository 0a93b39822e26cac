"""The frontier: nothing owed is forgotten, nothing is handed out twice, hosts take turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from crawler.frontier import Frontier, Link
from data.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


def frontier_of(store: Store, max_pages: int = 100, run: str = "r1") -> Frontier:
    assert store.db.conn is not None
    return Frontier(store.db.conn, run, max_pages)


def links(*urls: str, priority: float = 0.0) -> list[Link]:
    return [Link(url, 0, priority, "") for url in urls]


def test_a_known_url_is_added_once(store: Store) -> None:
    frontier = frontier_of(store)
    assert frontier.add(links("http://a.test/", "http://a.test/1")) == 2
    assert frontier.add(links("http://a.test/1", "http://a.test/2")) == 1
    assert frontier.counts() == {"waiting": 3}


def test_hosts_take_turns_and_the_promising_comes_first(store: Store) -> None:
    frontier = frontier_of(store)
    frontier.add(links("http://a.test/1", "http://a.test/2"))
    frontier.add(links("http://a.test/best", priority=0.9))
    frontier.add(links("http://b.test/1"))
    leased = [link.url for link in iter(frontier.lease, None)]
    assert {leased[0], leased[1]} == {"http://a.test/best", "http://b.test/1"}
    assert set(leased[2:]) == {"http://a.test/1", "http://a.test/2"}


def test_what_was_leased_when_a_process_died_is_owed_again(store: Store) -> None:
    frontier = frontier_of(store)
    frontier.add(links("http://a.test/1", "http://a.test/2"))
    first = frontier.lease()
    assert first
    with store.transaction():
        frontier.finish(first.url)
    assert frontier.lease()
    assert frontier.lease() is None
    again = frontier_of(store)
    assert again.counts() == {"done": 1, "waiting": 1}
    assert again.lease()
    assert again.lease() is None


def test_a_rolled_back_capture_leaves_its_url_owed(store: Store) -> None:
    frontier = frontier_of(store)
    frontier.add(links("http://a.test/1"))
    link = frontier.lease()
    assert link
    with pytest.raises(ZeroDivisionError), store.transaction():
        frontier.finish(link.url)
        raise ZeroDivisionError
    assert frontier_of(store).counts() == {"waiting": 1}


def test_the_budget_counts_pages_and_not_failures(store: Store) -> None:
    frontier = frontier_of(store, max_pages=2)
    frontier.add(links(*(f"http://a.test/{n}" for n in range(5))))
    one, two = frontier.lease(), frontier.lease()
    assert one
    assert two
    assert frontier.lease() is None
    frontier.finish(one.url, "failed", "等待超时")
    three = frontier.lease()
    assert three
    frontier.finish(two.url)
    frontier.finish(three.url)
    assert frontier.lease() is None
    assert frontier.troubles() == [(one.url, "failed", "等待超时")]
    assert frontier_of(store, max_pages=2).lease() is None


def test_runs_do_not_see_each_other(store: Store) -> None:
    frontier_of(store).add(links("http://a.test/"))
    assert frontier_of(store, run="r2").lease() is None


def test_nothing_is_lost_or_handed_out_twice_whatever_happens(tmp_path_factory: pytest.TempPathFactory) -> None:
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.store = Store(tmp_path_factory.mktemp("frontier"))
            self.frontier = frontier_of(self.store)
            self.known: set[str] = set()
            self.leased: set[str] = set()
            self.ended: set[str] = set()

        @rule(host=st.sampled_from("abc"), page=st.integers(0, 5))
        def add(self, host: str, page: int) -> None:
            url = f"http://{host}.test/{page}"
            with self.store.transaction():
                assert self.frontier.add(links(url)) == (url not in self.known)
            self.known.add(url)

        @rule()
        def lease(self) -> None:
            link = self.frontier.lease()
            owed = self.known - self.leased - self.ended
            assert (link is None) == (not owed)
            if link:
                assert link.url in owed
                self.leased.add(link.url)

        @precondition(lambda self: self.leased)
        @rule(state=st.sampled_from(["done", "failed", "refused"]))
        def finish(self, state: str) -> None:
            url = self.leased.pop()
            with self.store.transaction():
                self.frontier.finish(url, state)
            self.ended.add(url)

        @rule()
        def crash(self) -> None:
            self.store.close()
            self.store = Store(self.store.home)
            self.frontier = frontier_of(self.store)
            self.leased.clear()

        @invariant()
        def every_url_has_one_state(self) -> None:
            assert sum(self.frontier.counts().values()) == len(self.known)

        def teardown(self) -> None:
            self.store.close()

    run_state_machine_as_test(Machine, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))

"""The queue: which cases wait for whom, best first, and which one comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from data.records import Case, Hit, State, User
from data.store import Store
from review.flow import holder, last_proposal
from review.rights import Right, may
from review.words import N_

PAGE = 50
REASONS = 3


@dataclass(frozen=True, slots=True)
class Tab:
    """A filter of the queue: its id in the address, its name, and the cases it holds, best first; but those whose answer
    teaches most first of what the model is least sure of (uncertainty sampling, Lewis and Gale 1994)."""

    id: str
    name: str
    states: frozenset[State]


TABS = (
    Tab("open", N_("待审"), frozenset({State.OPEN, State.CLAIMED})),
    Tab("mine", N_("我的"), frozenset({State.CLAIMED, State.PROPOSED})),
    Tab("proposed", N_("待复核"), frozenset({State.PROPOSED})),
    Tab("approved", N_("已批准"), frozenset({State.APPROVED})),
    Tab(
        "referred",
        N_("已移送"),
        frozenset({State.REFERRED, State.ACKNOWLEDGED, State.CLOSED, State.RETURNED, State.RELAPSED}),
    ),
    Tab("dismissed", N_("已排除"), frozenset({State.DISMISSED, State.WITHDRAWN})),
    Tab("teaching", N_("最能教模型"), frozenset({State.OPEN, State.CLAIMED})),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A case in the queue: why it is there (indicator ids with their probability, best first; the words that weigh
    most) and who holds it now."""

    case: Case
    hit: Hit
    why: tuple[tuple[str, float], ...]
    words: str
    held_by: str


@dataclass(frozen=True, slots=True)
class Queue:
    """One page of one tab, and how many cases every tab holds."""

    tab: Tab
    rows: tuple[Row, ...]
    counts: dict[str, int]
    page: int
    pages: int


def queue(store: Store, user: User, tab_id: str, page: int) -> Queue:
    """The page of the tab; the first tab for an unknown id, the nearest page for one that is not there."""
    tab = next((tab for tab in TABS if tab.id == tab_id), TABS[0])
    cases = store.cases()
    tabs = {each.id: [case for case in cases if _in(store, each, case, user)] for each in TABS}
    found = tabs[tab.id]
    if tab.id == "teaching":
        found = sorted(found, key=lambda case: abs(case.score - 0.5))
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(1, page), pages)
    rows = tuple(_row(store, case) for case in found[(page - 1) * PAGE : page * PAGE])
    return Queue(tab, rows, {each: len(tabs[each]) for each in tabs}, page, pages)


def next_case(store: Store, user: User, left: Case) -> Case | None:
    """What the person decides next: of the kind of work they were at, else of the other; never what they proposed."""
    work: list[Callable[[], Case | None]] = []
    if may(user, Right.REVIEW):
        work.append(lambda: _first(store, left, (State.OPEN, State.CLAIMED), lambda c: holder(c) in {"", user.name}))
    if may(user, Right.APPROVE):
        work.append(lambda: _first(store, left, (State.PROPOSED,), lambda c: not proposed_by(store, c, user)))
    if left.state is State.PROPOSED:
        work.reverse()
    return next((case for look in work if (case := look())), None)


def proposed_by(store: Store, case: Case, user: User) -> bool:
    """Whether the case waits for a second person because of this one."""
    proposal = last_proposal(store.decisions(case.id)) if case.state is State.PROPOSED else None
    return proposal is not None and proposal.actor == user.name


def _first(store: Store, left: Case, states: tuple[State, ...], fits: Callable[[Case], bool]) -> Case | None:
    return next((case for case in store.cases(*states) if case.id != left.id and fits(case)), None)


def _in(store: Store, tab: Tab, case: Case, user: User) -> bool:
    if case.state not in tab.states:
        return False
    return tab.id != "mine" or holder(case) == user.name or proposed_by(store, case, user)


def _row(store: Store, case: Case) -> Row:
    hit = store.hit(case.target.key)
    why = sorted(hit.indicators.items(), key=lambda item: -item[1])[:REASONS]
    _, best = hit.evidence[0]
    heaviest = max(best.spans, key=lambda span: span.weight, default=None)
    return Row(case, hit, tuple(why), heaviest.text if heaviest else "", holder(case))

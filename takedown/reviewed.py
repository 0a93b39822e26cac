"""Reviewed cases as labelled texts: what people decided teaches the next model."""

from __future__ import annotations

from collections.abc import Iterator

from classifier.corpus import Text
from data.facts import taxonomy
from data.records import Case, Decision, State, Verdict
from data.store import Store

# A dismissal on another ground (no evidence, gone, not ours) says nothing about the text.
INNOCENT = {"innocent", "unrelated"}
CONFIRMED = {State.APPROVED, State.REFERRED, State.ACKNOWLEDGED, State.CLOSED, State.RELAPSED}


def reviewed(store: Store) -> Iterator[Text]:
    """The pages that were before the people when they decided, each with the digest of what was fetched.

    A confirmed case counts when two people agreed; its pages are offers where the machine thought so too, for a hit's weaker
    pages were not what was confirmed. A dismissed case's pages are innocent, the strongest of them hard. A target's pages
    are one group.
    """
    for case in store.cases(*CONFIRMED, State.DISMISSED):
        last = next(
            (d for d in reversed(store.decisions(case.id)) if d.verdict in {Verdict.APPROVE, Verdict.DISMISS}), None
        )
        if last is None or (case.state is State.DISMISSED and last.ground not in INNOCENT):
            continue
        yield from _pages(store, case, last)


def _pages(store: Store, case: Case, decision: Decision) -> Iterator[Text]:
    facts = taxonomy()
    offer = case.state is not State.DISMISSED
    kinds = {
        field: tuple(each.id for each in known if each.id in decision.indicators) if offer else ()
        for field, known in (("activities", facts.activities), ("roles", facts.roles), ("audience", facts.audience))
    }
    seen: set[str] = set()
    for capture_id in decision.captures:
        score, capture = store.score(capture_id), store.capture(capture_id)
        if score is None or capture.payload.sha256 in seen or (offer and score.score < case.score / 2):
            continue
        seen.add(capture.payload.sha256)
        stance = facts.genre(score.genre).stance
        yield Text(
            id=capture.id,
            group=case.target.key,
            label="positive" if offer else "negative",
            text=capture.text,
            genre=score.genre if (stance == "offer") is offer else ("exchange_landing" if offer else "other"),
            hard=not offer,
            evidence=capture.payload.sha256,
            **kinds,
        )

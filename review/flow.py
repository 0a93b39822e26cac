"""How a case moves: the only way it does, before it is referred.

    open → claimed → proposed (by one person) → approved (by another);  dismissed from any of the first three

Every function checks the person's rights and the rules of the case, then appends a ``Decision``, all inside one
transaction, so that two people who press at once cannot both succeed. All of them raise ``NotAllowed`` (not this
person), ``RuleBroken`` (not this way), ``EvidenceChanged`` (not on this evidence) or ``data.store.StaleCase`` (somebody
was faster), and leave the case as it was. ``approve`` says where it differs.

``seen`` is always the digest of the evidence (``Hit.digest``) that was before the person when they decided.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

from data.facts import taxonomy
from data.records import Bands, Case, Decision, Hit, State, User, Verdict
from data.store import StaleCase, Store, now
from review.clock import clock
from review.refusal import EvidenceChanged, NotAllowed, RuleBroken
from review.rights import Right, require
from review.rules import Proposal, check_proposal, check_seen
from review.words import N_

CLAIM_LASTS = timedelta(minutes=30)
UNDO_WITHIN = timedelta(minutes=5)
SYSTEM = "system"
NEW_EVIDENCE = N_("证据有更新，需要重新判断。")
STALE_PROPOSAL = N_("复核时发现证据已不是提出时的证据，案件退回待审。")


def fill(store: Store, bands: Bands) -> int:
    """Bring the queue up to date with the hits; returns how many cases were opened or re-opened.

    A target in the upper band gets a case, one in the middle band when it is drawn, and every case its newest score.
    A dismissed case of such a target, and any proposed or approved one, is opened again when its evidence is no longer
    what was decided on.
    """
    known = {case.target.key: case for case in store.cases()}
    came = 0
    for hit in store.hits(bands.sample):
        if hit.score < bands.review and not _drawn(hit, bands.drawn):
            continue
        case = known.pop(hit.target.key, None)
        store.open_case(hit.target.key, hit.score)
        came += case is None or _reopened(store, case, hit, awaited={State.DISMISSED, State.PROPOSED, State.APPROVED})
    for case in known.values():  # what scores less by now
        hit = store.hit(case.target.key)
        store.open_case(case.target.key, hit.score)
        came += _reopened(store, case, hit, awaited={State.PROPOSED, State.APPROVED})
    return came


def _drawn(hit: Hit, share: float) -> bool:
    """Whether the target is one of the share: by chance, but the same every time. When it was first seen has a part in it,
    so that nobody can choose a name that is never drawn."""
    seen = f"{hit.target.key} {hit.target.first_seen}"
    return int.from_bytes(hashlib.sha256(seen.encode()).digest()[:8]) < share * 2**64


def claim(store: Store, case_id: int, user: User) -> Case:
    """Hold an open case for thirty minutes, alone; the holder extends it by claiming again."""
    require(user, Right.REVIEW)
    with store.transaction():
        case = store.case(case_id)
        _check_free(case, user)
        decision = Decision(case_id, user.name, Verdict.CLAIM, "", now())
        until = decision.decided_at + CLAIM_LASTS
        return store.decide(decision, {State.OPEN, State.CLAIMED}, State.CLAIMED, claimed_until=until)


def release(store: Store, case_id: int, user: User) -> Case:
    """Let go of a case one holds."""
    require(user, Right.REVIEW)
    with store.transaction():
        case = store.case(case_id)
        if case.state is State.CLAIMED and case.claimed_by != user.name:
            raise RuleBroken("这个案件不在您手里，无需放回。")
        return store.decide(Decision(case_id, user.name, Verdict.RELEASE, "", now()), {State.CLAIMED}, State.OPEN)


def propose(store: Store, case_id: int, user: User, proposal: Proposal) -> Case:
    """Propose to refer a case one holds. A claim that ran out still counts while nobody else has taken the case."""
    require(user, Right.REVIEW)
    with store.transaction():
        case = store.case(case_id)
        if case.state is State.OPEN or (case.state is State.CLAIMED and case.claimed_by != user.name):
            _check_free(case, user)
            raise RuleBroken("请先领取这个案件，再提议移送。")
        hit = store.hit(case.target.key)
        check_proposal(proposal, hit)
        decision = replace(
            _decision(case_id, user.name, Verdict.PROPOSE, hit, proposal.reason.strip()),
            indicators=proposal.indicators,
            basis=proposal.basis,
            clause=proposal.clause,
            stance=proposal.stance,
            conduct_on=proposal.conduct_on,
        )
        return store.decide(decision, {State.CLAIMED}, State.PROPOSED)


def approve(store: Store, case_id: int, user: User, seen: str) -> Case:
    """Confirm somebody else's proposal, on the very evidence it was made on.

    When the evidence has changed since it was proposed, the case goes back to open and ``EvidenceChanged`` is raised.
    When only the page the person looked at is older than the proposal, nothing moves and ``EvidenceChanged`` is raised.
    The approval repeats what it confirms, so that it can be read without the proposal.
    """
    require(user, Right.APPROVE)
    with store.transaction():
        case, proposal = _proposed(store, case_id, user)
        hit = store.hit(case.target.key)
        if hit.digest == proposal.evidence_sha256:
            check_seen(hit, seen)
            decision = replace(proposal, actor=user.name, verdict=Verdict.APPROVE, decided_at=now(), reason="")
            return store.decide(decision, {State.PROPOSED}, State.APPROVED)
        _reopen(store, case, hit, STALE_PROPOSAL)
    raise EvidenceChanged("提出之后证据有更新，不能再批准；案件已退回待审，请按新证据重新判断。")


def reject(store: Store, case_id: int, user: User, reason: str) -> Case:
    """Send somebody else's proposal back to open, saying why."""
    require(user, Right.APPROVE)
    with store.transaction():
        case, _ = _proposed(store, case_id, user)
        if not reason.strip():
            raise RuleBroken("请写明退回的理由，供提出人改正。")
        hit = store.hit(case.target.key)
        decision = _decision(case_id, user.name, Verdict.REJECT, hit, reason.strip())
        return store.decide(decision, {State.PROPOSED}, State.OPEN)


def dismiss(store: Store, case_id: int, user: User, ground: str, seen: str, note: str = "") -> Case:
    """Dismiss a case that nobody else holds, on one of the taxonomy's ``grounds``; the note is optional."""
    require(user, Right.REVIEW)
    known = next((known for known in taxonomy().grounds if known.id == ground), None)
    if known is None:
        raise RuleBroken("请选择排除的理由。")
    with store.transaction():
        case = store.case(case_id)
        if case.state is not State.PROPOSED:
            _check_free(case, user)
        hit = store.hit(case.target.key)
        check_seen(hit, seen)
        decision = replace(_decision(case_id, user.name, Verdict.DISMISS, hit, note.strip()), ground=ground)
        return store.decide(decision, {State.OPEN, State.CLAIMED, State.PROPOSED}, State.DISMISSED)


def undo(store: Store, case_id: int, user: User) -> Case:
    """Take back one's own proposal or dismissal within five minutes; the case is in one's hands again."""
    require(user, Right.REVIEW)
    with store.transaction():
        case = store.case(case_id)
        if not may_undo(store.decisions(case_id), user):
            raise RuleBroken("只能在五分钟内撤销自己的提议或排除，而且其间没有别人处理过。")
        decision = Decision(case_id, user.name, Verdict.REOPEN, case.evidence_sha256, now())
        until = decision.decided_at + CLAIM_LASTS
        return store.decide(decision, {State.PROPOSED, State.DISMISSED}, State.CLAIMED, claimed_until=until)


def may_undo(decisions: list[Decision], user: User) -> bool:
    """Whether the last of a case's decisions is the person's own proposal or dismissal, not five minutes old."""
    if not decisions or decisions[-1].actor != user.name:
        return False
    fresh = now() - decisions[-1].decided_at <= UNDO_WITHIN
    return fresh and decisions[-1].verdict in {Verdict.PROPOSE, Verdict.DISMISS}


def holder(case: Case) -> str:
    """The name of whoever holds the case now, or an empty string: a claim that ran out holds nothing."""
    held = case.state is State.CLAIMED and case.claimed_until is not None and now() < case.claimed_until
    return case.claimed_by if held else ""


def last_proposal(decisions: list[Decision]) -> Decision | None:
    """The newest proposal among a case's decisions."""
    return next((decision for decision in reversed(decisions) if decision.verdict is Verdict.PROPOSE), None)


def _check_free(case: Case, user: User) -> None:
    if holder(case) not in {"", user.name}:
        assert case.claimed_until is not None
        raise RuleBroken(
            "{name} 正在审理这个案件，到 {until} 为止；请先看别的案件。",
            name=case.claimed_by,
            until=clock(case.claimed_until),
        )


def _proposed(store: Store, case_id: int, user: User) -> tuple[Case, Decision]:
    """A case that waits for a second person, which ``user`` must be, and its proposal."""
    case = store.case(case_id)
    proposal = last_proposal(store.decisions(case_id))
    if case.state is not State.PROPOSED or proposal is None:
        raise StaleCase(f"Case {case.id} is {case.state} by now; look at it again before deciding.")
    if proposal.actor == user.name:
        raise NotAllowed("不能复核自己提出的案件，请由另一位同事复核。")
    return case, proposal


def _reopened(store: Store, case: Case, hit: Hit, awaited: set[State]) -> bool:
    """Open the case again when it was decided on other evidence; looks twice, the second time while nobody can act."""
    if case.state not in awaited or case.evidence_sha256 == hit.digest:
        return False
    with store.transaction():
        case, hit = store.case(case.id), store.hit(hit.target.key)
        if case.state not in awaited or case.evidence_sha256 == hit.digest:
            return False
        _reopen(store, case, hit, NEW_EVIDENCE)
        return True


def _reopen(store: Store, case: Case, hit: Hit, reason: str) -> None:
    store.decide(_decision(case.id, SYSTEM, Verdict.REOPEN, hit, reason), {case.state}, State.OPEN)


def _decision(case_id: int, actor: str, verdict: Verdict, hit: Hit, reason: str) -> Decision:
    return Decision(
        case_id,
        actor,
        verdict,
        hit.digest,
        now(),
        reason=reason,
        captures=tuple(capture.id for capture, _ in hit.evidence),
        suggested=hit.indicators,
    )

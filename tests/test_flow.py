"""The rules of a case: who may move it, on what evidence, under which law."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from homes import FETCHED, PAGES, Page, make_home
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from data.records import Bands, Decision, State, User, Verdict
from data.store import StaleCase, Store
from review import flow
from review.refusal import EvidenceChanged, NotAllowed, Refusal, RuleBroken
from review.rights import ROLES, Right, may
from review.rules import Proposal, conduct_date

BANDS = Bands(0.5, 0.5, 0.0)
LI = User("li", "李明", "reviewer", "")
WANG = User("wang", "王芳", "approver", "")
ZHAO = User("zhao", "赵雷", "reviewer", "")
AUDITOR = User("sun", "孙静", "auditor", "")

EXCHANGE = replace(PAGES[0], screenshot=False)
CHANGED = replace(EXCHANGE, text=EXCHANGE.text + "\n新增第二个备用网址", fetched_at=FETCHED + timedelta(days=3))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    make_home(tmp_path, (EXCHANGE, PAGES[-1]))
    with Store(tmp_path) as opened:
        assert flow.fill(opened, BANDS) == 1
        yield opened


def filled_in(store: Store, **changes: object) -> Proposal:
    """A proposal nothing is wrong with, but for the changes."""
    hit = store.hit(store.case(1).target.key)
    whole = Proposal(
        ("derivatives", "referral"), "237", "（十）", conduct_date(hit).isoformat(), "offer", "招揽跟单", hit.digest
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def seen(store: Store) -> str:
    return store.hit(store.case(1).target.key).digest


def proposed(store: Store, by: User = LI) -> None:
    flow.claim(store, 1, by)
    flow.propose(store, 1, by, filled_in(store))


def recapture(store: Store, page: Page = CHANGED) -> None:
    make_home(store.home, (page,), run_id=f"run-{store.count('runs') + 1}")


class Clock:
    """Moves the time the flow sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        monkeypatch.setattr(flow, "now", lambda: datetime.now(UTC) + self.ahead)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_fill_opens_what_scores_enough_and_only_once(store: Store) -> None:
    assert [case.target.identity for case in store.cases()] == ["www.lanjing-ex.test"]
    assert flow.fill(store, BANDS) == 0


def test_of_the_middle_band_some_are_drawn_and_always_the_same(tmp_path: Path) -> None:
    pages = tuple(
        replace(EXCHANGE, url=f"https://site{n}.test/", identity=f"site{n}.test", score=0.3) for n in range(200)
    )
    make_home(tmp_path, pages)
    with Store(tmp_path) as store:
        assert flow.fill(store, Bands(0.5, 0.31, 1.0)) == 0
        drawn = flow.fill(store, Bands(0.5, 0.1, 0.25))
        assert 25 <= drawn <= 75
        assert flow.fill(store, Bands(0.5, 0.1, 0.25)) == 0
        assert flow.fill(store, Bands(0.5, 0.1, 1.0)) == 200 - drawn


def test_fill_notes_the_newest_score(store: Store) -> None:
    recapture(store, replace(CHANGED, score=0.31))
    flow.fill(store, BANDS)
    assert store.case(1).score == 0.31


def test_new_evidence_opens_a_dismissed_case_again(store: Store) -> None:
    flow.dismiss(store, 1, LI, "insufficient", seen(store))
    assert flow.fill(store, BANDS) == 0
    recapture(store)
    assert flow.fill(store, BANDS) == 1
    last = store.decisions(1)[-1]
    assert (store.case(1).state, last.actor, last.verdict) == (State.OPEN, "system", Verdict.REOPEN)
    assert "证据" in last.reason


def test_a_dismissed_case_stays_when_its_new_evidence_is_below_the_threshold(store: Store) -> None:
    flow.dismiss(store, 1, LI, "gone", seen(store))
    recapture(store, replace(CHANGED, score=0.1))
    assert flow.fill(store, BANDS) == 0
    assert store.case(1).state is State.DISMISSED


@pytest.mark.parametrize("approved", [False, True])
def test_new_evidence_opens_what_was_not_referred_yet(store: Store, approved: bool) -> None:
    proposed(store)
    if approved:
        flow.approve(store, 1, WANG, seen(store))
    recapture(store, replace(CHANGED, score=0.1))
    assert flow.fill(store, BANDS) == 1
    assert store.case(1).state is State.OPEN


def test_a_claim_keeps_others_out_until_it_ends(store: Store, clock: Clock) -> None:
    flow.claim(store, 1, LI)
    with pytest.raises(RuleBroken, match="li 正在审理"):
        flow.claim(store, 1, ZHAO)
    with pytest.raises(RuleBroken, match="li 正在审理"):
        flow.dismiss(store, 1, ZHAO, "gone", seen(store))
    clock.ahead = timedelta(minutes=29)
    flow.claim(store, 1, LI)
    clock.ahead = timedelta(minutes=31)
    with pytest.raises(RuleBroken):
        flow.claim(store, 1, ZHAO)
    clock.ahead = timedelta(minutes=60)
    flow.claim(store, 1, ZHAO)
    assert store.case(1).claimed_by == "zhao"


def test_work_done_on_a_claim_that_ran_out_is_not_lost_while_nobody_took_over(store: Store, clock: Clock) -> None:
    flow.claim(store, 1, LI)
    clock.ahead = timedelta(minutes=40)
    flow.propose(store, 1, LI, filled_in(store))
    assert store.case(1).state is State.PROPOSED


def test_only_the_holder_puts_back(store: Store) -> None:
    flow.claim(store, 1, LI)
    with pytest.raises(RuleBroken):
        flow.release(store, 1, ZHAO)
    flow.release(store, 1, LI)
    assert (store.case(1).state, store.case(1).claimed_by) == (State.OPEN, "")


def test_two_who_claim_at_once_get_one_case_between_them(store: Store) -> None:
    start, won = Barrier(2), []

    def race(user: User) -> None:
        with Store(store.home) as own:
            start.wait()
            with suppress(RuleBroken, StaleCase):
                flow.claim(own, 1, user)
                won.append(user.name)

    racers = [Thread(target=race, args=(user,)) for user in (LI, ZHAO)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert won == [store.case(1).claimed_by]


def test_a_proposal_keeps_what_was_seen_and_what_the_model_suggested(store: Store) -> None:
    proposed(store)
    decision = store.decisions(1)[-1]
    assert decision.captures == ("run-1-0",)
    assert decision.suggested["derivatives"] == 0.93
    assert (decision.basis, decision.clause, decision.stance) == ("237", "（十）", "offer")
    assert decision.evidence_sha256 == seen(store) == store.case(1).evidence_sha256


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"indicators": ()}, "请至少勾选一项"),
        ({"indicators": ("derivatives", "nonsense")}, "没有名为“nonsense”的指标"),
        ({"stance": ""}, "请回答"),
        ({"stance": "warning"}, "您的回答是“是，仅为风险警示”"),
        ({"reason": " \n"}, "请写明理由"),
        ({"conduct_on": "去年"}, "行为日期"),
        ({"conduct_on": "2011-01-01"}, "2011-01-01 有哪个文件有效；请在 data/facts/legal_bases.yml"),
        ({"clause": "（九十九）"}, "没有银发〔2021〕237号第（九十九）项的正文"),
        ({"basis": ""}, "请选择依据"),
        ({"basis": "42", "clause": ""}, "42号只在 2026-02-06 至"),
        ({"seen": "0" * 64}, "证据已不是最新"),
    ],
)
def test_a_proposal_that_lacks_something_says_what(store: Store, change: dict[str, object], sentence: str) -> None:
    flow.claim(store, 1, LI)
    with pytest.raises(RuleBroken) as refused:
        flow.propose(store, 1, LI, filled_in(store, **change))
    assert sentence in str(refused.value)
    assert store.case(1).state is State.CLAIMED


@pytest.mark.parametrize(("basis", "clause"), [("237", "（十）"), ("42", ""), ("", "")])
def test_conduct_after_the_repeal_names_the_file_to_complete(store: Store, basis: str, clause: str) -> None:
    flow.claim(store, 1, LI)
    with pytest.raises(RuleBroken) as refused:
        flow.propose(store, 1, LI, filled_in(store, conduct_on="2026-02-06", basis=basis, clause=clause))
    said = str(refused.value)
    assert "银发〔2026〕42号" in said
    assert "data/facts/legal_bases.yml" in said
    assert "条目“42”" in said
    if basis == "237":
        assert "银发〔2021〕237号只在 2021-09-15 至 2026-02-06" in said


def test_the_last_day_before_the_repeal_still_counts(store: Store) -> None:
    flow.claim(store, 1, LI)
    flow.propose(store, 1, LI, filled_in(store, conduct_on="2026-02-05"))
    assert store.case(1).state is State.PROPOSED


def test_the_day_of_the_conduct_is_the_newest_captures_in_shanghai(tmp_path: Path) -> None:
    late = replace(EXCHANGE, fetched_at=datetime(2025, 6, 1, 17, 30, tzinfo=UTC))
    with Store(make_home(tmp_path, (late,))) as store:
        assert conduct_date(store.hit("site:www.lanjing-ex.test")).isoformat() == "2025-06-02"


def test_proposing_needs_the_case_in_hand(store: Store) -> None:
    with pytest.raises(RuleBroken, match="请先领取"):
        flow.propose(store, 1, LI, filled_in(store))


def test_another_person_approves_and_the_approval_repeats_the_proposal(store: Store) -> None:
    proposed(store)
    flow.approve(store, 1, WANG, seen(store))
    approval = store.decisions(1)[-1]
    assert store.case(1).state is State.APPROVED
    assert (approval.actor, approval.indicators, approval.clause) == ("wang", ("derivatives", "referral"), "（十）")
    assert approval.captures == ("run-1-0",)


def test_nobody_approves_or_rejects_their_own(store: Store) -> None:
    proposed(store)
    with pytest.raises(NotAllowed, match="自己提出的"):
        flow.approve(store, 1, LI, seen(store))
    with pytest.raises(NotAllowed, match="自己提出的"):
        flow.reject(store, 1, LI, "改主意了")


def test_changed_evidence_sends_the_proposal_back_instead(store: Store) -> None:
    proposed(store)
    looked_at = seen(store)
    recapture(store)
    with pytest.raises(EvidenceChanged, match="案件已退回待审"):
        flow.approve(store, 1, WANG, looked_at)
    assert store.case(1).state is State.OPEN
    assert store.decisions(1)[-1].actor == "system"


def test_an_old_page_does_not_approve_a_newer_proposal(store: Store) -> None:
    looked_at = seen(store)
    recapture(store)
    proposed(store)
    with pytest.raises(EvidenceChanged):
        flow.approve(store, 1, WANG, looked_at)
    assert store.case(1).state is State.PROPOSED


def test_a_rejection_says_why(store: Store) -> None:
    proposed(store)
    with pytest.raises(RuleBroken, match="退回的理由"):
        flow.reject(store, 1, WANG, "")
    flow.reject(store, 1, WANG, "截图不足以说明面向境内")
    assert (store.case(1).state, store.decisions(1)[-1].reason) == (State.OPEN, "截图不足以说明面向境内")


def test_who_comes_second_to_a_decision_is_told(store: Store) -> None:
    proposed(store)
    flow.approve(store, 1, WANG, seen(store))
    with pytest.raises(StaleCase):
        flow.approve(store, 1, ZHAO, seen(store))
    with pytest.raises(StaleCase):
        flow.dismiss(store, 1, ZHAO, "gone", seen(store))


def test_a_dismissal_has_a_ground_and_may_have_a_note(store: Store) -> None:
    with pytest.raises(RuleBroken, match="排除的理由"):
        flow.dismiss(store, 1, LI, "boring", seen(store))
    flow.dismiss(store, 1, LI, "innocent", seen(store), note="反诈宣传")
    assert (store.decisions(1)[-1].ground, store.decisions(1)[-1].reason) == ("innocent", "反诈宣传")


def test_undo_gives_the_case_back_for_five_minutes(store: Store, clock: Clock) -> None:
    flow.dismiss(store, 1, LI, "gone", seen(store))
    with pytest.raises(RuleBroken):
        flow.undo(store, 1, ZHAO)
    flow.undo(store, 1, LI)
    assert (store.case(1).state, store.case(1).claimed_by) == (State.CLAIMED, "li")
    flow.propose(store, 1, LI, filled_in(store))
    clock.ahead = timedelta(minutes=5, seconds=1)
    with pytest.raises(RuleBroken, match="五分钟"):
        flow.undo(store, 1, LI)


def test_what_somebody_approved_cannot_be_undone_by_the_proposer(store: Store) -> None:
    proposed(store)
    flow.approve(store, 1, WANG, seen(store))
    with pytest.raises(RuleBroken):
        flow.undo(store, 1, LI)


def test_roles_may_what_they_are_for() -> None:
    def who_may(right: Right) -> set[str]:
        return {role for role in ROLES if may(User("x", "x", role, ""), right)}

    assert who_may(Right.REVIEW) == {"reviewer"}
    assert who_may(Right.APPROVE) == {"reviewer", "approver"}
    assert who_may(Right.ACCOUNTS) == {"admin"}
    assert who_may(Right.READ) == set(ROLES) - {"admin"}
    assert not may(User("x", "x", "reviewer", "", active=False), Right.READ)
    assert not may(User("x", "x", "emperor", ""), Right.ENTER)


def test_an_auditor_moves_nothing(store: Store) -> None:
    moves = [
        lambda: flow.claim(store, 1, AUDITOR),
        lambda: flow.release(store, 1, AUDITOR),
        lambda: flow.propose(store, 1, AUDITOR, filled_in(store)),
        lambda: flow.approve(store, 1, AUDITOR, seen(store)),
        lambda: flow.reject(store, 1, AUDITOR, "不"),
        lambda: flow.dismiss(store, 1, AUDITOR, "gone", seen(store)),
        lambda: flow.undo(store, 1, AUDITOR),
    ]
    for move in moves:
        with pytest.raises(NotAllowed, match="审计员"):
            move()
    assert store.decisions(1) == []


class OnePerson(RuleBasedStateMachine):
    """One reviewer who may press everything in any order, over evidence that changes, never gets a case approved."""

    source: Path

    def __init__(self) -> None:
        super().__init__()
        self.home = self.source.with_name(f"copy-{id(self)}")
        shutil.copytree(self.source, self.home)
        self.store = Store(self.home)
        flow.fill(self.store, BANDS)
        self.seen = seen(self.store)

    @rule()
    def look(self) -> None:
        self.seen = seen(self.store)

    @rule()
    def evidence_changes(self) -> None:
        number = self.store.count("runs")
        recapture(self.store, replace(CHANGED, text=f"{EXCHANGE.text}{number}", fetched_at=FETCHED + timedelta(number)))

    @rule()
    def queue_fills(self) -> None:
        flow.fill(self.store, BANDS)

    @rule(move=st.sampled_from(["claim", "release", "propose", "approve", "reject", "dismiss", "undo"]))
    def press(self, move: str) -> None:
        values: dict[str, tuple[object, ...]] = {
            "propose": (filled_in(self.store, seen=self.seen),),
            "approve": (self.seen,),
            "reject": ("不足",),
            "dismiss": ("gone", self.seen),
        }
        with suppress(Refusal, StaleCase):
            getattr(flow, move)(self.store, 1, LI, *values.get(move, ()))

    @invariant()
    def not_approved(self) -> None:
        assert self.store.case(1).state is not State.APPROVED
        assert all(decision.verdict is not Verdict.APPROVE for decision in self.store.decisions(1))

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.home)


def test_one_person_never_gets_a_case_approved(tmp_path: Path) -> None:
    OnePerson.source = make_home(tmp_path / "source", (EXCHANGE,))
    run_state_machine_as_test(
        OnePerson,
        settings=settings(
            max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_decisions_of_old_stores_still_read() -> None:
    assert Decision(1, "li", Verdict.CLAIM, "", FETCHED).ground == ""

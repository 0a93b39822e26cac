"""What a proposal must hold before it may become a decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from data.facts import LegalBasis, basis_on, legal_bases, taxonomy
from data.records import Hit
from review.clock import shanghai
from review.refusal import EvidenceChanged, RuleBroken

FILE = "data/facts/legal_bases.yml"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a person filled in. ``conduct_on`` is YYYY-MM-DD; ``seen`` is the digest of the evidence they looked at."""

    indicators: tuple[str, ...]
    basis: str
    clause: str
    conduct_on: str
    stance: str
    reason: str
    seen: str


def conduct_date(hit: Hit) -> date:
    """The day of the conduct unless the person says otherwise: that of the newest capture, in Asia/Shanghai."""
    return max(shanghai(capture.fetched_at).date() for capture, _ in hit.evidence)


def check_seen(hit: Hit, seen: str) -> None:
    """Raises ``EvidenceChanged`` when the person did not look at the evidence as it is now."""
    if seen != hit.digest:
        raise EvidenceChanged("您看到的证据已不是最新的。本页现在显示的是新证据，请重新查看后再作决定。")


def check_proposal(proposal: Proposal, hit: Hit) -> None:
    """Raises ``RuleBroken`` (or ``EvidenceChanged``) naming the first thing that is missing and how to mend it.

    Source of the rules: 银发〔2021〕237号 （二）（十） for what can be confirmed, and the house rule that news,
    warnings, teaching, research, law and developer documents are answered for explicitly.
    """
    check_seen(hit, proposal.seen)
    known = taxonomy().indicators
    if not proposal.indicators:
        raise RuleBroken("请至少勾选一项所涉业务或服务。")
    if unknown := next((name for name in proposal.indicators if name not in known), None):
        raise RuleBroken("没有名为“{name}”的指标；请从列表中勾选。", name=unknown)
    _check_stance(proposal.stance)
    check_law(proposal.basis, proposal.clause, proposal.conduct_on)
    if not proposal.reason.strip():
        raise RuleBroken("请写明理由：页面上的哪些内容使您这样认定。")


def _check_stance(stance: str) -> None:
    answer = next((answer for answer in taxonomy().stances if answer.id == stance), None)
    if answer is None:
        raise RuleBroken("请回答：页面是否只是报道、警示、教学或研究？")
    if answer.id != "offer":
        raise RuleBroken("您的回答是“{answer}”，这样的页面不能提议移送；请改为排除。", answer=answer)


def check_law(basis: str, clause: str, conduct_on: str) -> None:
    """Raises ``RuleBroken`` unless the basis was in force on the day of the conduct and the clause's text is held."""
    try:
        day = date.fromisoformat(conduct_on)
    except ValueError:
        raise RuleBroken("行为日期要写成 2025-12-31 这样的年月日。") from None
    standing = basis_on(day)
    if standing is None:
        raise RuleBroken("系统不知道 {day} 有哪个文件有效；请在 {file} 中补充。", day=day, file=FILE)
    chosen = next((known for known in legal_bases() if known.id == basis), None)
    if chosen and chosen != standing:
        raise _out_of_force(chosen, standing, day)
    if not standing.clauses:
        raise RuleBroken(
            "{day} 有效的是{number}，但系统没有它的条款正文，不能据以提议：请按官方文本在 {file} 中补全条目“{entry}”，"
            "或按证据更正行为日期。",
            day=day,
            number=standing.number,
            file=FILE,
            entry=standing.id,
        )
    if chosen is None:
        raise RuleBroken("请选择依据的文件和条款。")
    if standing.clause(clause) is None:
        raise RuleBroken(
            "系统没有{number}第{clause}项的正文；请选择列表中的条款。", number=standing.number, clause=clause
        )


def _out_of_force(chosen: LegalBasis, standing: LegalBasis, day: date) -> RuleBroken:
    values = {
        "number": chosen.number,
        "start": chosen.effective_from,
        "end": chosen.effective_until or "…",
        "day": day,
        "standing": standing.number,
    }
    if standing.clauses:
        return RuleBroken(
            "{number}只在 {start} 至 {end}（不含该日）之间有效，不能用于 {day} 的行为；请选择{standing}的条款。",
            **values,
        )
    return RuleBroken(
        "{number}只在 {start} 至 {end}（不含该日）之间有效，不能用于 {day} 的行为；该日有效的是{standing}，"
        "但系统没有它的条款正文：请按官方文本在 {file} 中补全条目“{entry}”，或按证据更正行为日期。",
        **values,
        file=FILE,
        entry=standing.id,
    )

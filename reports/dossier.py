"""What may be referred: an approved case with all its referral says, every check done before a file is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from data.archive import EvidenceError, read_piece
from data.facts import Clause, LegalBasis, legal_bases, taxonomy
from data.records import Capture, Case, Decision, Hit, Piece, Score, Span, Verdict, evidence_digest
from data.store import Store, StoreError
from reports.plain import plain
from reports.routing import Route, propose

QUOTES = 4
QUOTE_LENGTH = 40
_SENTENCE_ENDS = re.compile(r"[。！？!?；;\r\n]")
_CLAUSE_ENDS = re.compile(r"[，,：:。！？!?；;\r\n]")


class ReferralError(Exception):
    """A referral cannot be made as asked; the message says how to mend it."""


class Unfit(ReferralError):
    """Approved cases that cannot be referred as they stand; the message has a line for each."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """One approved case, checked. The proposal holds what was decided; the approval, who confirmed it.

    ``captures`` are ids in the order the evidence is numbered; ``url`` and ``address`` are the first one's;
    ``quotes`` are the page's own words that carry the indicators; ``demo`` says a demonstration account decided.
    """

    case: Case
    proposal: Decision
    approval: Decision
    proposer: str
    approver: str
    demo: bool
    basis: LegalBasis
    clauses: tuple[Clause, ...]
    route: Route
    captures: tuple[str, ...]
    url: str
    address: str
    quotes: tuple[str, ...]


def assemble(store: Store, home: Path, case: Case) -> Dossier:
    """Raises ``Unfit`` with the first fault found, in a sentence."""
    proposal, approval = decided(store, case.id)
    basis, clauses = _cited(proposal)
    captures = proposal.captures or approval.captures
    evidence = tuple(_evidence(store, captures))
    if not evidence or evidence_digest(capture for capture, _ in evidence) != approval.evidence_sha256:
        raise Unfit("决定所列采集记录与其证据摘要不符，请在审核台退回并重新提出。")
    for capture, _ in evidence:
        _read_back(home, capture)
    indicators: dict[str, float] = {}
    for _, score in evidence:
        for name, probability in score.indicators.items():
            indicators[name] = max(probability, indicators.get(name, 0.0))
    first, best = evidence[0]
    users = [store.user(decision.actor) for decision in (proposal, approval)]
    return Dossier(
        case=case,
        proposal=proposal,
        approval=approval,
        proposer=users[0].display if users[0] else proposal.actor,
        approver=users[1].display if users[1] else approval.actor,
        demo=any(user is not None and user.demo for user in users),
        basis=basis,
        clauses=clauses,
        route=propose(Hit(case.target, case.score, best.genre, indicators, evidence)),
        captures=captures,
        url=first.final_url or first.url,
        address=first.address,
        quotes=_quotes(proposal, evidence),
    )


def decided(store: Store, case_id: int) -> tuple[Decision, Decision]:
    """The proposal and the approval that stand: two people, one after the other, on the same evidence."""
    steps = [d for d in store.decisions(case_id) if d.verdict not in (Verdict.CLAIM, Verdict.RELEASE)][-2:]
    if [step.verdict for step in steps] != [Verdict.PROPOSE, Verdict.APPROVE]:
        raise Unfit("缺少相互衔接的“提出”和“复核批准”两步决定，请在审核台重新办理。")
    proposal, approval = steps
    if proposal.actor.casefold() == approval.actor.casefold():
        raise Unfit(f"提出人和批准人同为{plain(proposal.actor, 40)}，须由另一人复核。")
    if not approval.evidence_sha256 or proposal.evidence_sha256 != approval.evidence_sha256:
        raise Unfit("批准所依据的证据与提出时不同，请在审核台退回并按现有证据重新提出。")
    for field in ("indicators", "basis", "clause", "conduct_on", "captures"):
        repeated = getattr(approval, field)
        if repeated and repeated != getattr(proposal, field):
            raise Unfit(f"批准记录与提出记录不一致（{field}），请在审核台退回并重新提出。")
    return proposal, approval


def pieces(capture: Capture) -> list[Piece]:
    """The pieces of evidence of a capture, each archived record once."""
    held = [piece for piece in (capture.payload, capture.dom, capture.screenshot) if piece is not None]
    return list({(piece.file, piece.offset): piece for piece in held}.values())


def passage(text: str, span: Span, length: int, ends: re.Pattern[str] = _SENTENCE_ENDS) -> tuple[str, str, str]:
    """The words around a span within its sentence, as before, span and after, about ``length`` characters in all."""
    room = max(0, length - (span.end - span.start))
    before, after = text[max(0, span.start - room // 2) : span.start], text[span.end : span.end + room // 2]
    return ends.split(before)[-1], text[span.start : span.end], ends.split(after)[0]


def _cited(proposal: Decision) -> tuple[LegalBasis, tuple[Clause, ...]]:
    """The basis in force on the date of the conduct and the clauses cited, whose text is held."""
    try:
        day = date.fromisoformat(proposal.conduct_on)
    except ValueError:
        raise Unfit("行为日期缺失或不是“年-月-日”，请在审核台退回并填写。") from None
    basis = next((basis for basis in legal_bases() if basis.id == proposal.basis), None)
    if basis is None:
        raise Unfit(f"依据“{plain(proposal.basis, 40)}”不在 data/facts/legal_bases.yml 中，请先录入并复核该文件。")
    if not basis.in_force(day):
        until = f"至{basis.effective_until}停止执行" if basis.effective_until else "至今有效"
        raise Unfit(
            f"{basis.number}自{basis.effective_from}起施行，{until}，行为日期{day}不在其间；"
            "请在审核台退回，核对行为日期或改选当日有效的依据。"
        )
    known = taxonomy().indicators
    unknown = [name for name in proposal.indicators if name not in known]
    if unknown or not proposal.indicators:
        named = "、".join(plain(name, 40) for name in unknown) or "（无）"
        raise Unfit(f"所列业务类型{named}不在 data/facts/taxonomy.yml 中，请在审核台退回并重新选择。")
    wanted = {proposal.clause}
    wanted |= {known[name].clauses[basis.id] for name in proposal.indicators if basis.id in known[name].clauses}
    missing = sorted(clause for clause in wanted if basis.clause(clause) is None)
    if missing:
        raise Unfit(
            f"{basis.number}第{'、'.join(plain(c, 20) for c in missing)}项没有条文文本；"
            "请将官方文本补入 data/facts/legal_bases.yml，或在审核台退回后改选条款。"
        )
    return basis, tuple(clause for clause in basis.clauses if clause.id in wanted)


def _evidence(store: Store, captures: tuple[str, ...]) -> Iterator[tuple[Capture, Score]]:
    for capture_id in captures:
        try:
            capture = store.capture(capture_id)
        except StoreError:
            raise Unfit(f"决定所列采集记录{plain(capture_id, 80)}已不在库中，请从备份恢复或退回重新采集。") from None
        score = store.score(capture_id)
        if score is None:
            raise Unfit(f"采集记录{plain(capture_id, 80)}没有评分，请先运行 takedown score。")
        yield capture, score


def _read_back(home: Path, capture: Capture) -> None:
    for piece in pieces(capture):
        try:
            content = read_piece(home, piece)
        except EvidenceError as error:
            raise Unfit(f"采集记录{plain(capture.id, 80)}的归档无法核对（{error}），请从备份恢复该文件。") from error
        if piece is capture.screenshot and not content.startswith(b"\x89PNG\r\n\x1a\n"):
            raise Unfit(f"采集记录{plain(capture.id, 80)}的截图不是 PNG 图像，请重新采集。")


def _quotes(proposal: Decision, evidence: tuple[tuple[Capture, Score], ...]) -> tuple[str, ...]:
    """The weightiest passages for the indicators that were confirmed, each once."""
    spans = [(span, capture.text) for capture, score in evidence for span in score.spans]
    spans = [(span, text) for span, text in spans if span.indicator in proposal.indicators]
    spans.sort(key=lambda pair: -pair[0].weight)
    found: list[str] = []
    for span, text in spans:
        quote = plain("".join(passage(text, span, QUOTE_LENGTH, _CLAUSE_ENDS)), QUOTE_LENGTH)
        if quote and not any(quote in other or other in quote for other in found):
            found.append(quote)
    return tuple(found[:QUOTES])

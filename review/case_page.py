"""What the case page shows, gathered from the store: one capture in full, the target's others beside it."""

from __future__ import annotations

from dataclasses import dataclass

from data.archive import EvidenceError, read_piece
from data.facts import LegalBasis, Profile, basis_on, profiles, taxonomy
from data.records import Capture, Case, Contrast, Decision, Hit, Piece, Score, Span, User
from data.store import Store
from review.flow import holder, last_proposal, may_undo
from review.marks import Marked, mark
from review.rules import conduct_date
from review.words import Words

SUGGESTED = 0.5
WORDS_SHOWN = 5
TEXT_SHOWN = 600


@dataclass(frozen=True, slots=True)
class Reason:
    """One indicator of the shown capture: its id, the clause as of the conduct, its probability, and the exact words
    with the ids of their marks in the text."""

    indicator: str
    clause: str
    probability: float
    words: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ShownTo:
    """What one visitor was shown, as far as there is room for it."""

    visitor: Profile
    status: int
    final_url: str
    capture_id: str
    screenshot: bool
    text: str


@dataclass(frozen=True, slots=True)
class Visitors:
    """What different visitors were shown of a page of the target, and what decides it."""

    told: Contrast
    sides: tuple[ShownTo, ...]


@dataclass(frozen=True, slots=True)
class CasePage:
    """Everything the page shows of a case to one person."""

    case: Case
    hit: Hit
    capture: Capture
    score: Score
    digest: str
    reasons: tuple[Reason, ...]
    against: tuple[tuple[str, str], ...]
    text: Marked
    pieces: tuple[tuple[str, Piece, str], ...]
    contrasts: tuple[Visitors, ...]
    filing: str
    conduct_on: str
    basis: LegalBasis | None
    decisions: tuple[Decision, ...]
    people: dict[str, User]
    held_by: str
    proposal: Decision | None
    undoable: bool

    @property
    def suggested(self) -> tuple[str, ...]:
        """The indicators the model would tick."""
        return tuple(name for name, p in self.hit.indicators.items() if p >= SUGGESTED)

    @property
    def sound(self) -> bool:
        """Whether every piece of evidence shown was read back from its archive unchanged."""
        return not any(fault for _, _, fault in self.pieces)


def case_page(store: Store, case_id: int, user: User, words: Words, capture_id: str = "") -> CasePage:
    """Gather the page, on the capture asked for or else the best one.

    Raises ``StoreError`` when there is no such case, or the capture is not among the case's evidence.
    """
    case = store.case(case_id)
    hit = store.hit(case.target.key)
    chosen = [pair for pair in hit.evidence if pair[0].id == capture_id]
    capture, score = chosen[0] if chosen else hit.evidence[0]
    day = conduct_date(hit)
    basis = basis_on(day)
    decisions = tuple(store.decisions(case_id))
    text = mark(capture.text, score.spans, lambda span: _title(span, words), score.counter)
    anchors = list(zip((*score.spans, *score.counter), text.anchors, strict=True))
    return CasePage(
        case=case,
        hit=hit,
        capture=capture,
        score=score,
        digest=hit.digest,
        reasons=_reasons(score, basis, anchors[: len(score.spans)]),
        against=tuple((span.text, anchor) for span, anchor in anchors[len(score.spans) :]),
        text=text,
        pieces=_pieces(store, capture),
        contrasts=tuple(
            _visitors(store, contrast) for contrast in store.contrasts(each.url for each, _ in hit.evidence)
        ),
        filing=case.target.facts.get("filing") or next((i.value for i in capture.identifiers if i.kind == "icp"), ""),
        conduct_on=day.isoformat(),
        basis=basis,
        decisions=decisions,
        people={each.name: each for each in store.users()},
        held_by=holder(case),
        proposal=last_proposal(list(decisions)),
        undoable=may_undo(list(decisions), user),
    )


def _title(span: Span, words: Words) -> str:
    return f"{words.indicator(span.indicator)} {span.clause}".strip()


def _reasons(score: Score, basis: LegalBasis | None, spans: list[tuple[Span, str]]) -> tuple[Reason, ...]:
    """The indicators that are likely or have words to show for them, the likeliest first."""
    known = taxonomy().indicators
    reasons = []
    for name, probability in sorted(score.indicators.items(), key=lambda item: -item[1]):
        own = {span.text: anchor for span, anchor in reversed(spans) if span.indicator == name}
        if probability >= SUGGESTED or own:
            clause = known[name].clauses.get(basis.id, "") if basis and name in known else ""
            reasons.append(Reason(name, clause, probability, tuple(reversed(own.items()))[:WORDS_SHOWN]))
    return tuple(reasons)


def _visitors(store: Store, contrast: Contrast) -> Visitors:
    known = {visitor.id: visitor for visitor in profiles()}
    sides = []
    for side in contrast.sides:
        if side.visitor in known:
            capture = store.capture(side.capture_id) if side.capture_id else None
            seen = capture is not None and capture.screenshot is not None
            text = capture.text[:TEXT_SHOWN] if capture else ""
            sides.append(ShownTo(known[side.visitor], side.status, side.final_url, side.capture_id, seen, text))
    return Visitors(contrast, tuple(sides))


def _pieces(store: Store, capture: Capture) -> tuple[tuple[str, Piece, str], ...]:
    """Each piece of the capture by name, with what is wrong with it in the archive, or an empty string."""
    pieces = {"payload": capture.payload, "dom": capture.dom, "screenshot": capture.screenshot}
    found = []
    for name, piece in pieces.items():
        if piece is None:
            continue
        try:
            read_piece(store.home, piece)
            fault = ""
        except EvidenceError as error:
            fault = str(error)
        found.append((name, piece, fault))
    return tuple(found)

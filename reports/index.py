"""The package's front page: a static page that shows the evidence offline and runs nothing of what was captured."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data.facts import taxonomy
from data.records import Span
from reports.dossier import Dossier, passage
from reports.evidence import PASSAGE, Exhibit
from reports.letter import KINDS, NOTICE, business
from reports.plain import local, plain

SPANS_SHOWN = 12
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


class Index:
    """Written target by target, so that a large package needs no more memory than a small one."""

    def __init__(self, path: Path, authority: str, issuer: str, on: datetime, demo: bool) -> None:
        style = _templates.get_template("index.css").render()
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._stream.write(
            _templates.get_template("head.html").render(
                style=style,
                style_sha256=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
                authority=authority,
                issuer=issuer,
                on=local(on),
                notice=NOTICE if demo else "",
            )
        )

    def add(self, number: int, dossier: Dossier, exhibits: list[Exhibit]) -> None:
        target, (activities, roles, mainland) = dossier.case.target, business(dossier)
        self._stream.write(
            _templates.get_template("target.html").render(
                number=number,
                kind=KINDS[target.kind],
                identity=plain(target.identity, 300),
                title=plain(target.title, 200),
                business="、".join([*activities, *roles, *(["面向境内居民"] if mainland else [])]),
                clauses=dossier.basis.number + "、".join(clause.id for clause in dossier.clauses),
                conduct_on=dossier.proposal.conduct_on,
                route=dossier.route,
                proposed=f"{dossier.proposer} {local(dossier.proposal.decided_at)}",
                approved=f"{dossier.approver} {local(dossier.approval.decided_at)}",
                reason=plain(dossier.proposal.reason, 500),
                evidence_sha256=dossier.approval.evidence_sha256,
                exhibits=[_shown(exhibit) for exhibit in exhibits],
            )
        )

    def close(self) -> None:
        self._stream.write("</main></body></html>\n")
        self._stream.close()


def _shown(exhibit: Exhibit) -> dict[str, Any]:
    capture = exhibit.capture
    return {
        "number": exhibit.number,
        "folder": exhibit.folder,
        "files": exhibit.files,
        "title": plain(capture.title, 200),
        "url": plain(capture.url, 500),
        "final_url": plain(capture.final_url, 500),
        "status": capture.status,
        "address": plain(capture.address, 60),
        "fetched_at": local(capture.fetched_at),
        "sha256": capture.payload.sha256,
        "sm3": capture.payload.sm3,
        "score": f"{exhibit.score.score:.3f}",
        "spans": list(_passages(capture.text, exhibit.score.spans)),
    }


def _passages(text: str, spans: tuple[Span, ...]) -> Iterator[dict[str, str]]:
    known = taxonomy().indicators
    for span in sorted(spans, key=lambda span: -span.weight)[:SPANS_SHOWN]:
        before, words, after = (plain(part, PASSAGE) for part in passage(text, span, PASSAGE))
        name = known[span.indicator].zh if span.indicator in known else span.indicator
        yield {"name": name, "clause": span.clause, "before": before, "words": words, "after": after}

"""The evidence of one target: what was fetched, copied so that it stands on its own, with the facts beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from warcio.archiveiterator import ArchiveIterator

from data.archive import EvidenceError, read_piece, read_record
from data.facts import taxonomy
from data.records import Capture, Contrast, Digests, Piece, Score, Span
from data.store import Store
from reports.dossier import Dossier, pieces
from reports.plain import file_name, local

PASSAGE = 120


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One capture as it lies in the package: its number (``3-1``), its folder, and the names of the files in it."""

    number: str
    folder: str
    capture: Capture
    score: Score
    files: tuple[str, ...]


def write_evidence(store: Store, home: Path, package: Path, number: int, dossier: Dossier) -> Iterator[Exhibit]:
    """Write the captures of the ``number``-th target under ``package``, one at a time.

    Raises ``EvidenceError`` when a record is not what was captured or would not stand alone.
    """
    place = f"evidence/{file_name(number, dossier.case.target.identity)}"
    for index, capture_id in enumerate(dossier.captures, 1):
        capture, score = store.capture(capture_id), store.score(capture_id)
        assert score is not None
        relative = f"{place}/{index:02d}"
        folder = package / relative
        folder.mkdir(parents=True)
        copy_records(home, capture, folder / "capture.warc.gz")
        if capture.screenshot:
            (folder / "screenshot.png").write_bytes(read_piece(home, capture.screenshot))
        if capture.dom:
            # The bytes are the page's own; the name keeps a double click from running it.
            (folder / "dom.html.txt").write_bytes(read_piece(home, capture.dom))
        (folder / "text.txt").write_text(capture.text, "utf-8", errors="replace", newline="")
        _write_json(folder / "spans.json", _judgement(score))
        _write_json(folder / "facts.json", _facts(store, capture))
        files = tuple(sorted(file.name for file in folder.iterdir()))
        yield Exhibit(f"{number}-{index}", relative, capture, score, files)


def copy_records(home: Path, capture: Capture, path: Path) -> None:
    """Copy the capture's archive records, byte for byte, and read the copy back.

    Raises ``EvidenceError`` when the copy does not hold exactly the captured bytes, or needs a record elsewhere.
    """
    wanted = pieces(capture)
    path.write_bytes(b"".join(read_record(home, piece) for piece in wanted))
    found: list[str] = []
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "revisit":
                raise EvidenceError(f"{capture.id} is a revisit of a record elsewhere, so it cannot stand alone.")
            found.append(Digests.of(record.raw_stream.read()).sha256)
    if found != [piece.sha256 for piece in wanted]:
        raise EvidenceError(f"The archive records of {capture.id} cannot be copied as they were captured.")


def _judgement(score: Score) -> dict[str, Any]:
    """What the model said and where: offsets count characters of ``text.txt`` (UTF-8, line ends as captured)."""
    return {
        "model": score.model,
        "scored_at": _both(score.scored_at),
        "score": score.score,
        "genre": score.genre,
        "indicators": dict(score.indicators),
        "spans": [_span(span) for span in score.spans],
        "counter": [_span(span) for span in score.counter],
        "note": score.note,
    }


def _span(span: Span) -> dict[str, Any]:
    known = taxonomy().indicators.get(span.indicator)
    return {**asdict(span), "name": known.zh if known else span.indicator}


def _facts(store: Store, capture: Capture) -> dict[str, Any]:
    run = store.run(capture.run_id)
    held = {"payload": capture.payload, "dom": capture.dom, "screenshot": capture.screenshot}
    return {
        "id": capture.id,
        "url": capture.url,
        "final_url": capture.final_url,
        "hops": [asdict(hop) for hop in capture.hops],
        "status": capture.status,
        "headers": [list(header) for header in capture.headers],
        "fetched_at": _both(capture.fetched_at),
        "seconds": capture.seconds,
        "address": capture.address,
        "dns": list(capture.dns),
        "tls": dict(capture.tls),
        "network": asdict(capture.network),
        "fetcher": capture.fetcher,
        "profile": capture.profile,
        "render": capture.render,
        "referrer": capture.referrer,
        "visitors": [_contrast(contrast) for contrast in store.contrasts([capture.url])],
        "depth": capture.depth,
        "title": capture.title,
        "language": capture.language,
        "identifiers": [asdict(identifier) for identifier in capture.identifiers],
        "digests": {name: _digests(piece) for name, piece in held.items() if piece},
        "run": {"id": run.id, "started_at": _both(run.started_at), "environment": dict(run.environment)},
    }


def _contrast(contrast: Contrast) -> dict[str, Any]:
    """What different visitors were shown: the machine's observation, not part of what was decided on."""
    shown = [{"visitor": side.visitor, "status": side.status, "final_url": side.final_url} for side in contrast.sides]
    return {
        "run": contrast.run_id,
        "made_at": _both(contrast.made_at),
        "variable": contrast.variable,
        "sentences": list(contrast.sentences),
        "sides": shown,
    }


def _digests(piece: Piece) -> dict[str, Any]:
    return {"size": piece.size, "sha256": piece.sha256, "sm3": piece.sm3, "media_type": piece.media_type}


def _both(time: datetime) -> dict[str, str]:
    """A time in UTC and as it is shown."""
    return {"utc": time.isoformat(), "shanghai": local(time)}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2, default=str)
    path.write_text(text + "\n", "utf-8", errors="replace", newline="")

"""Reading evidence back: the payload of one WARC record, checked against the digest it was stored under."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from data.records import Digests, Piece


class EvidenceError(Exception):
    """A piece of evidence is missing or no longer what it was; the message names the file and the place in it."""


def read_piece(home: Path, piece: Piece) -> bytes:
    """The bytes of ``piece`` as they were captured (content-encoding undone for none of them).

    Raises ``EvidenceError`` when the record is gone or its SHA-256 differs from the one in the store.
    """
    path = home / piece.file
    try:
        with path.open("rb") as stream:
            stream.seek(piece.offset)
            record = next(iter(ArchiveIterator(stream)))
            content: bytes = record.raw_stream.read()
    except (OSError, StopIteration, ArchiveLoadFailed) as error:
        raise EvidenceError(f"{path} 的 {piece.offset} 处没有记录（{error}）。") from error
    if Digests.of(content).sha256 != piece.sha256:
        raise EvidenceError(f"{path} 的 {piece.offset} 处的记录与采集时不符。")
    return content


def where_from(home: Path, piece: Piece) -> tuple[str, datetime]:
    """The URL and the time that the record of ``piece`` names. Raises ``EvidenceError`` when there is no such record."""
    path = home / piece.file
    try:
        with path.open("rb") as stream:
            stream.seek(piece.offset)
            named = next(iter(ArchiveIterator(stream))).rec_headers.get_header
            return named("WARC-Target-URI"), datetime.fromisoformat(named("WARC-Date"))
    except (OSError, StopIteration, ArchiveLoadFailed) as error:
        raise EvidenceError(f"{path} 的 {piece.offset} 处没有记录（{error}）。") from error


def read_record(home: Path, piece: Piece) -> bytes:
    """The whole compressed record as it lies in the archive, ready to be copied into another WARC file."""
    with (home / piece.file).open("rb") as stream:
        stream.seek(piece.offset)
        return stream.read(piece.length)

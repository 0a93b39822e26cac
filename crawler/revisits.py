"""Identical payloads of a run, kept once: the next one is a WARC ``revisit`` record that names the first.

WARC 1.1 (ISO 28500) 6.7.2, profile ``identical-payload-digest``. Beside the standard's fields a record carries
``WARC-Refers-To-Filename`` and ``WARC-Refers-To-File-Offset``, which older archives' readers know too: with them a
payload is read back without an index.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from data.records import Piece

# Below this a revisit record is no shorter than the payload it saves.
SMALLEST = 1024
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Original:
    """The response record that holds a payload: its URL, ``WARC-Date``, ``WARC-Record-ID``, ``WARC-Payload-Digest``
    and the piece it was stored as."""

    url: str
    date: str
    record_id: str
    payload_digest: str
    piece: Piece


class Payloads:
    """The newest ``REMEMBERED`` payloads that one run has written, by SHA-256; a resumed run starts anew."""

    def __init__(self) -> None:
        self._originals: OrderedDict[str, Original] = OrderedDict()

    def find(self, payload: bytes) -> Original | None:
        """The record that already holds these bytes, if one is remembered."""
        if len(payload) < SMALLEST:
            return None
        key = hashlib.sha256(payload).hexdigest()
        original = self._originals.get(key)
        if original is not None:
            self._originals.move_to_end(key)
        return original

    def add(self, original: Original) -> None:
        """Remember a response record that was written in full; those too small to save anything are not."""
        if original.piece.size < SMALLEST:
            return
        self._originals[original.piece.sha256] = original
        if len(self._originals) > REMEMBERED:
            self._originals.popitem(last=False)


def revisit(
    writer: WARCWriter, url: str, original: Original, headers: Mapping[str, str], http: StatusAndHeaders
) -> ArcWarcRecord:
    """The record, ready to be written, of an answer from ``url`` whose payload is ``original``'s.

    ``headers`` are the WARC headers a response record would have; ``http`` is this answer's own status and headers,
    which a revisit keeps in full.
    """
    place = {
        "WARC-Refers-To": original.record_id,
        "WARC-Refers-To-Filename": PurePosixPath(original.piece.file).name,
        "WARC-Refers-To-File-Offset": str(original.piece.offset),
    }
    own = {"WARC-Record-ID": f"<urn:uuid:{uuid.uuid4()}>", **headers, **place}
    return writer.create_revisit_record(url, original.payload_digest, original.url, original.date, http, own)

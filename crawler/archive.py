"""Writing evidence: WARC 1.1 files (ISO 28500) under ``archives/<run>/``, durable before anything refers to them."""

from __future__ import annotations

import json
import os
import string
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from crawler.cdxj import Index
from crawler.revisits import Original, Payloads, revisit
from crawler.spool import opened, sweep
from data.records import Digests, Network, Piece

ROTATE_BYTES = 1 << 30
FIELDS = "application/warc-fields"
LEVEL = 4
# The bytes kept are the entity as sent; what only described its passage on the wire is kept under another name.
_HOP_HEADERS = {"transfer-encoding", "trailer"}


class _AsSent(StatusAndHeaders):  # type: ignore[misc]  # warcio has no types
    """HTTP headers as they came, byte by byte: warcio would percent-encode what is not ASCII."""

    def to_ascii_bytes(self, filter_func: Callable[[str], str] | None = None) -> bytes:
        text: str = self.to_str(filter_func)
        return text.encode("latin-1") + b"\r\n"


class _Member:
    """A gzip member that one record becomes. Pages hardly shrink beyond ``LEVEL``, at half of warcio's work; and what is
    written goes to the disk when ``sync`` says so, not record by record."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._packer = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)

    def write(self, content: bytes) -> None:
        self._out.write(self._packer.compress(content))

    def flush(self) -> None:
        self._out.write(self._packer.flush())


class _Writer(WARCWriter):  # type: ignore[misc]  # warcio has no types
    """warcio's writer, each record a gzip member of ours."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__(out, gzip=False, warc_version="WARC/1.1")

    def _write_warc_record(self, out: BinaryIO, record: ArcWarcRecord) -> None:
        super()._write_warc_record(_Member(out), record)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as they were on the wire (after de-chunking, before content decoding)."""

    url: str
    method: str
    sent: Sequence[tuple[str, str]]
    status: int
    reason: str
    version: str
    received: Sequence[tuple[str, str]]
    body: bytes | Path  # a file when it is large; whoever has it written removes it
    address: str
    at: datetime
    truncated: str = ""  # why the body ends early: length, time or disconnect
    network: Network | None = None
    dns: tuple[str, ...] = ()
    tls: Mapping[str, str] = field(default_factory=dict)
    via: str = ""  # the URL that led here: a redirect's, or the page the link stood on
    via_record: str = ""  # ``id`` of the exchange that redirected here
    id: str = field(default_factory=lambda: f"<urn:uuid:{uuid.uuid4()}>")  # of the response record


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something a page asked for that is not kept, and why (a Chinese phrase)."""

    url: str
    why: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The exchanges of one view, by time, and what was left out; ``unnamed`` counts those left out without a name."""

    exchanges: tuple[Exchange, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    unnamed: int = 0


class Archive:
    """The WARC files of one run. ``write_*`` append records; ``sync`` makes them durable; only then commit a Capture."""

    def __init__(self, home: Path, run_id: str, facts: Mapping[str, str]) -> None:
        self.home = home
        self.folder = home / "archives" / run_id
        self.run_id = run_id
        self.facts = dict(facts)
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.folder.glob("*.warc.gz")):
            mend(path)
        sweep(self.folder)
        self._stream: BinaryIO | None = None
        self._payloads = Payloads()
        self._index = Index()

    def _file(self) -> tuple[BinaryIO, WARCWriter]:
        if self._stream is not None and self._stream.tell() >= ROTATE_BYTES:
            self.close()
        if self._stream is None:
            number = len(list(self.folder.glob("*.warc.gz"))) + 1
            self._path = self.folder / f"{self.run_id}-{number:05d}.warc.gz"
            self._stream = self._path.open("xb")
            self._writer = _Writer(self._stream)
            self._writer.write_record(self._writer.create_warcinfo_record(self._path.name, self.facts))
        return self._stream, self._writer

    def _append(self, record: ArcWarcRecord, content: bytes | Path, media_type: str) -> Piece:
        stream, writer = self._file()
        start = stream.tell()
        writer.write_record(record)
        self._index.add(record, self._path, start, stream.tell() - start)
        with opened(content) as payload:
            digests = Digests.read(payload)
            size = payload.tell()
        relative = self._path.relative_to(self.home).as_posix()
        return Piece(relative, start, stream.tell() - start, size, digests.sha256, digests.sm3, media_type)

    def _write(self, record_type: str, url: str, content: bytes, media_type: str, headers: Mapping[str, str]) -> Piece:
        record = self._file()[1].create_warc_record(
            url,
            record_type,
            payload=BytesIO(content),
            length=len(content),
            warc_headers_dict=dict(headers),
            warc_content_type=media_type,
        )
        return self._append(record, content, media_type)

    def write_exchange(self, exchange: Exchange, *, once: bool = False) -> Piece:
        """Write what was sent and what came back; the piece is the response's entity, before any content decoding.

        With ``once``, a payload that this run has written so already becomes a revisit of the record that holds it.
        """
        response_id = exchange.id
        # HTTP/2 and 3 have no status line; readers know the form of HTTP/1.1, and WARC-Protocol says what it was.
        spoken = exchange.version if exchange.version.startswith("1.") else ""
        line = f"HTTP/{spoken or '1.1'}"
        common = {"WARC-Date": _date(exchange.at)} | ({"WARC-IP-Address": exchange.address} if exchange.address else {})
        headers = common | {
            "WARC-Record-ID": response_id,
            "WARC-Protocol": f"http/{spoken}" if spoken else f"h{exchange.version}",
        }
        if exchange.truncated:
            headers["WARC-Truncated"] = exchange.truncated
        kept = [
            (f"X-Archive-Orig-{name}" if name.lower() in _HOP_HEADERS else name, value)
            for name, value in exchange.received
        ]
        http = _AsSent(f"{exchange.status} {exchange.reason}".strip(), kept, protocol=line)
        declared = next((value for name, value in exchange.received if name.lower() == "content-type"), "")
        media = declared.partition(";")[0].strip() or "application/octet-stream"
        writer = self._file()[1]
        original = self._payloads.find(exchange.body) if once and isinstance(exchange.body, bytes) else None
        with opened(exchange.body) as payload:
            if original is not None:
                record = revisit(writer, exchange.url, original, headers, http)
            else:
                length = payload.seek(0, os.SEEK_END)
                payload.seek(0)
                record = writer.create_warc_record(
                    exchange.url,
                    "response",
                    payload=payload,
                    length=length,
                    warc_headers_dict=headers,
                    http_headers=http,
                )
            piece = self._append(record, exchange.body, media)
        if once and original is None:
            named = record.rec_headers.get_header
            self._payloads.add(
                Original(exchange.url, named("WARC-Date"), response_id, named("WARC-Payload-Digest"), piece)
            )
        parts = urlsplit(exchange.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = writer.create_warc_record(
            exchange.url,
            "request",
            payload=BytesIO(b""),
            length=0,
            warc_headers_dict=common | {"WARC-Concurrent-To": response_id},
            http_headers=_AsSent(f"{exchange.method} {target} {line}", exchange.sent, is_http_request=True),
        )
        self._append(request, b"", "")
        if exchange.network is not None:
            about = common | {"WARC-Concurrent-To": response_id}
            self._write("metadata", exchange.url, _metadata(exchange, exchange.network), FIELDS, about)
        return piece

    def write_loaded(self, page: str, loaded: Loaded, at: datetime) -> None:
        """Write what a browser loaded for a page, and, as a ``metadata`` record, what of that is not kept and why."""
        for exchange in loaded.exchanges:
            self.write_exchange(exchange, once=True)
        if loaded.left_out:
            lines = [f"leftOut: {left.url} {left.why}" for left in loaded.left_out]
            if loaded.unnamed:
                lines.append(f"leftOutUnnamed: {loaded.unnamed}")
            content = "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")
            self._write("metadata", page, content, FIELDS, {"WARC-Date": _date(at)})

    def write_view(self, kind: str, url: str, content: bytes, media_type: str, at: datetime) -> Piece:
        """Write what the browser made of a page: ``kind`` is ``dom`` or ``screenshot``; never a ``response`` record."""
        record_type = "conversion" if kind == "dom" else "resource"
        return self._write(record_type, f"urn:takedown:{kind}:{url}", content, media_type, {"WARC-Date": _date(at)})

    def sync(self) -> None:
        """Make everything written so far survive a power cut. Raises ``OSError`` when the disk will not take it."""
        if self._stream is not None:
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def index(self) -> None:
        """Write ``index.cdxj`` beside the files, when they are closed. Raises ``PackagingError``."""
        if warcs := sorted(self.folder.glob("*.warc.gz")):
            self._index.save(warcs, self.folder / "index.cdxj")

    def close(self) -> None:
        if self._stream is not None:
            self.sync()
            self._stream.close()
            self._stream = None


def _metadata(exchange: Exchange, network: Network) -> bytes:
    """What led to an exchange and how the server was reached: ``via`` and ``fetchTimeMs`` as ISO 28500 names them, the
    record that redirected here, and the network facts as one line of JSON."""
    facts = {"dns": exchange.dns, "address": exchange.address, "tls": exchange.tls} | asdict(network)
    fields = {
        "via": quote(exchange.via, string.punctuation),
        "viaRecord": exchange.via_record,
        "fetchTimeMs": f"{network.timings.whole or 0:.0f}",
        "network": json.dumps(facts, default=str),
    }
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value).encode("ascii")


def _date(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def mend(path: Path) -> int:
    """Cut off what a crash left half-written at the end of a WARC file; returns the bytes removed.

    Every record is its own gzip member, so all before the damage stays readable. A file without one whole record goes.
    """
    size = path.stat().st_size
    good, rest = 0, b""
    with path.open("rb") as stream:
        while True:
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            try:
                while not member.eof and (chunk := rest or stream.read(1 << 16)):
                    rest = b""
                    member.decompress(chunk)
            except zlib.error:
                break
            if not member.eof:
                break
            rest = member.unused_data
            good = stream.tell() - len(rest)
    if good == 0:
        path.unlink()
    elif good < size:
        os.truncate(path, good)
    return size - good

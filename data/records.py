"""What the rooms hand each other: frozen records. Times are aware UTC; they are shown in Asia/Shanghai.

A stage reads what the one before left in the store and writes one kind of record:
crawler → Capture, classifier → Score, review → Decision, reports → Referral.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, BinaryIO


class Kind(StrEnum):
    """The three things item (十) names, and so the three units that can be closed."""

    SITE = "site"
    APP = "app"
    MINIPROGRAM = "miniprogram"


class State(StrEnum):
    """The life of a case. Only the flow in ``review`` moves a case from one to another."""

    OPEN = "open"
    CLAIMED = "claimed"
    PROPOSED = "proposed"
    APPROVED = "approved"
    REFERRED = "referred"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    RETURNED = "returned"
    RELAPSED = "relapsed"
    DISMISSED = "dismissed"
    WITHDRAWN = "withdrawn"


class Verdict(StrEnum):
    """What a person did to a case. Appended, never edited."""

    CLAIM = "claim"
    RELEASE = "release"
    PROPOSE = "propose"
    APPROVE = "approve"
    REJECT = "reject"
    DISMISS = "dismiss"
    REOPEN = "reopen"
    REFER = "refer"


@dataclass(frozen=True, slots=True)
class Digests:
    """Both digests the evidence carries: SHA-256 and SM3 (GB/T 32905-2016), lower-case hex."""

    sha256: str
    sm3: str

    @classmethod
    def of(cls, content: bytes) -> Digests:
        return cls(hashlib.sha256(content).hexdigest(), hashlib.new("sm3", content).hexdigest())

    @classmethod
    def read(cls, stream: BinaryIO) -> Digests:
        """The digests of what a stream holds from where it is, in one pass."""
        both = hashlib.sha256(), hashlib.new("sm3")
        while chunk := stream.read(1 << 16):
            for digest in both:
                digest.update(chunk)
        return cls(*(digest.hexdigest() for digest in both))


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence: the payload of the WARC record at ``offset`` of ``file`` (relative to the home).

    ``length`` is the length in bytes of the compressed record, ``size`` that of its payload, which the digests cover.
    """

    file: str
    offset: int
    length: int
    size: int
    sha256: str
    sm3: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something that names an operator, at its place in the capture's text, or in its markup when ``start`` is -1."""

    kind: str
    value: str
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class Target:
    """The thing that could be closed, in the narrowest unit that fits.

    ``identity`` is the host (``site``; with the account's path on a shared platform), ``platform:package`` (``app``)
    or ``platform:appid`` (``miniprogram``). ``facts`` holds what its listing said (name, subject, filing number …).
    """

    kind: Kind
    identity: str
    title: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    first_seen: datetime | None = None
    last_seen: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.identity}"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a crawl: what was asked, the machine it ran on (the cleanliness record), what came of it."""

    id: str
    started_at: datetime
    options: Mapping[str, Any]
    environment: Mapping[str, Any]
    finished_at: datetime | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hop:
    """One redirect on the way to the page: what was asked, the status, and where it pointed; the server, and when."""

    url: str
    status: int
    location: str
    address: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as a server presented it: distinguished names as RFC 4514 writes them, ``serial`` in hex, ``names`` the
    hosts it is for. Of one that cannot be read there is only its digest."""

    sha256: str
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    """How long a fetch took, in milliseconds: the steps to a connection (``None`` where one from before was used, or there
    was no encryption), then from the beginning of the request to the head of the answer and to its end."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    whole: float | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """How a server was reached. ``resolver`` is the address of the DNS resolver that answered, or ``hosts``, ``literal``,
    ``system`` (the system was asked, which tells no TTL) or ``connect-to``; ``chain`` the certificates as presented, the
    server's own first; ``distrust`` what a browser would have held against them at that time, or empty."""

    resolver: str = ""
    port: int = 0
    chain: tuple[Certificate, ...] = ()
    distrust: str = ""
    timings: Timings = Timings()


@dataclass(frozen=True, slots=True)
class Capture:
    """One fetch: what was asked, what the server answered, and where the bytes are kept.

    ``headers`` keeps order and repetition. ``text`` is what is scored: the rendered page's where it was rendered,
    else the static one's. ``render`` says why the page was or was not rendered. ``targets`` are the keys of the
    targets this capture is evidence about. ``dns`` are the DNS records as answered, one a line as in a zone file (name, TTL
    in seconds, class, type, value), or addresses where they are from elsewhere; ``tls`` the protocol's version and cipher.
    """

    id: str
    run_id: str
    url: str
    final_url: str
    hops: tuple[Hop, ...]
    status: int
    headers: tuple[tuple[str, str], ...]
    fetched_at: datetime
    seconds: float
    address: str
    dns: tuple[str, ...]
    tls: Mapping[str, str]
    fetcher: str
    profile: str
    depth: int
    referrer: str
    payload: Piece
    dom: Piece | None
    screenshot: Piece | None
    render: str
    title: str
    language: str
    text: str
    identifiers: tuple[Identifier, ...]
    targets: tuple[str, ...]
    network: Network = Network()


@dataclass(frozen=True, slots=True)
class Side:
    """What one visitor (an id of ``data/facts/profiles.yml``) was shown: where it ended, with which status (0: no answer
    came), and the capture that keeps it."""

    visitor: str
    final_url: str
    status: int
    capture_id: str


@dataclass(frozen=True, slots=True)
class Contrast:
    """One page asked for as different visitors in one run. ``variable`` says what about the visitor decides the answer: ids
    of variables joined by ``+``, ``unstable`` where the answers change by themselves, empty where all are alike.
    ``sentences`` tell each difference in words; they hold hosts and figures, nothing of the page."""

    run_id: str
    url: str
    made_at: datetime
    variable: str
    sentences: tuple[str, ...]
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The exact words that carry an indicator: ``text == capture.text[start:end]``, with the clause they touch."""

    indicator: str
    clause: str
    text: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Score:
    """One capture judged by one model version. ``score`` is the calibrated probability that the page is an offer.

    ``indicators`` holds a probability per activity, role and audience; ``counter`` the words that speak against
    (reporting, warning, teaching). ``note`` says in words why the model would rather not judge, or is empty.
    """

    capture_id: str
    model: str
    score: float
    genre: str
    indicators: Mapping[str, float]
    spans: tuple[Span, ...]
    counter: tuple[Span, ...]
    note: str
    scored_at: datetime


@dataclass(frozen=True, slots=True)
class Hit:
    """A target with its best-scored captures (newest per URL, best first): what a reviewer is shown."""

    target: Target
    score: float
    genre: str
    indicators: Mapping[str, float]
    evidence: tuple[tuple[Capture, Score], ...]

    @property
    def digest(self) -> str:
        """The digest of the evidence: SHA-256 over the payload, DOM and screenshot digests of its captures."""
        return evidence_digest(capture for capture, _ in self.evidence)


@dataclass(frozen=True, slots=True)
class Bands:
    """Targets scoring at least ``review`` are put before people; of those from ``sample`` on the share ``drawn`` is too, so
    that what the model overlooks is noticed; the others before nobody."""

    review: float
    sample: float
    drawn: float


@dataclass(frozen=True, slots=True)
class Case:
    """A target in review. ``evidence_sha256`` is the digest of the evidence its last proposal was made on."""

    id: int
    target: Target
    state: State
    score: float
    claimed_by: str
    claimed_until: datetime | None
    opened_at: datetime
    changed_at: datetime
    evidence_sha256: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person decided, on which evidence, under which clause, and what the machine had suggested.

    ``stance`` answers "is this only reporting, warning, teaching or research?"; ``conduct_on`` (YYYY-MM-DD) is the
    date of the conduct, which decides the legal basis in force; ``captures`` are the ids of the captures that were
    before the person, so that a package holds what was decided on and not what was fetched since. ``ground`` is the
    taxonomy's reason for a dismissal.
    """

    case_id: int
    actor: str
    verdict: Verdict
    evidence_sha256: str
    decided_at: datetime
    indicators: tuple[str, ...] = ()
    basis: str = ""
    clause: str = ""
    reason: str = ""
    stance: str = ""
    conduct_on: str = ""
    captures: tuple[str, ...] = ()
    suggested: Mapping[str, float] = field(default_factory=dict)
    ground: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """An account of the desk. ``role`` is one of the roles in ``review.rights``; ``demo`` marks a demonstration one."""

    name: str
    display: str
    role: str
    password_hash: str
    active: bool = True
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Referral:
    """One package to one authority, numbered ``机关代字〔year〕sequence号`` without gaps or repeats per issuer and year."""

    issuer: str
    year: int
    sequence: int
    authority: str
    basis: str
    issued_at: datetime
    case_ids: tuple[int, ...]
    package: str
    manifest_sha256: str

    @property
    def number(self) -> str:
        """The document number (发文字号) as GB/T 9704-2012 writes it: U+3014/3015, no 第, no zero padding."""
        return f"{self.issuer}〔{self.year}〕{self.sequence}号"


def evidence_digest(captures: Iterable[Capture]) -> str:
    """SHA-256 over the sorted digests of every payload, DOM and screenshot: changes when any evidence does."""
    digests = sorted(
        piece.sha256
        for capture in captures
        for piece in (capture.payload, capture.dom, capture.screenshot)
        if piece is not None
    )
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()

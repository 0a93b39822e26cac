"""A home folder for the tests of ``reports``: real WARC records, real PNGs, a real store, decisions by two people."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from PIL import Image, ImageDraw
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from data.records import (
    Capture,
    Decision,
    Digests,
    Hop,
    Identifier,
    Kind,
    Piece,
    Run,
    Score,
    Span,
    State,
    Target,
    User,
    Verdict,
    evidence_digest,
)
from data.store import Store
from reports import Issuer, refer

FETCHED = datetime(2025, 11, 3, 2, 30, tzinfo=UTC)
ISSUED = datetime(2025, 11, 10, 1, 0, tzinfo=UTC)
ISSUER = Issuer("演示市金融管理局", "演金函", "张三", "010-00000000")
PROPOSER, APPROVER = "li", "wang"

TEXT = (
    "火星交易所 全球数字资产平台\n注册即可交易比特币、以太坊等三百种币，C2C 买币零手续费，支付宝、银行卡秒到账。\n"
    "永续合约最高125倍杠杆，新人注册领100USDT体验金。填写邀请码永久减免手续费20%，国内链接免翻墙。\n"
    "粤ICP备2021000001号-1"
)
WORDS = {
    "crypto_exchange": ("（二）", "注册即可交易比特币、以太坊等三百种币", 3.0),
    "fiat_exchange": ("（二）", "C2C 买币零手续费", 2.5),
    "derivatives": ("（二）", "永续合约最高125倍杠杆", 2.2),
    "referral": ("（十）", "填写邀请码永久减免手续费20%", 2.0),
    "mainland": ("（三）", "国内链接免翻墙", 1.5),
}


@dataclass(frozen=True)
class Subject:
    """One target as a test wants it; ``pages`` captures are made of it."""

    identity: str
    kind: Kind = Kind.SITE
    title: str = "火星交易所"
    filing: str = "粤ICP备2021000001号-1"
    facts: dict[str, str] = field(default_factory=dict)
    text: str = TEXT
    pages: int = 1


class Home:
    """The folder, its store, and the steps the other rooms would have taken."""

    def __init__(self, path: Path, *, demo: bool = False) -> None:
        self.path = path
        self.store = Store(path)
        for name, display in ((PROPOSER, "李四"), (APPROVER, "王五")):
            self.store.save_user(User(name, display, "reviewer", "", demo=demo))
        self.run = Run("run-1", FETCHED, {}, {"host": "test", "proxy": "none", "resolver": "127.0.0.1"})
        self.store.save_run(self.run)
        self.archive = "archive/run-1.warc.gz"
        (path / "archive").mkdir()

    def approved(
        self, subject: Subject, *, conduct_on: str = "2025-11-03", basis: str = "237", clause: str = "（十）"
    ) -> int:
        """Capture, score, propose and approve; returns the case's id."""
        case_id, captures = self.case(subject)
        self.decide(case_id, captures, Verdict.PROPOSE, PROPOSER, conduct_on=conduct_on, basis=basis, clause=clause)
        self.decide(case_id, captures, Verdict.APPROVE, APPROVER, conduct_on=conduct_on, basis=basis, clause=clause)
        return case_id

    def case(self, subject: Subject) -> tuple[int, list[Capture]]:
        target = Target(subject.kind, subject.identity, subject.title, subject.facts)
        captures = [self._capture(subject, target, page) for page in range(subject.pages)]
        for capture in captures:
            self.store.save_capture(capture, [target])
            self.store.save_scores([self._score(capture)])
        self.store.open_case(target.key, 0.97)
        case = next(case for case in self.store.cases() if case.target.key == target.key)
        return case.id, captures

    def decide(
        self,
        case_id: int,
        captures: list[Capture],
        verdict: Verdict,
        actor: str,
        *,
        conduct_on: str = "2025-11-03",
        basis: str = "237",
        clause: str = "（十）",
        digest: str = "",
        indicators: tuple[str, ...] = (*WORDS, "premises"),
    ) -> None:
        moves = {
            Verdict.PROPOSE: (State.OPEN, State.PROPOSED),
            Verdict.APPROVE: (State.PROPOSED, State.APPROVED),
            Verdict.REOPEN: (State.APPROVED, State.OPEN),
        }
        expect, to = moves[verdict]
        decision = Decision(
            case_id=case_id,
            actor=actor,
            verdict=verdict,
            evidence_sha256=digest or evidence_digest(captures),
            decided_at=FETCHED + timedelta(hours=case_id),
            indicators=indicators,
            basis=basis,
            clause=clause,
            reason="首页即为交易界面，提供邀请码返佣",
            stance="offer",
            conduct_on=conduct_on,
            captures=tuple(capture.id for capture in captures),
            suggested={"fiat_exchange": 0.93},
        )
        self.store.decide(decision, [expect], to)

    def _capture(self, subject: Subject, target: Target, page: int) -> Capture:
        host = subject.identity.partition("/")[0] if subject.kind is Kind.SITE else "dl.hxex.test"
        url = f"https://{host}/{target.kind}/{page or ''}"
        html = f"<!doctype html><title>x</title><script>document.title='ran'</script><pre>{subject.text}</pre>{page}".encode()
        return Capture(
            id=f"c-{target.key}-{page}",
            run_id=self.run.id,
            url=url,
            final_url=url,
            hops=(Hop(f"http://{host}/", 301, url),),
            status=200,
            headers=(("Content-Type", "text/html"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")),
            fetched_at=FETCHED + timedelta(minutes=page),
            seconds=0.4,
            address="203.0.113.5",
            dns=("203.0.113.5",),
            tls={"version": "TLSv1.3"},
            fetcher="chromium 150",
            profile="desktop",
            depth=0,
            referrer="",
            payload=self._record(url, "response", html, "text/html"),
            dom=self._record(f"urn:dom:{url}", "resource", html + b"<!-- rendered -->", "text/html"),
            screenshot=self._record(f"urn:screenshot:{url}", "resource", _png(subject.title, page), "image/png"),
            render="script",
            title=subject.title,
            language="zh",
            text=subject.text,
            identifiers=(Identifier("icp", subject.filing),) if subject.filing else (),
            targets=(target.key,),
        )

    def _record(self, url: str, kind: str, content: bytes, media_type: str) -> Piece:
        path = self.path / self.archive
        with path.open("ab") as stream:
            offset = stream.tell()
            writer = WARCWriter(stream, gzip=True)
            headers = StatusAndHeaders("200 OK", [("Content-Type", media_type)], protocol="HTTP/1.1")
            record = writer.create_warc_record(
                url,
                kind,
                payload=io.BytesIO(content),
                length=len(content),
                warc_content_type="" if kind == "response" else media_type,
                http_headers=headers if kind == "response" else None,
            )
            writer.write_record(record)
            length = stream.tell() - offset
        digests = Digests.of(content)
        return Piece(self.archive, offset, length, len(content), digests.sha256, digests.sm3, media_type)

    @staticmethod
    def _score(capture: Capture) -> Score:
        spans = tuple(
            Span(name, clause, words, start := capture.text.index(words), start + len(words), weight)
            for name, (clause, words, weight) in WORDS.items()
            if words in capture.text
        )
        return Score(capture.id, "test-1", 0.97, "exchange_landing", dict.fromkeys(WORDS, 0.9), spans, (), "", FETCHED)


SITE = Subject("www.hxex.test", pages=2)
APP = Subject("huawei:com.hxex.app", Kind.APP, filing="粤ICP备2021000001号-2A")
OVERSEAS = Subject("otc.shouu.test", title="高价收U", filing="")


def send(home: Home, out: Path, authority: str | None = None, on: datetime = ISSUED) -> list[Path]:
    """Refer, and the folders of the packages."""
    return [Path(r.package) for r in refer(home.store, home.path, out, ISSUER, authority=authority, on=on)]


def _png(title: str, page: int) -> bytes:
    image = Image.new("RGB", (320, 200), (20, 30 + page, 60))
    ImageDraw.Draw(image).text((10, 10), title.encode("ascii", "replace").decode()[:40])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()

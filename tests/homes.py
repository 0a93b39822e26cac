"""A home folder as a crawl and a classifier leave it: a store, a real WARC with real PNGs, captures and scores.

``make_home(path)`` writes ``PAGES``; pass pages of your own for other cases. Everything here is invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from data.records import Capture, Digests, Hop, Identifier, Kind, Piece, Run, Score, Span, Target
from data.store import Store

WARC = "warc/test.warc.gz"
# A day on which 银发〔2021〕237号 was in force, so that what is found here can be proposed.
FETCHED = datetime(2025, 6, 1, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """One captured page. ``marks`` and ``counter`` are (indicator, words) with the words as they stand in ``text``."""

    url: str
    title: str
    text: str
    score: float
    indicators: dict[str, float] = field(default_factory=dict)
    marks: tuple[tuple[str, str], ...] = ()
    counter: tuple[tuple[str, str], ...] = ()
    genre: str = "exchange_landing"
    kind: Kind = Kind.SITE
    identity: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    identifiers: tuple[Identifier, ...] = ()
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"), ("Server", "nginx"))
    hops: tuple[Hop, ...] = ()
    screenshot: bool = True
    fetched_at: datetime = FETCHED

    @property
    def target(self) -> Target:
        return Target(self.kind, self.identity or self.url.split("/")[2], self.title, self.facts)


PAGES = (
    Page(
        "https://www.lanjing-ex.test/",
        "蓝鲸国际 - 全球领先的数字资产交易平台",
        "蓝鲸国际 现货 合约 跟单 资产\n新人注册领 888 USDT 盲盒，填邀请码 LJ2025 永久减免手续费两成。\n"
        "支持支付宝、微信、银行卡买币，大陆用户请用国内链接，无需翻墙。\n永续合约最高 125 倍杠杆，高手带单一键跟单。\n"
        "官方下载：安卓 APK 直装，苹果请用海外 Apple ID。备用网址请加电报群获取。\n"
        * 4
        + "风险提示：数字资产价格波动剧烈，请谨慎参与。\n京ICP备2021000001号-1",
        0.97,
        {
            "crypto_exchange": 0.96,
            "derivatives": 0.93,
            "referral": 0.91,
            "premises": 0.9,
            "marketing": 0.88,
            "mainland": 0.86,
            "fiat_exchange": 0.63,
            "display": 0.31,
        },
        (
            ("referral", "填邀请码 LJ2025 永久减免手续费两成"),
            ("marketing", "新人注册领 888 USDT 盲盒，填邀请码 LJ2025"),
            ("fiat_exchange", "支持支付宝、微信、银行卡买币"),
            ("mainland", "大陆用户请用国内链接，无需翻墙"),
            ("derivatives", "永续合约最高 125 倍杠杆，高手带单一键跟单"),
            ("premises", "安卓 APK 直装"),
        ),
        (("counter_warning", "风险提示"),),
        facts={"filing": "京ICP备2021000001号-1", "name": "蓝鲸国际"},
        identifiers=(
            Identifier("icp", "京ICP备2021000001号-1"),
            Identifier("telegram", "t.me/lanjing_test"),
            Identifier("invite", "LJ2025"),
        ),
        hops=(Hop("https://lanjing-ex.test/", 301, "https://www.lanjing-ex.test/"),),
    ),
    Page(
        "https://otc.shanfu-u.test/price",
        "闪付U商 今日收U价",
        "长期高价收U，支付宝微信秒到账，不冻卡。今日收U价 7.12，出U价 7.18。联系飞机 @shanfu_test",
        0.93,
        {"fiat_exchange": 0.98, "display": 0.82, "mainland": 0.8, "marketing": 0.55},
        (("fiat_exchange", "长期高价收U，支付宝微信秒到账"), ("display", "今日收U价 7.12，出U价 7.18")),
        genre="otc",
    ),
    Page(
        "https://otc.shanfu-u.test/about",
        "闪付U商 关于我们",
        "我们是华南最大的承兑团队，线下交易，支持换汇。",
        0.71,
        {"fiat_exchange": 0.81, "marketing": 0.6},
        (("fiat_exchange", "承兑团队"),),
        genre="otc",
    ),
    Page(
        "https://apps.example.test/detail/com.haixing.wallet",
        "海星钱包 3.2.0",
        "海星钱包，一键兑换上百种币，实时行情，安全可靠。",
        0.82,
        {"wallet": 0.9, "crypto_exchange": 0.77, "info_pricing": 0.52},
        (("crypto_exchange", "一键兑换上百种币"), ("info_pricing", "实时行情")),
        genre="app_download",
        kind=Kind.APP,
        identity="huawei:com.haixing.wallet",
        facts={"developer": "海星（深圳）科技有限公司", "package": "com.haixing.wallet"},
        screenshot=False,
    ),
    Page(
        "https://mini.example.test/wx0123456789abcdef",
        "币小白课堂",
        "教你三分钟注册买币，邀请好友返佣六成。",
        0.66,
        {"marketing": 0.74, "referral": 0.68},
        (("referral", "邀请好友返佣六成"),),
        genre="promo_tutorial",
        kind=Kind.MINIPROGRAM,
        identity="wechat:wx0123456789abcdef",
    ),
    Page(
        "https://news.rizhao-bao.test/a1",
        "警方破获一起虚拟货币诈骗案",
        "记者从公安机关获悉，近日警方破获一起以虚拟货币为名的诈骗案。民警提醒：不要轻信高额返佣。",
        0.08,
        {"marketing": 0.07},
        (),
        (("counter_reporting", "记者从公安机关获悉"), ("counter_warning", "民警提醒")),
        genre="news",
    ),
)


def make_home(home: Path, pages: Sequence[Page] = PAGES, run_id: str = "run-1") -> Path:
    """Write the pages into a home as one run and return it. Call again with another ``run_id`` for later captures."""
    with Store(home) as store:
        store.save_run(Run(run_id, FETCHED, {"seeds": "test"}, {"machine": "test"}, finished_at=FETCHED))
        for number, page in enumerate(pages):
            capture = _capture(home, page, f"{run_id}-{number}", run_id)
            store.save_capture(capture, [page.target])
            store.save_scores([_score(capture, page)])
    return home


def _capture(home: Path, page: Page, capture_id: str, run_id: str) -> Capture:
    body = f"<!doctype html><title>{page.title}</title><p>{page.text}</p>".encode()
    return Capture(
        id=capture_id,
        run_id=run_id,
        url=page.url,
        final_url=page.url,
        hops=page.hops,
        status=200,
        headers=page.headers,
        fetched_at=page.fetched_at,
        seconds=0.31,
        address="203.0.113.9:443",
        dns=("203.0.113.9",),
        tls={"version": "TLSv1.3", "issuer": "Test CA"},
        fetcher="takedown test",
        profile="desktop-zh",
        depth=0,
        referrer="",
        payload=_write(home, page.url, body, "text/html"),
        dom=_write(home, page.url, body + b"<!-- rendered -->", "text/html"),
        screenshot=_write(home, page.url, _png(page), "image/png") if page.screenshot else None,
        render="rendered" if page.screenshot else "static text was complete",
        title=page.title,
        language="zh",
        text=page.text,
        identifiers=page.identifiers,
        targets=(page.target.key,),
    )


def _write(home: Path, url: str, content: bytes, media_type: str) -> Piece:
    path = home / WARC
    path.parent.mkdir(parents=True, exist_ok=True)
    digests = Digests.of(content)
    with path.open("ab") as stream:
        offset = stream.seek(0, 2)
        writer = WARCWriter(stream, gzip=True)
        record = writer.create_warc_record(
            url,
            "response",
            payload=BytesIO(content),
            length=len(content),
            http_headers=StatusAndHeaders("200 OK", [("Content-Type", media_type)], protocol="HTTP/1.1"),
        )
        writer.write_record(record)
        length = stream.tell() - offset
    return Piece(WARC, offset, length, len(content), digests.sha256, digests.sm3, media_type)


def _png(page: Page) -> bytes:
    """A picture that differs from page to page and is taller than a screen."""
    image = Image.new("RGB", (960, 1500), "#f7f9fc")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 960, 90), fill="#12304a")
    draw.text((30, 35), page.url, fill="white", font_size=26)
    for row in range(8):
        draw.rounded_rectangle((30, 120 + row * 165, 930, 260 + row * 165), 14, fill="white", outline="#c9d4e0")
        draw.text((60, 150 + row * 165), f"BTC/USDT  #{row}  {page.score:.2f}", fill="#1c7c4a", font_size=34)
    content = BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def _spans(text: str, marks: tuple[tuple[str, str], ...]) -> tuple[Span, ...]:
    clauses = {
        "premises": "（十）",
        "display": "（十）",
        "marketing": "（十）",
        "referral": "（十）",
        "mainland": "（三）",
    }
    spans = []
    for weight, (indicator, words) in enumerate(reversed(marks), 1):
        start = text.index(words)
        spans.append(Span(indicator, clauses.get(indicator, "（二）"), words, start, start + len(words), float(weight)))
    return tuple(reversed(spans))


def _score(capture: Capture, page: Page) -> Score:
    counter = tuple(
        Span(name, "", words, page.text.index(words), page.text.index(words) + len(words), 1.0)
        for name, words in page.counter
    )
    return Score(
        capture.id,
        "test-1",
        page.score,
        page.genre,
        page.indicators,
        _spans(page.text, page.marks),
        counter,
        "",
        capture.fetched_at + timedelta(minutes=1),
    )

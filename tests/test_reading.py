"""Reading pages in processes of their own: what the server sent, what the browser made of it, and what breaks a reader."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from crawler import readers as processes
from crawler import reading
from crawler.pictures import CODES, WORDS
from crawler.readers import Readers
from crawler.reading import Shown, Unreadable, read

ROOT = Path(__file__).parents[1]
STATIC = "<title>下载</title><p>欧易应用官方下载页面，安卓与苹果均可安装。</p><a href=/static>静态</a>"


def test_a_browser_that_guessed_the_encoding_wrong_is_not_believed() -> None:
    wrong = f"<p>{'下载应用'.encode().decode('latin-1') * 30}</p>"
    assert "官方下载页面" in read(STATIC.encode(), "text/html", "http://a.test/", Shown(wrong, "http://a.test/")).text


def test_what_a_script_built_comes_first_and_both_give_links() -> None:
    dom = "<title>交易</title><p>脚本写出的正文，比静态页面多得多。这里是交易页面的内容。</p><a href=/dynamic>动态</a>"
    found = read(STATIC.encode(), "text/html; charset=utf-8", "http://a.test/", Shown(dom, "http://a.test/"))
    assert "脚本写出的正文" in found.text
    assert found.title == "交易"
    assert {anchor.url for anchor in found.anchors} == {"http://a.test/dynamic", "http://a.test/static"}


def test_what_only_the_pictures_say_is_read_and_marked() -> None:
    banner = (ROOT / "data" / "demoweb" / "sites" / "www.haibao-hd.test" / "banner.png").read_bytes()
    code = io.BytesIO()
    drawn = zxingcpp.create_barcode("http://b.test/join?ref=9", zxingcpp.BarcodeFormat.QRCode).to_image(scale=4)
    Image.fromarray(drawn).convert("RGB").save(code, "PNG")
    shown = Shown("<title>海报</title><p>活动</p>", "http://a.test/", banner, (code.getvalue(),))
    found = read(b"<title>x</title>", "text/html", "http://a.test/", shown)
    words = found.text.splitlines()
    assert words[:2] == ["海报", "活动"]
    assert words.index(WORDS) < words.index(CODES)
    assert "邀请码JD5588" in found.text
    assert [(anchor.url, anchor.text) for anchor in found.anchors] == [("http://b.test/join?ref=9", "二维码")]
    # A page that says enough itself is not read in its pictures, but for the codes in them.
    full = Shown(f"<p>{'这里是页面自己的文字，' * 40}</p>", "http://a.test/", banner, (code.getvalue(),))
    found = read(b"", "text/html", "http://a.test/", full)
    assert WORDS not in found.text
    assert "http://b.test/join?ref=9" in found.text


def test_a_screenshot_does_not_say_again_what_the_page_says() -> None:
    page = Image.new("RGB", (700, 200), "white")
    font = ImageFont.truetype("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 24, index=2)
    ImageDraw.Draw(page).text((20, 20), "主站 ￥682,410 · 备用站\n只在图片里的邀请码", font=font, fill="black")
    content = io.BytesIO()
    page.save(content, "PNG")
    shown = Shown("<p>主站 ¥ 682,410 · 备用站</p>", "http://a.test/", content.getvalue())
    said = read(b"", "text/html", "http://a.test/", shown).text.partition(WORDS)[2].split()
    assert said == ["只在图片里的邀请码"]


def _slow() -> reading.Interest:
    def interest(_: str) -> float:
        while True:
            pass

    return interest


def _fatal() -> reading.Interest:
    def interest(text: str) -> float:
        if "坏" in text:
            raise SystemExit(1)
        return 0.5

    return interest


def test_a_reader_that_does_not_come_back_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "READ_SECONDS", 0.5)

    async def scenario() -> None:
        readers = Readers(_slow, count=1)
        try:
            with pytest.raises(Unreadable, match="秒内未能读完"):
                await readers.read(STATIC.encode(), "text/html", "http://a.test/")
            readers.interest = None
            monkeypatch.setattr(processes, "READ_SECONDS", 20.0)
            assert "官方" in (await readers.read(STATIC.encode(), "text/html", "http://a.test/")).text
        finally:
            readers.close()

    asyncio.run(scenario())


def test_the_interest_is_loaded_in_the_reader() -> None:
    async def scenario() -> float:
        readers = Readers(_fatal, count=1)
        try:
            return (await readers.read(STATIC.encode(), "text/html", "http://a.test/")).interest
        finally:
            readers.close()

    assert asyncio.run(scenario()) == 0.5

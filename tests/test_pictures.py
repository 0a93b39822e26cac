"""Pictures as people meet them: banners, screenshots with small letters, QR codes, and files made to do harm."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from crawler.pictures import CODES, MAX_PIXELS, WORDS, BadPicture, as_text, read_picture, worth_reading

ROOT = Path(__file__).parents[1]
BANNER = ROOT / "data" / "demoweb" / "sites" / "www.haibao-hd.test" / "banner.png"
FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
MENU = ["平台公告", "安全中心", "实名认证", "充值提币", "永续合约", "法币交易", "邀请返佣", "下载应用"]


def saved(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **how)
    return content.getvalue()


def drawn(text: str, size: int, box: tuple[int, int], ink: object = "black", ground: object = "white") -> Image.Image:
    image = Image.new("RGBA" if isinstance(ground, tuple) else "RGB", box, ground)  # type: ignore[arg-type]
    font = ImageFont.truetype(FONT, size, index=2)
    ImageDraw.Draw(image).text((20, 20), text, font=font, fill=ink)  # type: ignore[arg-type]
    return image


def qr(payload: str, scale: int = 5) -> Image.Image:
    code = zxingcpp.create_barcode(payload, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(code.to_image(scale=scale, add_quiet_zones=True)).convert("RGB")


def test_the_banner_of_the_demonstration_web_says_its_words() -> None:
    reading = read_picture(BANNER.read_bytes())
    said = as_text(reading)
    assert (reading.width, reading.height, reading.complete) == (960, 560, True)
    assert said.splitlines()[0] == WORDS
    for words in ("交易所", "USDT", "邀请码JD5588", "永续合约", "@jinding_test_vip"):
        assert words in said
    line = next(line for line in reading.lines if "邀请码" in line.text)
    left, top, right, bottom = line.box
    assert 0 <= left < right <= 960
    assert 0 <= top < bottom <= 560
    assert line.confidence > 0.9


def test_letters_of_14_pixels_on_a_long_screenshot_are_read_within_the_budget() -> None:
    page = Image.new("RGB", (1366, 6000), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.truetype(FONT, 14, index=2)
    wanted = []
    for row, y in enumerate(range(30, 5950, 98)):
        wanted.append(f"{MENU[row % 8]}第{row + 100}条")
        draw.text((40 + 137 * (row % 9), y), wanted[-1], font=font, fill=(70, 70, 70))
    reading = read_picture(saved(page))
    read = [line.text for line in reading.lines]
    assert reading.complete
    assert len(set(wanted) & set(read)) >= 0.97 * len(wanted)
    assert read == sorted(read, key=lambda text: wanted.index(text) if text in wanted else -1)


def test_what_the_time_does_not_suffice_for_is_admitted_and_large_letters_come_first() -> None:
    page = drawn("注册送八十八", 60, (900, 700))
    draw, font = ImageDraw.Draw(page), ImageFont.truetype(FONT, 14, index=2)
    for row in range(20):
        for column in range(6):
            draw.text((20 + 145 * column, 130 + 27 * row), MENU[(row + column) % 8], font=font, fill="black")
    read_picture(saved(page), seconds=0.5)  # the models are loaded
    reading = read_picture(saved(page), seconds=0.6)
    assert not reading.complete
    assert "注册送八十八" in [line.text for line in reading.lines]


def test_a_qr_code_becomes_a_canonical_link_and_other_payloads_stay_as_written() -> None:
    page = Image.new("RGB", (1000, 500), "white")
    page.paste(qr("HTTP://App.Yunbi.test/down?ref=JD5588&utm_source=poster#top"), (50, 60))
    page.paste(qr("weixin://contacts/profile/hx_test_01"), (600, 60))
    reading = read_picture(saved(page), words=False)
    codes = {code.text: code for code in reading.codes}
    link = codes["HTTP://App.Yunbi.test/down?ref=JD5588&utm_source=poster#top"]
    assert link.url == "http://app.yunbi.test/down?ref=JD5588"
    assert 50 <= link.box[0] < link.box[2] <= 450
    assert codes["weixin://contacts/profile/hx_test_01"].url == ""
    assert as_text(reading).splitlines()[0] == CODES
    assert set(as_text(reading).splitlines()[1:]) == {link.url, "weixin://contacts/profile/hx_test_01"}


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP", "AVIF", "BMP"])
def test_every_format_of_the_web_is_read(kind: str) -> None:
    picture = drawn("永续合约最高一百倍", 28, (420, 80))
    assert "永续合约最高一百倍" in as_text(read_picture(saved(picture, kind)))


def test_light_letters_on_nothing_are_read() -> None:
    picture = drawn("注册即送盲盒", 28, (300, 80), ink=(255, 255, 255, 255), ground=(0, 0, 0, 0))
    assert "注册即送盲盒" in as_text(read_picture(saved(picture)))


def test_each_slide_of_an_animation_is_read_once() -> None:
    slides = [drawn("邀请好友返佣", 40, (400, 100)), drawn("下载应用领取", 40, (400, 100), "white", "navy")]
    reading = read_picture(saved(slides[0], "GIF", save_all=True, append_images=[*slides[1:], slides[0]]))
    assert [line.text for line in reading.lines] == ["邀请好友返佣", "下载应用领取"]


def test_a_picture_that_says_nothing_is_an_empty_reading() -> None:
    for size in ((1, 1), (1, 5000), (5000, 1), (300, 200)):
        reading = read_picture(saved(Image.new("RGB", size, "teal")))
        assert (reading.lines, reading.codes, as_text(reading)) == ((), (), "")


def png_of(width: int, height: int) -> bytes:
    """A PNG that only says how large it is."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"\x00" * 100)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


HOSTILE = {
    "50 megapixels": (saved(Image.new("L", (10_000, 5_000))), "百万像素"),
    "a bomb": (png_of(60_000, 60_000), "百万像素"),
    "a bomb below Pillow's own limit": (png_of(8_000, MAX_PIXELS // 8_000 + 1), "百万像素"),
    "truncated": (BANNER.read_bytes()[:4000], "不完整"),
    "no pixels": (png_of(0, 0), "损坏|为零|不是可读"),
    "fewer pixels than said": (png_of(500, 500), "不完整"),
    "a vector picture": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "a page by the name of a picture": (b"<!DOCTYPE html><title>404</title>", "不是可读的图片"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "不是可读的图片"),
    "nothing": (b"", "不是可读的图片"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_get_one_named_answer(name: str) -> None:
    content, why = HOSTILE[name]
    with pytest.raises(BadPicture, match=why):
        read_picture(content)


def test_only_a_page_that_says_little_itself_is_worth_reading_in_pictures() -> None:
    assert worth_reading("活动")
    assert worth_reading(" ".join(["首页 关于我们 联系客服 京ICP备2099000001号"] * 3))
    assert not worth_reading("中国人民银行等部门发布通知，进一步防范和处置虚拟货币交易炒作风险。" * 8)
    assert not worth_reading("The exchange publishes its fees and the names of those who run it. " * 30)


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
def test_reading_needs_no_network() -> None:
    code = "import sys; from crawler.pictures import *; print(as_text(read_picture(sys.stdin.buffer.read())))"
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", code], input=BANNER.read_bytes(), capture_output=True, cwd=ROOT
    )
    assert "永续合约" in done.stdout.decode(), done.stderr.decode()

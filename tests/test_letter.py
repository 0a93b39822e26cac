"""What a package shows people: the letter as the standard asks, the list, the page, and hostile words made harmless."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from docx import Document
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from packages_home import APP, SITE, Home, Subject, send
from playwright.sync_api import Request, sync_playwright

from data.facts import legal_bases
from reports import verify
from reports.letter import NOTICE
from reports.plain import cell, file_name, plain

HOSTILE = "=cmd|'/c calc'!A0\x00\x07\u202e</script><script>document.title='ran'</script>“../..\\CON🚀" + "长" * 10_000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "var")
    yield home
    home.store.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def words(letter: Path) -> str:
    return "\n".join(paragraph.text for paragraph in Document(str(letter)).paragraphs)


# -- the letter ----------------------------------------------------------------------------------------------------


def test_the_letter_says_facts_basis_request_and_contact(home: Home, out: Path) -> None:
    home.approved(SITE)
    home.approved(APP)
    (folder,) = send(home, out)
    text = words(folder / "letter.docx")
    basis = next(basis for basis in legal_bases() if basis.id == "237")
    clause = basis.clause("（十）")
    assert clause
    for said in (
        "\t演金函〔2025〕1号",
        "广东省通信管理局：",
        "网站1个、移动应用程序1个",
        "（一）网站www.hxex.test（火星交易所）。",
        "“注册即可交易比特币、以太坊等三百种币”",
        f"《{basis.title}》（银发〔2021〕237号）自2021年9月15日起施行。本函所列行为发生于2025年11月3日",
        f"第（十）项规定：“{clause.text}”",
        "附件1所列网站、账号、应用为限",
        "附件：1.\t问题线索清单",
        "2025年11月10日",
        "（联系人：张三；联系电话：010-00000000）",
    ):
        assert said in text
    assert NOTICE not in text
    tables = Document(str(folder / "letter.docx")).tables
    assert [len(table.rows) for table in tables] == [3, 3]
    assert tables[1].rows[1].cells[3].text == home.store.case(1).evidence_sha256


def test_a_basis_repealed_since_is_cited_as_of_the_conduct(home: Home, out: Path) -> None:
    home.approved(SITE)
    (folder,) = send(home, out, on=datetime(2026, 2, 10, tzinfo=UTC))
    assert "至2026年2月6日停止执行。本函所列行为发生于2025年11月3日，适用行为发生时有效的该文件。" in words(
        folder / "letter.docx"
    )


def test_what_demonstration_accounts_decided_is_labelled(tmp_path: Path, out: Path) -> None:
    home = Home(tmp_path / "demo", demo=True)
    home.approved(SITE)
    (folder,) = send(home, out)
    letter = Document(str(folder / "letter.docx"))
    assert f"{NOTICE}\t" in words(folder / "letter.docx")
    assert letter.sections[0].header.paragraphs[0].text == NOTICE
    assert letter.sections[0].even_page_header.paragraphs[0].text == NOTICE
    assert NOTICE in (folder / "index.html").read_text("utf8")
    home.store.close()


def test_the_letter_measures_as_the_standard_asks(home: Home, out: Path) -> None:
    home.approved(SITE)
    (folder,) = send(home, out)
    letter = Document(str(folder / "letter.docx"))
    (section,) = letter.sections
    page = [section.page_width, section.page_height, section.top_margin, section.left_margin]
    assert page == [pytest.approx(Mm(mm), abs=Mm(0.05)) for mm in (210, 297, 37, 28)]
    assert section.page_width - section.left_margin - section.right_margin == pytest.approx(Mm(156), abs=Mm(0.1))
    height = section.page_height - section.top_margin - section.bottom_margin
    assert height == pytest.approx(Mm(225), abs=Mm(0.1))
    grid = section._sectPr.find(qn("w:docGrid"))
    assert grid.get(qn("w:type")) == "linesAndChars"
    assert height // (int(grid.get(qn("w:linePitch"))) * 635) == 22
    assert 16 + int(grid.get(qn("w:charSpace"))) / 4096 == pytest.approx(15.79, abs=0.01)

    faces = {"公文标题": ("方正小标宋简体", 22), "公文正文": ("仿宋_GB2312", 16), "公文一级标题": ("黑体", 16)}
    faces |= {"公文页码": ("宋体", 14), "公文附件序号": ("黑体", 16), "公文发文字号": ("仿宋_GB2312", 16)}
    for name, (face, size) in faces.items():
        style = letter.styles[name]
        assert style.element.rPr.rFonts.get(qn("w:eastAsia")) == face
        assert style.font.size == Pt(size)
    body = letter.styles["公文正文"]
    assert body.paragraph_format.line_spacing == pytest.approx(Pt(28.99), abs=Pt(0.05))
    pitch = 16 + int(body.element.rPr.find(qn("w:spacing")).get(qn("w:val"))) / 20
    assert 156 / 25.4 * 72 // pitch == 28
    assert body.paragraph_format.first_line_indent.pt / pitch == pytest.approx(2, abs=0.01)

    assert section.different_first_page_header_footer
    assert section.first_page_footer.paragraphs[0].text == ""
    number, even = section.footer.paragraphs[0], section.even_page_footer.paragraphs[0]
    assert [number.text, even.text] == ["—  —", "—  —"]
    assert "PAGE" in number._p.xml
    assert section.header_distance == pytest.approx(Mm(30), abs=Mm(0.05))
    mark = section.first_page_header.paragraphs[0]
    mark_bottom = section.header_distance + mark.runs[0].font.size
    rules = []
    for anchor in mark._p.iter(qn("wp:anchor")):
        left, top = (int(offset.text) for offset in anchor.iter(qn("wp:posOffset")))
        extent = anchor.find(qn("wp:extent"))
        rules.append((left, top, int(extent.get("cx")), int(extent.get("cy"))))
    assert all(left == Mm(20) and width == Mm(170) for left, _, width, _ in rules)
    heights = [height for *_, height in rules]
    assert heights[0] > heights[1]
    assert heights[2] < heights[3]
    assert rules[0][1] - mark_bottom == pytest.approx(Mm(4), abs=Mm(0.1))
    assert Mm(297) - (rules[3][1] + rules[3][3]) == pytest.approx(Mm(20), abs=Mm(0.1))


# -- hostile words -------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(home: Home, out: Path) -> Path:
    for identity in ("../../CON", "NUL", "a" * 300 + "\u202e.test"):
        home.approved(Subject(identity, title=HOSTILE, filing="=1+1", text=f"{HOSTILE[:200]}注册即可交易比特币"))
    home.approved(Subject("sub.test/acc", title="＝1", filing="", facts={"filing": "@SUM(1)"}))
    (folder,) = send(home, out)
    return folder


def test_hostile_words_come_out_harmless(hostile: Path) -> None:
    assert verify(hostile) == []
    for path in hostile.rglob("*"):
        name = path.name
        assert re.fullmatch(r"[0-9A-Za-z_.\-\u4e00-\u9fff]{1,60}", name)
        assert not re.fullmatch(r"(?i)(con|nul|aux|prn|com\d|lpt\d)(\..*)?", name)
        assert not name.endswith(".")
    with (hostile / "list.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert {len(row) for row in rows} == {14}
    sheet = load_workbook(hostile / "list.xlsx").active
    assert sheet is not None
    assert {item.data_type for row in sheet.iter_rows() for item in row} <= {"s", "n"}
    texts = [str(item.value) for row in sheet.iter_rows() for item in row if item.value is not None]
    for text in [field for row in rows for field in row] + texts:
        assert len(text) <= 501
        assert not text.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
        assert not re.search(r"[\x00-\x1f\u202a-\u202e]", text)
    assert "\u202e" not in words(hostile / "letter.docx")


def test_the_index_shows_the_evidence_and_runs_nothing(hostile: Path) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        page = browser.new_page()
        page.on("request", note)
        page.goto((hostile / "index.html").as_uri())
        for image in page.locator("img").all():
            image.scroll_into_view_if_needed()
        page.wait_for_function("[...document.images].every(image => image.complete)")
        assert page.title() == "证据目录"
        assert page.evaluate("[...document.images].map(image => image.naturalWidth)") == [320] * 4
        assert page.locator("script, iframe, object, form").count() == 0
        assert page.locator("mark").first.inner_text() == "注册即可交易比特币、以太坊等三百种币"
        hrefs = page.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        browser.close()
    assert all(url.startswith("file:") for url in asked)
    assert hrefs
    assert all((hostile / href).is_file() for href in hrefs)


@given(st.text())
def test_no_text_becomes_a_formula_or_leaves_its_folder(text: str) -> None:
    assert not cell(text).startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", " "))
    assert plain(text, 20) == plain(plain(text, 20), 20)
    assert len(plain(text, 20)) <= 20
    assert re.fullmatch(r"\d{4}-[0-9A-Za-z_.\-\u4e00-\u9fff]{1,48}(?<!\.)", file_name(1, text))

"""The form of an official letter: GB/T 9704-2012, 10.1 (信函格式), as Word styles and page set-up, with no words in it.

A4 with a text area of 156 × 225 mm holding 22 lines of 28 characters; the issuer's mark 30 mm from the top edge; a
red double rule 4 mm below it and another 20 mm from the bottom edge, both 170 mm wide; no page number on page one.
The type faces are named, never shipped: who prints the letter has them, and a reader without them sees substitutes.
"""

from __future__ import annotations

from collections.abc import Sequence

from docx import Document
from docx.document import Document as Letter
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING, WD_TAB_ALIGNMENT
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.section import Section
from docx.shared import Emu, Length, Mm, Pt, RGBColor, Twips
from docx.styles.style import CharacterStyle, ParagraphStyle
from docx.text.paragraph import Paragraph

TITLE_FACE, BODY_FACE, HEAD_FACE, SUBHEAD_FACE, NUMBER_FACE = (
    "方正小标宋简体",
    "仿宋_GB2312",
    "黑体",
    "楷体_GB2312",
    "宋体",
)
LATIN_FACE = "Times New Roman"
RED = RGBColor(0xFF, 0, 0)

TEXT_WIDTH = Mm(156)
LINE = Twips(579)  # 225 mm / 22 lines, rounded down so that the 22nd still fits
CHARACTER = Twips(316)  # 156 mm / 28 characters
SIZE_2, SIZE_3, SIZE_4 = Pt(22), Pt(16), Pt(14)  # the sizes 2号, 3号 and 4号
GRID_CHARACTER_SPACE = round((156 / 25.4 * 72 / 28 - 16) * 4096)  # what the grid adds to a 3号 character, 1/4096 pt
# Word alone honours a grid tighter than its characters (LibreOffice gives each two cells). So the styles set line
# and character pitch themselves, the latter 1/20 pt tighter than the grid's 15.79 pt, and leave the grid aside.
TIGHTEN = Twips(-5)

MARK_TOP = Mm(30)
MARK_LARGEST = Pt(42)
RULE_WIDTH, RULE_LEFT = Mm(170), Mm(20)
RULE_THICK, RULE_GAP, RULE_THIN = Pt(2.25), Pt(1.25), Pt(1)
RULE_HEIGHT = RULE_THICK + RULE_GAP + RULE_THIN
RULE_BELOW_MARK, RULE_ABOVE_EDGE = Mm(4), Mm(20)
NUMBER_BELOW_RULE = Emu(SIZE_3 * 7 // 8)

LEFT, RIGHT, CENTER, BOTH = (
    WD_ALIGN_PARAGRAPH.LEFT,
    WD_ALIGN_PARAGRAPH.RIGHT,
    WD_ALIGN_PARAGRAPH.CENTER,
    WD_ALIGN_PARAGRAPH.JUSTIFY,
)


def blank(mark: str, notice: str) -> Letter:
    """An empty letter of that form: the issuer's mark and both rules stand on page one, page numbers on the others.

    ``notice``, when there is one, is printed at the head of every page but the first, where the letter has it itself.
    """
    letter = Document()
    _base(letter)
    for name, face, size, align, left, first, right, before in (
        ("公文发文字号", BODY_FACE, SIZE_3, LEFT, 0, 0, 0, 0),
        ("公文标题", TITLE_FACE, SIZE_2, CENTER, 0, 0, 0, 2),
        ("公文主送机关", BODY_FACE, SIZE_3, LEFT, 0, 0, 0, 1),
        ("公文正文", BODY_FACE, SIZE_3, BOTH, 0, 2, 0, 0),
        ("公文一级标题", HEAD_FACE, SIZE_3, BOTH, 0, 2, 0, 0),
        ("公文附件说明", BODY_FACE, SIZE_3, LEFT, 6, -4, 0, 1),
        ("公文附件说明续", BODY_FACE, SIZE_3, LEFT, 6, -1, 0, 0),
        ("公文署名", BODY_FACE, SIZE_3, RIGHT, 0, 0, 4, 2),
        ("公文成文日期", BODY_FACE, SIZE_3, RIGHT, 0, 0, 4, 0),
        ("公文附注", BODY_FACE, SIZE_3, LEFT, 0, 2, 0, 0),
        ("公文附件序号", HEAD_FACE, SIZE_3, LEFT, 0, 0, 0, 0),
        ("公文附件标题", TITLE_FACE, SIZE_2, CENTER, 0, 0, 0, 1),
        ("公文表格", BODY_FACE, Pt(12), LEFT, 0, 0, 0, 0),
        ("公文页码", NUMBER_FACE, SIZE_4, LEFT, 0, 0, 0, 0),
        ("公文页眉", HEAD_FACE, SIZE_4, CENTER, 0, 0, 0, 0),
        ("公文发文机关标志", TITLE_FACE, MARK_LARGEST, CENTER, 0, 0, 0, 0),
    ):
        style = letter.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        assert isinstance(style, ParagraphStyle)
        _paragraph_style(style, face, size, align, left, first, right, before)
    subhead = letter.styles.add_style("公文二级标题", WD_STYLE_TYPE.CHARACTER)
    assert isinstance(subhead, CharacterStyle)
    _faces(subhead, SUBHEAD_FACE)
    letter.styles["公文发文字号"].paragraph_format.tab_stops.add_tab_stop(TEXT_WIDTH, WD_TAB_ALIGNMENT.RIGHT)
    letter.styles["公文附件序号"].paragraph_format.page_break_before = True
    _tight(letter.styles["公文表格"], Pt(17))
    _tight(letter.styles["公文页码"], SIZE_4)
    _tight(letter.styles["公文页眉"], SIZE_4)
    _page(letter.sections[0])
    _first_page(letter, mark)
    _other_pages(letter, notice)
    return letter


def table(letter: Letter, widths: tuple[float, ...], head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A ruled table in the text area with columns of ``widths`` mm; its head is repeated on every page."""
    grid = letter.add_table(rows=0, cols=len(widths), style="Table Grid")
    grid.autofit = False
    for column, width in zip(grid.columns, widths, strict=True):
        column.width = Mm(width)
    for number, texts in enumerate((head, *rows)):
        row = grid.add_row()
        properties = row._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if number == 0:
            properties.append(OxmlElement("w:tblHeader"))
        for cell, text, width in zip(row.cells, texts, widths, strict=True):
            cell.width = Mm(width)
            cell.paragraphs[0].style = letter.styles["公文表格"]
            cell.paragraphs[0].add_run(text)


def _base(letter: Letter) -> None:
    """What every style inherits: 3号 仿宋, no space between paragraphs, Chinese line breaking."""
    defaults = letter.styles.element.find(qn("w:docDefaults"))
    letter.styles.element.remove(defaults)
    normal = letter.styles["Normal"]
    assert isinstance(normal, ParagraphStyle)
    _paragraph_style(normal, BODY_FACE, SIZE_3, BOTH, 0, 0, 0, 0)
    language = OxmlElement("w:lang")
    language.set(qn("w:eastAsia"), "zh-CN")
    normal.element.get_or_add_rPr().append(language)
    letter.settings.odd_and_even_pages_header_footer = True
    letter.settings.element.find(qn("w:themeFontLang")).set(qn("w:eastAsia"), "zh-CN")


def _paragraph_style(
    style: ParagraphStyle,
    face: str,
    size: Length,
    align: WD_ALIGN_PARAGRAPH,
    left: int,
    first: int,
    right: int,
    before: int,
) -> None:
    """``left``, ``first`` and ``right`` are indents in characters, ``before`` is space in lines."""
    _faces(style, face)
    style.font.size, style.font.bold = size, False
    if size == SIZE_3:
        pitch = OxmlElement("w:spacing")
        pitch.set(qn("w:val"), str(round(TIGHTEN.twips)))
        style.element.get_or_add_rPr().insert_element_before(pitch, "w:w", "w:kern", "w:position", "w:sz")
    shape = style.paragraph_format
    shape.alignment = align
    shape.left_indent, shape.right_indent = Emu(left * CHARACTER), Emu(right * CHARACTER)
    shape.first_line_indent = Emu(first * CHARACTER)
    shape.space_before, shape.space_after = Emu(before * LINE), Pt(0)
    shape.line_spacing_rule, shape.line_spacing = WD_LINE_SPACING.EXACTLY, LINE
    shape.widow_control = False
    properties = style.element.get_or_add_pPr()
    # Long addresses break anywhere, and no extra space between Chinese and Latin upsets the 28 characters of a line.
    for tag, before_tags in (
        ("w:wordWrap", ("w:spacing",)),
        ("w:autoSpaceDE", ("w:spacing",)),
        ("w:autoSpaceDN", ("w:spacing",)),
        ("w:snapToGrid", ("w:spacing",)),
    ):
        switch = OxmlElement(tag)
        switch.set(qn("w:val"), "0")
        properties.insert_element_before(switch, *before_tags)


def _faces(style: ParagraphStyle | CharacterStyle, face: str) -> None:
    style.font.name = LATIN_FACE
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    fonts.set(qn("w:eastAsia"), face)
    fonts.set(qn("w:hint"), "eastAsia")


def _tight(style: object, height: Length) -> None:
    assert isinstance(style, ParagraphStyle)
    style.paragraph_format.line_spacing = height


def _page(section: Section) -> None:
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(37), Mm(35)
    section.left_margin, section.right_margin = Mm(28), Mm(26)
    section.header_distance = MARK_TOP
    section.footer_distance = Emu(Mm(35) - Mm(7) - SIZE_4 // 2)  # the number's dash is 7 mm below the text area
    section.different_first_page_header_footer = True
    grid = section._sectPr.find(qn("w:docGrid"))
    grid.set(qn("w:type"), "linesAndChars")
    grid.set(qn("w:linePitch"), str(round(LINE.twips)))
    grid.set(qn("w:charSpace"), str(GRID_CHARACTER_SPACE))


def _first_page(letter: Letter, mark: str) -> None:
    size = min(MARK_LARGEST, Emu(TEXT_WIDTH // max(1, len(mark))))
    paragraph = letter.sections[0].first_page_header.paragraphs[0]
    paragraph.style = letter.styles["公文发文机关标志"]
    paragraph.paragraph_format.line_spacing = Emu(size)
    paragraph.paragraph_format.space_after = Emu(RULE_BELOW_MARK + RULE_HEIGHT + NUMBER_BELOW_RULE)
    run = paragraph.add_run(mark)
    run.font.size, run.font.color.rgb = Emu(size), RED
    upper = MARK_TOP + size + RULE_BELOW_MARK
    lower = Mm(297) - RULE_ABOVE_EDGE - RULE_HEIGHT
    _rule(paragraph, 1, upper, RULE_THICK)
    _rule(paragraph, 2, upper + RULE_THICK + RULE_GAP, RULE_THIN)
    _rule(paragraph, 3, lower, RULE_THIN)
    _rule(paragraph, 4, lower + RULE_THIN + RULE_GAP, RULE_THICK)
    letter.sections[0].first_page_footer.paragraphs[0].style = letter.styles["公文页码"]


def _other_pages(letter: Letter, notice: str) -> None:
    """Odd pages have their number on the right, even ones on the left, each one character in from the edge."""
    section = letter.sections[0]
    for header, footer, align in (
        (section.header, section.footer, RIGHT),
        (section.even_page_header, section.even_page_footer, LEFT),
    ):
        header.paragraphs[0].style = letter.styles["公文页眉"]
        header.paragraphs[0].add_run(notice)
        paragraph = footer.paragraphs[0]
        paragraph.style = letter.styles["公文页码"]
        paragraph.alignment = align
        paragraph.paragraph_format.left_indent = paragraph.paragraph_format.right_indent = CHARACTER
        paragraph.add_run("— ")
        paragraph._p.append(
            parse_xml(f'<w:fldSimple {nsdecls("w")} w:instr="PAGE"><w:r><w:t>2</w:t></w:r></w:fldSimple>')
        )
        paragraph.add_run(" —")


def _rule(paragraph: Paragraph, number: int, top: int, height: int) -> None:
    """One red line of a double rule, drawn at its place on the page whatever the text around it does."""
    paragraph.add_run()._r.append(
        parse_xml(f"""
<w:drawing {nsdecls("w", "wp", "a")} xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape">
<wp:anchor distT="0" distB="0" distL="0" distR="0" simplePos="0" relativeHeight="{number}" behindDoc="1" locked="0"
  layoutInCell="1" allowOverlap="1"><wp:simplePos x="0" y="0"/>
<wp:positionH relativeFrom="page"><wp:posOffset>{RULE_LEFT}</wp:posOffset></wp:positionH>
<wp:positionV relativeFrom="page"><wp:posOffset>{top}</wp:posOffset></wp:positionV>
<wp:extent cx="{RULE_WIDTH}" cy="{height}"/><wp:effectExtent l="0" t="0" r="0" b="0"/><wp:wrapNone/>
<wp:docPr id="{number}" name="红色双线{number}"/><wp:cNvGraphicFramePr/>
<a:graphic><a:graphicData uri="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><wps:wsp>
<wps:cNvSpPr/><wps:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="{RULE_WIDTH}" cy="{height}"/></a:xfrm>
<a:prstGeom prst="rect"><a:avLst/></a:prstGeom><a:solidFill><a:srgbClr val="{RED}"/></a:solidFill>
<a:ln><a:noFill/></a:ln></wps:spPr><wps:bodyPr/></wps:wsp></a:graphicData></a:graphic></wp:anchor></w:drawing>""")
    )

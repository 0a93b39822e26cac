"""The list: one row per target, as XLSX and CSV. No cell is ever a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font

from reports.dossier import Dossier
from reports.letter import KINDS, NOTICE, business, evidence_ids
from reports.plain import cell, local

# Title and width in characters of each column.
COLUMNS = {
    "序号": 6,
    "类型": 14,
    "标识": 32,
    "名称": 28,
    "网址": 44,
    "所涉业务": 30,
    "条款": 14,
    "截图/证据编号": 18,
    "首次发现": 26,
    "最近发现": 26,
    "备案号": 26,
    "服务器地址": 20,
    "依据决定": 40,
    "得分": 8,
}


def rows(dossiers: Sequence[Dossier]) -> Iterator[list[str | int | float]]:
    """The cells of each target, in the order of ``COLUMNS``; times in Asia/Shanghai, the score between 0 and 1."""
    for number, dossier in enumerate(dossiers, 1):
        target, (activities, roles, mainland) = dossier.case.target, business(dossier)
        decided = (
            f"{dossier.proposer}提出（{local(dossier.proposal.decided_at)}），"
            f"{dossier.approver}批准（{local(dossier.approval.decided_at)}）"
        )
        texts = (
            KINDS[target.kind],
            target.identity,
            target.title,
            dossier.url,
            "、".join([*activities, *roles, *(["面向境内居民"] if mainland else [])]),
            dossier.basis.number + "、".join(clause.id for clause in dossier.clauses),
            evidence_ids(number, dossier),
            local(target.first_seen),
            local(target.last_seen),
            dossier.route.filing,
            dossier.address,
            decided,
        )
        yield [number, *(cell(text) for text in texts), round(dossier.case.score, 4)]


def write_xlsx(path: Path, dossiers: Sequence[Dossier]) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("问题线索清单")
    if any(dossier.demo for dossier in dossiers):
        sheet.oddHeader.center.text = NOTICE
    sheet.freeze_panes = "D2"
    sheet.auto_filter.ref = f"A1:N{len(dossiers) + 1}"
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", 9
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = "1:1"
    for index, width in enumerate(COLUMNS.values()):
        sheet.column_dimensions[chr(ord("A") + index)].width = width
    wrap, bold = Alignment(wrap_text=True, vertical="top"), Font(bold=True)
    head = [WriteOnlyCell(sheet, title) for title in COLUMNS]
    for title in head:
        title.font = bold
    sheet.append(head)
    for row in rows(dossiers):
        cells = [WriteOnlyCell(sheet, value) for value in row]
        for item in cells:
            item.alignment = wrap
            if isinstance(item.value, str):
                item.data_type = "s"  # words, even where they read like "#N/A"
        sheet.append(cells)
    book.save(path)


def write_csv(path: Path, dossiers: Sequence[Dossier]) -> None:
    """UTF-8 with a byte-order mark, every field quoted, so that a double click opens it right."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        writer.writerows(rows(dossiers))

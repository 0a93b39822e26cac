"""Captured words made harmless for paper, cells and file names: what they say stays, what they could do goes."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
CELL_LIMIT = 500
NAME_LIMIT = 48

# What a spreadsheet takes for the start of a formula, and the full-width forms an input method makes of it.
_FORMULA_STARTS = frozenset("=+-@＝＋－＠﹢﹣﹦﹫−")
_UNSAFE_IN_NAMES = re.compile(r"[^0-9A-Za-z_.\-\u4e00-\u9fff]+")


def plain(text: str, limit: int) -> str:
    """One line of visible characters, at most ``limit`` of them (an ellipsis says when more were cut off).

    White space becomes single spaces; control, format (bidi, zero-width), surrogate, private and unassigned
    characters go. The raw text stays in the evidence.
    """
    visible = "".join(c for c in text[: limit * 8] if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(visible.split())
    return line if len(line) <= limit and len(text) <= limit * 8 else line[: limit - 1] + "…"


def cell(text: str) -> str:
    """``plain`` text no spreadsheet computes: an apostrophe stands before what could start a formula."""
    line = plain(text, CELL_LIMIT)
    return f"'{line}" if line[:1] in _FORMULA_STARTS and line else line


def file_name(number: int, text: str) -> str:
    """A folder name safe on Windows, too: the number makes it unique and keeps reserved device names away."""
    name = re.sub(r"\.{2,}", ".", _UNSAFE_IN_NAMES.sub("_", text))[:NAME_LIMIT].strip("._")
    return f"{number:04d}-{name or 'target'}"


def local(time: datetime | None) -> str:
    """A time as it is shown: Asia/Shanghai, to the second, with its offset; empty for none."""
    return f"{time.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}+08:00" if time else ""


def chinese_date(time: datetime) -> str:
    """The date in Shanghai in Arabic figures without zero padding, as GB/T 9704-2012 asks."""
    day = time.astimezone(SHANGHAI)
    return f"{day.year}年{day.month}月{day.day}日"

"""Markup too deep to be read in time, made shallow: a parser walks up all open elements for each one it opens."""

from __future__ import annotations

import re
from collections import Counter

# Blink lets no parsed element stand deeper (kMaximumHTMLParserDOMTreeDepth): what follows is put beside it, not inside.
DEEPEST = 512
# Each block opens again all the formatting left open before it: a few bytes become millions of nodes.
FORMATS = 32
# With fewer tags than this neither takes longer than about a second.
FEW_TAGS = 4_000
# What is not markup inside, whole; or one tag. Whatever is not closed goes on to the end.
_PIECE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title|xmp)\b.*?(?:</\1|\Z)|<(/?)([a-z][^\s/>]*)[^>]*>?", re.I | re.S
)
# Elements that hold nothing, and those that close their like: they add no levels of their own.
_FLAT = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "a", "dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr",
}  # fmt: skip
_FORMATTING = {"b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}


def shallow(markup: str) -> tuple[str, int]:
    """The markup without the elements deeper than ``DEEPEST`` levels or ``FORMATS`` formats, and how many that were.

    Only their tags are left out: no text is lost, and no link.
    """
    if markup.count("<") <= FEW_TAGS:
        return markup, 0
    levels: list[str] = []
    within: Counter[str] = Counter()
    formats = dropped = 0

    def keep(piece: re.Match[str]) -> str:
        nonlocal formats, dropped
        name = (piece[3] or "").lower()
        if not name or name in _FLAT:
            return piece[0]
        if name in _FORMATTING:
            formats = max(formats - 1, 0) if piece[2] else formats + 1
            if formats >= FORMATS + (not piece[2]):
                dropped += not piece[2]
                return ""
        if not piece[2]:
            levels.append(name)
            within[name] += 1
        elif not within[name]:
            return piece[0]
        depth = len(levels)
        if piece[2]:
            while levels[-1] != name:
                within[levels.pop()] -= 1
            depth = len(levels)
            within[levels.pop()] -= 1
        if depth <= DEEPEST:
            return piece[0]
        dropped += not piece[2]
        return ""

    found = _PIECE.sub(keep, markup)
    return found, dropped

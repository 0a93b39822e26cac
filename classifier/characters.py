"""One spelling of every character for matching: NFKC, lower case, simplified script, nothing invisible."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

import numpy as np
from numpy.typing import NDArray
from opencc import OpenCC

# Invisible, or there to break words apart: zero-width, joiners, bidirectional marks, soft hyphen, combining marks.
_DROPPED = {"Cf", "Mn", "Me", "Cs", "Co", "Cn"}
_KINDS = ("", "invisible", "traditional", "lookalike")
# By code point: one more than the place of its kind above, or 0 as long as nobody has asked.
_KINDS_OF = np.zeros(0x110000, dtype=np.uint8)
_TYPE_FACES = ("<font>", "<circle>", "<square>")
# These only say how an emoji is drawn.
_DRAWING = {"\ufe0e", "\ufe0f"}


def fold(raw: str) -> str:
    """The text with every character folded; lone surrogates are dropped."""
    return raw.translate(_FOLDED)


def widths(raw: str) -> list[int]:
    """How many characters of the folded text each raw one has become."""
    return [len(_fold(character)[0]) for character in raw]


def disguised(raw: str) -> Counter[str]:
    """What was folded that somebody may have chosen: ``traditional`` and ``lookalike`` characters, and the places inside
    of words with something ``invisible``."""
    points = code_points(raw)
    kinds = _KINDS_OF[points]
    if not kinds.all():
        for point in np.unique(points[kinds == 0]):
            _KINDS_OF[point] = 1 + _KINDS.index(_fold(chr(point))[1])
        kinds = _KINDS_OF[points]
    counts = np.bincount(kinds, minlength=len(_KINDS) + 1)
    found = Counter({kind: int(counts[index]) for index, kind in enumerate(_KINDS, 1) if kind})
    if found["invisible"]:
        unseen = "".join(map(chr, np.unique(points[kinds == 1 + _KINDS.index("invisible")])))
        inside = re.compile(f"(?<=[\u3400-\u9fffA-Za-z0-9])[{re.escape(unseen)}]+(?=[\u3400-\u9fffA-Za-z0-9])")
        found["invisible"] = len(inside.findall(raw))
    return found


def code_points(text: str) -> NDArray[np.uint32]:
    """One number for each character, lone surrogates as well."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@cache
def _fold(character: str) -> tuple[str, str]:
    """The normalised form of one character (none, one or several) and the kind of disguise undone, if any."""
    category = unicodedata.category(character)
    if category in _DROPPED:
        return "", "" if character in _DRAWING else "invisible"
    if category == "Cc":
        return " ", ""
    folded = unicodedata.normalize("NFKC", character).lower()
    # Of all that has a plainer form, letters of another type face or in a frame; not ², №, ① or a full-width letter.
    drawn = unicodedata.decomposition(character).startswith(_TYPE_FACES)
    kind = "lookalike" if drawn and len(folded) == 1 and folded.isascii() and folded.isalpha() else ""
    if len(folded) == 1 and "\u3400" <= folded <= "\u9fff":
        simplified = _simplify(folded)
        if simplified != folded:
            return simplified, "traditional"
    return folded, kind


@cache
def _converter() -> OpenCC:
    return OpenCC("t2s")


def _simplify(character: str) -> str:
    return str(_converter().convert(character))


class _Folded(dict[int, str]):
    """``_fold`` as ``str.translate`` asks for it: by code point, each worked out once."""

    def __missing__(self, point: int) -> str:
        self[point] = folded = _fold(chr(point))[0]
        return folded


_FOLDED = _Folded()

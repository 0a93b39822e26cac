"""One spelling for matching, with the way back: every normalised character knows its place in the raw text."""

from __future__ import annotations

import unicodedata
from array import array
from dataclasses import dataclass
from functools import cache

from opencc import OpenCC

# Invisible, or there to break words apart: zero-width, joiners, bidirectional marks, soft hyphen, variation selectors.
_DROPPED = {"Cf", "Mn", "Me", "Cs", "Co", "Cn"}
# What people put between the characters of a word that is being filtered for.
_SEPARATORS = set(" \u3000·・•.．*＊_＿-－—~～|｜/／+＋^、。,，'\"`")


@dataclass(frozen=True, slots=True)
class Normal:
    """``text[i]`` stands for ``raw[offsets[i]]``; ``offsets`` has one more entry, the length of the raw text.

    ``disguises`` counts by kind what had to be undone: ``invisible``, ``separated``, ``traditional``, ``lookalike``.
    """

    text: str
    offsets: array[int]
    disguises: dict[str, int]

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """The raw half-open interval of the normalised one (``end > start``)."""
        return self.offsets[start], self.offsets[end - 1] + 1


@cache
def _fold(character: str) -> tuple[str, str]:
    """The normalised form of one character (none, one or several) and the kind of disguise undone, if any."""
    category = unicodedata.category(character)
    if category in _DROPPED:
        return "", "invisible"
    if category == "Cc":
        return " ", ""
    folded = unicodedata.normalize("NFKC", character).lower()
    kind = ""
    if folded != character.lower() and folded.isascii() and folded.isalnum() and not "\uff00" <= character <= "\uffef":
        kind = "lookalike"
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


def _han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def normalise(raw: str) -> Normal:
    """NFKC, lower case, simplified script, nothing invisible, and single separators between Han characters undone.

    Offsets lead every normalised character back to the raw one it came from. Lone surrogates are dropped.
    """
    characters: list[str] = []
    offsets = array("l")
    disguises = {"invisible": 0, "separated": 0, "traditional": 0, "lookalike": 0}
    for index, character in enumerate(raw):
        folded, kind = _fold(character)
        if kind:
            disguises[kind] += 1
        for piece in folded:
            characters.append(piece)
            offsets.append(index)
    kept: list[str] = []
    places = array("l")
    last = len(characters) - 1
    for index, character in enumerate(characters):
        if (
            character in _SEPARATORS
            and 0 < index < last
            and _han(characters[index - 1])
            and _han(characters[index + 1])
            and _spread(characters, index)
        ):
            disguises["separated"] += 1
            continue
        kept.append(character)
        places.append(offsets[index])
    places.append(len(raw))
    return Normal("".join(kept), places, disguises)


def _spread(characters: list[str], index: int) -> bool:
    """Whether the same separator also stands two places before or after: 合·约·交·易, not an ordinary comma."""
    mark = characters[index]
    before = index >= 2 and characters[index - 2] == mark
    after = index + 2 < len(characters) and characters[index + 2] == mark
    return before or after

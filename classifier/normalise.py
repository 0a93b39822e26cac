"""One spelling for matching, with the way back: every normalised character knows its place in the raw text."""

from __future__ import annotations

import re
import unicodedata
from array import array
from dataclasses import dataclass
from functools import cache, cached_property

from opencc import OpenCC

# Invisible, or there to break words apart: zero-width, joiners, bidirectional marks, soft hyphen, variation selectors.
_DROPPED = {"Cf", "Mn", "Me", "Cs", "Co", "Cn"}
# What people put between the characters of a word that is being filtered for.
_SEPARATORS = set(" \u3000·・•.．*＊_＿-－—~～|｜/／+＋^、。,，'\"`")


@dataclass(frozen=True)
class Normal:
    """``text[i]`` stands for ``raw[offsets[i]]``; ``offsets`` has one more entry, the length of the raw text.

    ``disguises`` counts by kind what had to be undone: ``invisible``, ``separated``, ``traditional``, ``lookalike``.
    ``dropped`` are the places, in the text before that, of the separators between Han characters that were undone.
    """

    text: str
    raw: str
    dropped: tuple[int, ...]
    disguises: dict[str, int]

    @cached_property
    def offsets(self) -> array[int]:
        """Found only when asked for: most texts are weighed and never explained."""
        offsets = array("l")
        for index, character in enumerate(self.raw):
            offsets.extend([index] * len(_fold(character)[0]))
        for place in reversed(self.dropped):
            del offsets[place]
        offsets.append(len(self.raw))
        return offsets

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


class _Folded(dict[int, str]):
    """``_fold`` as ``str.translate`` asks for it: by code point, each worked out once."""

    def __missing__(self, point: int) -> str:
        self[point] = folded = _fold(chr(point))[0]
        return folded


_FOLDED = _Folded()
_HAN = "[\u3400-\u9fff]"
_BETWEEN_HAN = re.compile(f"(?<={_HAN})[{re.escape(''.join(_SEPARATORS))}](?={_HAN})")


def normalise(raw: str) -> Normal:
    """NFKC, lower case, simplified script, nothing invisible, and single separators between Han characters undone.

    Offsets lead every normalised character back to the raw one it came from. Lone surrogates are dropped.
    """
    text = raw.translate(_FOLDED)
    disguises = {"invisible": 0, "separated": 0, "traditional": 0, "lookalike": 0}
    for character in set(raw):
        if kind := _fold(character)[1]:
            disguises[kind] += raw.count(character)
    dropped = tuple(found.start() for found in _BETWEEN_HAN.finditer(text) if _spread(text, found.start()))
    disguises["separated"] = len(dropped)
    letters = list(text) if dropped else []
    for place in reversed(dropped):
        del letters[place]
    return Normal("".join(letters) or text, raw, dropped, disguises)


def _spread(text: str, index: int) -> bool:
    """Whether the same separator also stands two places before or after: 合·约·交·易, not an ordinary comma."""
    return text[index] in (text[index - 2 : index - 1], text[index + 2 : index + 3])

"""How much two texts say the same, whatever their order, their counters, clocks and tokens."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# A text shorter than this share of the other is not its short form, but a page with little on it.
SHORT_FORM = 0.12
SHINGLE = 3
COMPARED = 30_000

_HAN = r"\u3400-\u9fff"
# Where words part: at punctuation, at line ends, and at spaces beside Chinese, which has none within a phrase.
_PARTS = re.compile(rf"[^\w ]+|(?<=[{_HAN}]) | (?=[{_HAN}])")
# What machines write: counters, clocks, amounts, tokens. Any run of letters with a digit in it, or too long for a word.
_MACHINE = re.compile(r"[a-z_]*\d[a-z0-9_]*|[a-z0-9_]{25,}")
_WORDS = re.compile(rf"[{_HAN}]|[^\W\d_{_HAN}]+")


def shingles(text: str) -> frozenset[str]:
    """Runs of three words (in Chinese: characters) within a phrase, with what machines write left out.

    Phrases are taken by themselves, so that the order of a list, or of the blocks of a page, makes no difference.
    """
    plain = _MACHINE.sub(" ", unicodedata.normalize("NFKC", text[:COMPARED]).casefold())
    found: set[str] = set()
    for phrase in _PARTS.split(re.sub(" +", " ", plain)):
        words = _WORDS.findall(phrase)
        if words:
            found.update(" ".join(words[i : i + SHINGLE]) for i in range(max(len(words) - SHINGLE + 1, 1)))
    return frozenset(found)


_known = lru_cache(maxsize=24)(shingles)


def only_in(text: str, other: str) -> str:
    """The lines of a text that the other does not have, at least not the better part of them."""
    known = _known(other)
    lines = ((line, shingles(line)) for line in text[:COMPARED].split("\n"))
    return "\n".join(line for line, found in lines if 2 * len(found & known) < len(found))


def likeness(first: str, second: str) -> float:
    """How much of the shorter text is in the longer one; of a mere scrap, how much of both is in both."""
    one, other = sorted((_known(first), _known(second)), key=len)
    if not other:
        return 1.0
    shared = len(one & other)
    return shared / (len(one) if len(one) >= SHORT_FORM * len(other) else len(one | other))

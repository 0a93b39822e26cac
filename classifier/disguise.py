"""Disguises put on, for training and for measuring: what people write to get past a filter, so that the model has met it.

The facts are those the undoing reads; sounds and first letters are put on at large, beyond what is reviewed there.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random

from opencc import OpenCC
from pypinyin import Style, lazy_pinyin

from classifier.lexicon import find_terms
from classifier.normalise import normalise
from classifier.variants import common, same_sound
from data.facts import disguises

_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_SEPARATORS = " ·.-_*|/~、+"
# Blocks with other forms of common characters: full width, enclosed and mathematical letters, radicals, compatibility.
_OTHER_FORMS = ((0x2460, 0x2500), (0x2F00, 0x2FD6), (0xF900, 0xFB00), (0xFF01, 0xFF5F), (0x1D400, 0x1D434))


@cache
def _traditional() -> OpenCC:
    return OpenCC("s2t")


@cache
def _other_forms() -> dict[str, list[str]]:
    """Characters that NFKC makes one of, by that one."""
    found: dict[str, list[str]] = defaultdict(list)
    for first, end in _OTHER_FORMS:
        for character in map(chr, range(first, end)):
            plain = unicodedata.normalize("NFKC", character)
            if plain != character and len(plain) == 1:
                found[plain].append(character)
    return found


def _homophone(word: str, random: Random) -> str:
    """One character replaced by any common one of its sound."""
    place = random.randrange(len(word))
    others = [other for other in same_sound(word[place]) if common(other)] or [word[place]]
    return word[:place] + random.choice(others) + word[place + 1 :]


def _initials(word: str, _random: Random) -> str:
    return "".join(lazy_pinyin(word, style=Style.FIRST_LETTER))


def _joined(marks: str) -> Callable[[str, Random], str]:
    def join(word: str, random: Random) -> str:
        return random.choice(marks).join(word)

    return join


def _nfkc(word: str, random: Random) -> str:
    return "".join(random.choice(_other_forms().get(c, [c])) for c in word)


def _lookalike(word: str, random: Random) -> str:
    return _rewritten(word.lower(), {**disguises().letters, **disguises().shapes}, random)


def _split(word: str, random: Random) -> str:
    return _rewritten(word, disguises().parts, random)


def _number(word: str, random: Random) -> str:
    return _rewritten(word, disguises().numbers, random)


def _emoji(word: str, random: Random) -> str:
    """The whole word as a picture, or what of it can be one."""
    signs = disguises().signs
    return random.choice(signs[word]) if word in signs else _rewritten(word, signs, random)


def _rewritten(word: str, table: Mapping[str, Sequence[str]], random: Random) -> str:
    """The word with one or two of its pieces, where the table has a form for them, written so."""
    places = [(place, piece) for place in range(len(word)) for piece in table if word.startswith(piece, place)]
    chosen = sorted(random.sample(places, min(len(places), random.choice((1, 1, 2)))), reverse=True)
    last = len(word)
    for place, piece in chosen:
        if place + len(piece) <= last:
            word = word[:place] + random.choice(table[piece]) + word[place + len(piece) :]
            last = place
    return word


OPERATORS: dict[str, Callable[[str, Random], str]] = {
    "nfkc": _nfkc,
    "zero_width": _joined(_ZERO_WIDTH),
    "separators": _joined(_SEPARATORS),
    "traditional": lambda word, _random: str(_traditional().convert(word)),
    "lookalike": _lookalike,
    "homophone": _homophone,
    "initials": _initials,
    "split": _split,
    "emoji": _emoji,
    "number": _number,
}


def disguise(phrase: str, operator: str, random: Random, share: float = 0.6) -> str:
    """The phrase with about ``share`` of its lexicon terms put under the disguise. Nothing else is touched."""
    normal = normalise(phrase)
    pieces, last = [], 0
    for match in find_terms(normal.text):
        start, end = normal.raw_span(match.start, match.end)
        if start >= last and random.random() < share:
            pieces += [phrase[last:start], OPERATORS[operator](phrase[start:end], random)]
            last = end
    return "".join([*pieces, phrase[last:]])

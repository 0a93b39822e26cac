"""The forms a word of the subject is written in to get past a filter, by spelling and by sound, ready to be searched for."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from ahocorasick_rs import AhoCorasick, Implementation, MatchKind
from numpy.typing import NDArray
from pypinyin import lazy_pinyin
from pypinyin.constants import PINYIN_DICT

from classifier.characters import code_points, fold
from data.facts import disguises, lexicon

# A syllable's stand-in, in a block of two-byte letters that the texts' own letters are kept out of.
_SYLLABLES, _LETTERS_END = 0x100, 0x800
# Points above are pictures that no term is written with, but for the letters among them.
_POINTS = 0x20000
# A run of first letters is a word's only when it is as long as this.
LEAST_INITIALS = 3


@dataclass(frozen=True, slots=True)
class Form:
    """What a written form means. An ``unsure`` one is also something ordinary and needs a neighbour that is not."""

    word: str
    kind: str
    unsure: bool


@cache
def vocabulary() -> frozenset[str]:
    """Every word that may come out: the lexicon's, which innocent voices have too, and those to look for beside it."""
    terms = {term.lower() for terms in lexicon().values() for term in terms}
    return frozenset((terms | {word.lower() for word in disguises().words}) - disguises().everyday)


@cache
def forms() -> dict[str, Form]:
    """Every form by its spelling, folded as texts are. The reviewed ones come before the ones made up of characters."""
    facts = disguises()
    unsure = {fold(form) for form in facts.unsure}
    found: dict[str, Form] = {}

    def add(form: str, word: str, kind: str, doubtful: bool = False) -> None:
        form = fold(form)
        if len(form) > 1 and form != word and form not in vocabulary() and form not in facts.ordinary:
            found.setdefault(form, Form(word, kind, doubtful or form in unsure))

    whole = (("homophone", facts.sounds), ("initials", facts.initials), ("sign", facts.signs))
    for kind, table in whole:
        for word, written in table.items():
            if len(word) > 1:
                for form in written:
                    # A picture that is a word of its own: one character, so long as it is no letter of a script.
                    if len(fold(form)) == 1:
                        found.setdefault(fold(form), Form(word, kind, form in facts.unsure))
                    add(form, word, kind)
    for word in sorted(vocabulary(), key=lambda word: (len(word), word)):
        for form in _written(word, facts.parts, 3):
            add(form, word, "split", len(word) == 2 and _common(form))
        for form in _written(word, facts.signs, 2):
            add(form, word, "sign")
        for form in _written(word, {han: tuple(alike) for han, alike in facts.shapes.items()}, 2):
            add(form, word, "lookalike", len(word) == 2)
        if len(word) > 2:
            for form in _written(word, facts.numbers, 2):
                add(form, word, "sign")
            if word.isascii() and word.isalnum():
                for form in _written(word, {letter: (digit,) for letter, digit in facts.leet.items()}, 1):
                    add(form, word, "lookalike")
        if len(word) > 1 and all(map(is_han, word)):
            spelled = lazy_pinyin(word)
            for place, syllable in enumerate(spelled):
                if len(syllable) > 1:
                    add(word[:place] + syllable + word[place + 1 :], word, "homophone")
            if len(word) > 2:
                add("".join(spelled), word, "homophone")
    by_initials: dict[str, list[str]] = {}
    for word in vocabulary():
        if len(word) >= LEAST_INITIALS and all(map(is_han, word)):
            by_initials.setdefault("".join(syllable[0] for syllable in lazy_pinyin(word)), []).append(word)
    for form, words in by_initials.items():
        if len(words) == 1:
            add(form, words[0], "initials", doubtful=True)
    return found


def _written(word: str, table: Mapping[str, tuple[str, ...]], most: int) -> Iterator[str]:
    """The word with one to ``most`` of its pieces written otherwise."""

    def rest(place: int, left: int) -> Iterator[str]:
        if place == len(word):
            yield ""
            return
        for tail in rest(place + 1, left):
            yield word[place] + tail
        if left:
            for piece, written in table.items():
                if word.startswith(piece, place):
                    for tail in rest(place + len(piece), left - 1):
                        yield from (form + tail for form in written)

    return (form for form in rest(0, most) if form != word)


def is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff"


def _common(form: str) -> bool:
    """Whether every character is one that ordinary words are written with, and none a mere radical."""
    try:
        return all(character.encode("gb2312") < b"\xd8" for character in form)
    except UnicodeEncodeError:
        return False


@cache
def form_search() -> tuple[AhoCorasick, list[Form]]:
    found = forms()
    return AhoCorasick(list(found), matchkind=MatchKind.LeftmostLongest, implementation=Implementation.DFA), list(found.values())


@cache
def _sounds() -> tuple[NDArray[np.uint16], dict[str, int]]:
    """What stands for each code point: its syllable's stand-in, the letter it looks like, or itself; and the stand-ins."""
    codes = np.arange(_POINTS, dtype=np.uint32)
    codes[_SYLLABLES:_LETTERS_END] = 0
    codes[1 << 16 :] = 0
    syllables: dict[str, int] = {}
    for point in range(0x4E00, 0xA000):
        if readings := PINYIN_DICT.get(point):
            syllable = _toneless(readings.split(",")[0])
            codes[point] = syllables.setdefault(syllable, _SYLLABLES + len(syllables))
    for letter, alike in disguises().letters.items():
        for character in alike:
            codes[ord(fold(character))] = ord(letter)
    return codes.astype(np.uint16), syllables


def _toneless(reading: str) -> str:
    plain = unicodedata.normalize("NFD", reading).replace("u\u0308", "v")
    return "".join(character for character in plain if character.isascii())


def sounded(text: str) -> str:
    """The text, character by character, as it sounds: Han as syllables without tone, look-alikes as Latin letters."""
    return _sounds()[0][np.minimum(code_points(text), _POINTS - 1)].tobytes().decode("utf-16-le", "replace")


@cache
def sound_search() -> tuple[AhoCorasick, list[tuple[str, ...]]]:
    """The search in sounded text, and the words that sound so."""
    syllables = _sounds()[1]
    found: dict[str, list[str]] = {}
    for word in sorted(vocabulary()):
        keys = {sounded(word)}
        if any(map(is_han, word)):
            read = [lazy_pinyin(word)] if all(map(is_han, word)) else []
            keys |= {"".join(chr(syllables[syllable]) for syllable in one) for one in read if syllables.keys() >= {*one}}
        for key in keys:
            if len(key) > 2 or any(character.isascii() for character in word):
                found.setdefault(key, []).append(word)
    return AhoCorasick(list(found), matchkind=MatchKind.LeftmostLongest, implementation=Implementation.DFA), [tuple(words) for words in found.values()]


@cache
def plain_search() -> tuple[AhoCorasick, frozenset[str]]:
    """The words as they are, but for those that have a separator of their own."""
    found = frozenset(word for word in vocabulary() if len(word) > 1 and all(c.isalnum() for c in word))
    search = AhoCorasick(sorted(found), matchkind=MatchKind.LeftmostLongest, implementation=Implementation.DFA)
    return search, found

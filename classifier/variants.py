"""The forms a word of the subject is written in to get past a filter, by spelling and by sound, ready to be searched for."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from ahocorasick_rs import AhoCorasick
from numpy.typing import NDArray
from pypinyin import lazy_pinyin
from pypinyin.constants import PINYIN_DICT

from classifier.characters import code_points, fold
from classifier.lexicon import search_for
from data.facts import disguises, lexicon

# A syllable's stand-in, in a block of two-byte letters that the texts' own letters are kept out of.
_SYLLABLES, _LETTERS_END = 0x100, 0x800
# Points above are pictures that no term is written with, but for the letters among them.
_POINTS = 0x20000
# Shorter runs of first letters are words only where reviewed.
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
def _innocent() -> frozenset[str]:
    """Words of innocent voices. In two characters too many other words sound like them."""
    return frozenset(term.lower() for name, terms in lexicon().items() if name.startswith("counter") for term in terms)


@cache
def forms() -> dict[str, Form]:
    """Every form by its spelling, folded as texts are. The reviewed ones come before the ones made up of characters."""
    facts = disguises()
    unsure = {fold(form) for form in facts.unsure}
    found: dict[str, Form] = {}

    def add(form: str, word: str, kind: str, doubtful: bool = False) -> None:
        form = fold(form)
        plain = form == word or form in vocabulary() or form in facts.ordinary
        if not plain and (len(form) > 1 or not form.isalnum()):
            found.setdefault(form, Form(word, kind, doubtful or form in unsure))

    for kind, table in (("homophone", facts.sounds), ("initials", facts.initials), ("sign", facts.signs)):
        for word, written in table.items():
            for form in written if len(word) > 1 else ():
                add(form, word, kind)
    for word in sorted(vocabulary(), key=lambda word: (len(word), word)):
        for form in _written(word, facts.parts, 3):
            add(form, word, "split", len(word) == 2 and common(form))
        for form in _written(word, facts.signs, 2):
            add(form, word, "sign")
        for form in _written(word, facts.shapes, 2):
            add(form, word, "lookalike", len(word) == 2)
        if len(word) > 2:
            for form in _written(word, facts.numbers, 2):
                add(form, word, "sign")
            if word.isascii() and word.isalnum():
                for form in _written(word, facts.leet, 1):
                    add(form, word, "lookalike")
        if all(map(is_han, word)):
            for form in _spelled(word):
                add(form, word, "homophone")
    for word in sorted(vocabulary() - _innocent()):
        if len(word) == 2 and all(map(is_han, word)):
            for form, doubtful in _misspelt(word):
                add(form, word, "homophone", doubtful)
    for form, word in _initials():
        add(form, word, "initials", doubtful=True)
    return found


def _misspelt(word: str) -> Iterator[tuple[str, bool]]:
    """The word of two characters with one replaced by another of its sound, and whether that is a common character."""
    for place, character in enumerate(word):
        for other in same_sound(character):
            if other != character:
                yield word[:place] + other + word[place + 1 :], common(other)


def _spelled(word: str) -> Iterator[str]:
    """The word with one of its characters, or all of at least three, written as its sound."""
    syllables = lazy_pinyin(word)
    for place, syllable in enumerate(syllables):
        if len(word) > 1 and len(syllable) > 1:
            yield word[:place] + syllable + word[place + 1 :]
    if len(word) > 2:
        yield "".join(syllables)


def _initials() -> Iterator[tuple[str, str]]:
    """The first letters of the sound of each word, where they are no other word's, with the word."""
    found: dict[str, list[str]] = {}
    for word in vocabulary():
        if len(word) >= LEAST_INITIALS and all(map(is_han, word)):
            found.setdefault("".join(syllable[0] for syllable in lazy_pinyin(word)), []).append(word)
    return ((form, words[0]) for form, words in found.items() if len(words) == 1)


def _written(word: str, table: Mapping[str, Sequence[str]], most: int) -> Iterator[str]:
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


def common(form: str) -> bool:
    """Whether every character is on the first level of GB 2312, of which nearly all ordinary words are made."""
    try:
        return all(character.encode("gb2312") < b"\xd8" for character in form)
    except UnicodeEncodeError:
        return False


@cache
def form_search() -> tuple[AhoCorasick, list[Form]]:
    found = forms()
    return search_for(found), list(found.values())


@cache
def _sounds() -> tuple[NDArray[np.uint16], dict[str, int]]:
    """What stands for each code point: its syllable's stand-in, the letter it looks like, or itself; and the stand-ins."""
    codes = np.arange(_POINTS, dtype=np.uint32)
    codes[_SYLLABLES:_LETTERS_END] = 0
    codes[0xD800:0xE000] = codes[1 << 16 :] = 0
    syllables: dict[str, int] = {}
    for point in range(0x4E00, 0xA000):
        if readings := PINYIN_DICT.get(point):
            syllable = _toneless(readings.split(",")[0])
            codes[point] = syllables.setdefault(syllable, _SYLLABLES + len(syllables))
    for letter, alike in disguises().letters.items():
        for character in alike:
            codes[ord(fold(character))] = ord(letter)
    return codes.astype(np.uint16), syllables


@cache
def _by_sound() -> dict[str, str]:
    """The characters of GB 2312 by the stand-in of their syllable."""
    found: dict[str, str] = {}
    for high in range(0xB0, 0xF8):
        for low in range(0xA1, 0xFF):
            for character in bytes((high, low)).decode("gb2312", "ignore"):
                found[sounded(character)] = found.get(sounded(character), "") + character
    return found


def same_sound(character: str) -> str:
    """The characters of GB 2312 that sound like this one, tones aside."""
    return _by_sound().get(sounded(character), "")


def _toneless(reading: str) -> str:
    plain = unicodedata.normalize("NFD", reading).replace("u\u0308", "v")
    return "".join(character for character in plain if character.isascii())


def sounded(text: str) -> str:
    """The text, character by character, as it sounds: Han as syllables without tone, look-alikes as Latin letters."""
    return _sounds()[0][np.minimum(code_points(text), _POINTS - 1)].tobytes().decode("utf-16-le")


@cache
def sound_search() -> tuple[AhoCorasick, list[tuple[str, ...]]]:
    """The search in sounded text, and the words that sound so."""
    syllables = _sounds()[1]
    found: dict[str, list[str]] = {}
    for word in sorted(vocabulary()):
        keys = {sounded(word)}
        if all(map(is_han, word)):
            # 行 alone is read otherwise than in 银行: either may be what was replaced.
            keys.add("".join(chr(syllables.get(syllable, 0)) for syllable in lazy_pinyin(word)))
        for key in keys:
            if len(key) > 2 or any(map(str.isascii, word)):
                found.setdefault(key, []).append(word)
    return search_for(found), [tuple(words) for words in found.values()]


@cache
def plain_search() -> tuple[AhoCorasick, frozenset[str]]:
    """The words as they are, but for those that have a separator of their own."""
    found = sorted(word for word in vocabulary() if len(word) > 1 and all(map(str.isalnum, word)))
    return search_for(found), frozenset(found)

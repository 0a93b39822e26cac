"""Undoing disguises of words: what was pulled apart is joined, what was written otherwise is written plainly.

Only where a word of the subject comes out, so that ordinary text is never rewritten. That something was undone is evidence
that somebody wished not to be found, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from classifier.characters import code_points
from classifier.lexicon import find_terms, whole
from classifier.variants import form_search, is_han, plain_search, sound_search, sounded, vocabulary
from data.facts import disguises

# Of every disguise that can be undone, by what was done.
KINDS = ("invisible", "separated", "traditional", "lookalike", "homophone", "initials", "split", "sign")
# What people put between the characters of a word that is being filtered for; common ones part words as well,
# odd ones have no other use there.
_SEPARATORS = frozenset(" .-—|/+、。,，'\"")
_COMMON, _ODD = frozenset(" 、,，。'\""), frozenset("*_^·・•~`")
_SEPARATES = np.zeros(0x10000, dtype=bool)
_SEPARATES[[ord(character) for character in _SEPARATORS | _ODD]] = True
# The longest separator, in characters, and how far the neighbour of a doubtful form may be.
_LONGEST_GAP, _NEAR = 3, 24
# So many Latin letters that are first letters of a word's sound are hardly anything else.
_TELLING = 4


@dataclass(frozen=True, slots=True)
class Edit:
    """``[start, end)`` of a text becomes ``text``."""

    start: int
    end: int
    text: str
    kind: str


def applied(text: str, edits: tuple[Edit, ...]) -> str:
    """The text after the edits, which follow one another."""
    pieces, last = [], 0
    for edit in edits:
        pieces += [text[last : edit.start], edit.text]
        last = edit.end
    return "".join([*pieces, text[last:]])


def separated(text: str) -> tuple[Edit, ...]:
    """Words whose characters have separators between them: between all, or odd ones between some."""
    points = code_points(text)
    kept = np.flatnonzero(~_SEPARATES[np.minimum(points, 0xFFFF)])
    joined = points[kept].tobytes().decode("utf-32-le")
    found = []
    search, known = plain_search()
    for _, start, end in search.find_matches_as_indexes(joined):
        if kept[end - 1] - kept[start] == end - 1 - start:  # for the most part: the word as it should be
            continue
        gaps = [text[kept[i] + 1 : kept[i + 1]] for i in range(start, end - 1)]
        for first, last in _longest_first(start, end):
            edit = Edit(int(kept[first]), int(kept[last - 1]) + 1, joined[first:last], "separated")
            if edit.text not in known or not whole(text, edit.start, edit.end):
                continue
            between = gaps[first - start : last - 1 - start]
            if _pulled_apart(edit.text, between) or (_perhaps(edit.text, between) and _has_neighbour(text, edit, [])):
                found.append(edit)
                break
    return tuple(found)


def _longest_first(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The intervals of two and more within ``[start, end)``."""
    for length in range(end - start, 1, -1):
        yield from ((first, first + length) for first in range(start, end - length + 1))


def _pulled_apart(word: str, gaps: list[str]) -> bool:
    """Whether the same stands between all the characters, or something odd between some."""
    if max(map(len, gaps)) > _LONGEST_GAP or not any(gaps):
        return False
    if len(gaps) > 1 and gaps[0] and len(set(gaps)) == 1:
        return True
    if len(gaps) == 1 and all(map(is_han, word)) and not _COMMON.intersection(gaps[0]):
        return True
    return all(map(_ODD.issuperset, gaps))


def _perhaps(word: str, gaps: list[str]) -> bool:
    """Whether what stands between the two characters of the word may have been put there to part them."""
    return len(gaps) == 1 and gaps[0] in {" ", "、"} and all(map(is_han, word))


def words(text: str) -> tuple[Edit, ...]:
    """Words that are written in other characters, in parts of characters, in letters, pictures or numbers."""
    found = [*_written(text), *_sounding(text)]
    found.sort(key=lambda one: (one[0].start, -one[0].end))
    edits: list[Edit] = []
    last = 0
    for place, (edit, unsure) in enumerate(found):
        near = found[max(place - _NEAR // 2, 0) : place + _NEAR // 2] if unsure else []
        # Doubtful first letters bear each other out; doubtful pictures stand together anywhere.
        others = [other for other, doubtful in near if not doubtful or other.kind == edit.kind == "initials"]
        if edit.start >= last and not (unsure and not _has_neighbour(text, edit, others)):
            edits.append(_trimmed(text, edit))
            last = edit.end
    return tuple(edits)


def _written(text: str) -> Iterator[tuple[Edit, bool]]:
    search, meant = form_search()
    for number, start, end in search.find_matches_as_indexes(text):
        if whole(text, start, end):
            form = meant[number]
            yield Edit(start, end, form.word, form.kind), form.unsure


def _sounding(text: str) -> Iterator[tuple[Edit, bool]]:
    search, meant = sound_search()
    known, facts = vocabulary(), disguises()
    for number, start, end in search.find_matches_as_indexes(sounded(text)):
        written = text[start:end]
        if written in known or written in facts.ordinary or not whole(text, start, end):
            continue
        for word in meant[number]:
            changed = [(a, b) for a, b in zip(word, written, strict=True) if a != b]
            letters = not any(is_han(meant) for meant, _ in changed)
            if _alone(text, start, end) if letters else _misspelt(word, changed):
                yield Edit(start, end, word, "lookalike" if letters else "homophone"), False
                break


def _alone(text: str, start: int, end: int) -> bool:
    """Whether ``[start, end)`` is no part of a longer word in another alphabet: ОТС, not отсутствие."""
    return not any(c.isalpha() and not is_han(c) for c in text[max(start - 1, 0) : start] + text[end : end + 1])


def _misspelt(word: str, changed: list[tuple[str, str]]) -> bool:
    """Whether the other characters are more likely the word in disguise than another word of the same sound."""
    han = sum(map(is_han, word))
    if han < 2 or (han < 3 and len(word) < 4) or len(changed) > max((han - 1) // 2, 1):
        return False
    apart = disguises().apart
    return not any({meant + written, written + meant} & apart for meant, written in changed)


def _has_neighbour(text: str, edit: Edit, found: list[Edit]) -> bool:
    """Whether another disguise, or a term that is no innocent voice's, stands near; of a few Latin letters, Han as well."""
    first, last = max(edit.start - _NEAR, 0), edit.end + _NEAR
    written = text[edit.start : edit.end]
    if (
        written.isascii()
        and len(written) < _TELLING
        and not any(map(is_han, text[max(edit.start - 1, 0) : edit.end + 1]))
    ):
        return False
    if any(first < o.end and o.start < last and text[o.start : o.end] != written for o in found):
        return True
    # A word that a picture may stand for may just stand beside its picture.
    pictured = disguises().signs if edit.kind == "sign" else {}
    return any(
        not match.category.startswith("counter") and side[match.start : match.end] not in pictured
        for side in (text[first : edit.start], text[edit.end : last])
        for match in find_terms(side)
    )


def _trimmed(text: str, edit: Edit) -> Edit:
    """The edit without what stays the same at both ends, where it was longer than the word."""
    start, end, word = edit.start, edit.end, edit.text
    if end - start <= len(word):
        return edit
    while start < end and word and text[start] == word[0]:
        start, word = start + 1, word[1:]
    while start < end and word and text[end - 1] == word[-1]:
        end, word = end - 1, word[:-1]
    return Edit(start, end, word, edit.kind)

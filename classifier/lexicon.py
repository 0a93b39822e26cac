"""Finding the lexicon's terms in a normalised text. A term is a clue to look at, never a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import ahocorasick

from classifier.normalise import Normal
from data.facts import lexicon


@dataclass(frozen=True, slots=True)
class Match:
    """A term of a category at ``[start, end)`` of the normalised text."""

    category: str
    start: int
    end: int


@cache
def _automaton() -> ahocorasick.Automaton:
    automaton = ahocorasick.Automaton()
    owners: dict[str, list[str]] = {}
    for category, terms in lexicon().items():
        for term in terms:
            owners.setdefault(term.lower(), []).append(category)
    for term, categories in owners.items():
        automaton.add_word(term, (term, tuple(categories)))
    automaton.make_automaton()
    return automaton


def find_terms(normal: Normal) -> Iterator[Match]:
    """Every term at every place; of terms that overlap the longest counts. Latin terms match whole words only."""
    text = normal.text
    for last, (term, categories) in _automaton().iter_long(text):
        start, end = last - len(term) + 1, last + 1
        if (
            term[0].isascii()
            and term[0].isalnum()
            and start
            and text[start - 1].isascii()
            and text[start - 1].isalnum()
        ):
            continue
        if (
            term[-1].isascii()
            and term[-1].isalnum()
            and end < len(text)
            and text[end].isascii()
            and text[end].isalnum()
        ):
            continue
        for category in categories:
            yield Match(category, start, end)

"""Finding the lexicon's terms in a normalised text. A term is a clue to look at, never a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from data.facts import lexicon


@dataclass(frozen=True, slots=True)
class Match:
    """A term of a category at ``[start, end)`` of the normalised text."""

    category: str
    start: int
    end: int


@cache
def _automaton() -> tuple[AhoCorasick, list[tuple[str, ...]]]:
    """The search, and for each of its terms the categories that own it."""
    owners: dict[str, list[str]] = {}
    for category, terms in lexicon().items():
        for term in terms:
            owners.setdefault(term.lower(), []).append(category)
    return search_for(owners), [tuple(categories) for categories in owners.values()]


def search_for(words: Iterable[str]) -> AhoCorasick:
    """A search that numbers its finds by the order of the words; of those that overlap the longest counts."""
    return AhoCorasick(list(words), matchkind=MatchKind.LeftmostLongest, implementation=Implementation.DFA)


def find_terms(text: str) -> Iterator[Match]:
    """Every term of a normalised text at every place; of terms that overlap the longest counts.

    Latin terms match whole words only.
    """
    for categories, start, end in _found(text):
        for category in categories:
            yield Match(category, start, end)


def says_any(text: str) -> bool:
    """Whether a term of the subject is in the text as it stands, undisguised: the cheapest look there is."""
    found = _found(text.lower().encode("utf-8", "ignore").decode())  # a lone surrogate is no text
    return any(not all(category.startswith("counter") for category in categories) for categories, _, _ in found)


def _found(text: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    search, owners = _automaton()
    for number, start, end in search.find_matches_as_indexes(text):
        if whole(text, start, end):
            yield owners[number], start, end


def whole(text: str, start: int, end: int) -> bool:
    """Whether no Latin word or number is cut at either end of ``[start, end)``."""
    if start and _alphanumeric(text[start]) and _alphanumeric(text[start - 1]):
        return False
    return end == len(text) or not (_alphanumeric(text[end - 1]) and _alphanumeric(text[end]))


def _alphanumeric(character: str) -> bool:
    return character.isascii() and character.isalnum()

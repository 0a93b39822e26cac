"""Why: the exact words that carry each indicator, with their clause, and the words that speak against."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from classifier.lexicon import find_terms
from classifier.model import LinearModel
from classifier.normalise import Normal, normalise
from data.facts import taxonomy
from data.records import Span

# A reason is a phrase a reviewer can read at a glance: cut at sentence ends and line breaks, then at commas when long.
_SENTENCE = re.compile(r"[^\n。！？!?；;]+[。！？!?；;]?")
_PHRASE = re.compile(r"[^，,、\s]+[，,、\s]*")
PHRASE_LIMIT = 60
PER_INDICATOR = 3
COUNTER_LIMIT = 6
NOTICE = "237"


def phrases(text: str, limit: int = 400) -> list[tuple[int, int]]:
    """Half-open intervals of the raw text's phrases, the first ``limit`` of them."""
    found: list[tuple[int, int]] = []
    for sentence in _SENTENCE.finditer(text):
        start, end = sentence.span()
        if end - start <= PHRASE_LIMIT:
            found.append((start, end))
        else:
            pieces = [(start + m.start(), start + m.end()) for m in _PHRASE.finditer(sentence[0])]
            merged: list[tuple[int, int]] = []
            for piece in pieces:
                if merged and piece[1] - merged[-1][0] <= PHRASE_LIMIT:
                    merged[-1] = (merged[-1][0], piece[1])
                else:
                    merged.append((piece[0], min(piece[1], piece[0] + 4 * PHRASE_LIMIT)))
            found.extend(merged)
        if len(found) >= limit:
            break
    return [_trim(text, start, end) for start, end in found[:limit] if text[start:end].strip()]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while text[start].isspace():
        start += 1
    while text[end - 1].isspace():
        end -= 1
    return start, end


def reasons(
    model: LinearModel, text: str, probabilities: Mapping[str, float], least: float
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The spans behind every indicator of at least ``least``, best first, and the counter-evidence.

    A phrase counts for an indicator when a term of that indicator's lexicon stands in it. Those with the most such terms,
    or asking the reader to act as well, come first, then those whose n-grams speak most for an offer. An indicator
    without any term is carried by the phrase with the most terms of an offer, if there is one.
    """
    places = phrases(text)
    if not places:
        return (), ()
    normals = [normalise(text[start:end]) for start, end in places]
    strength = model.offer_weight(normals)
    terms = [_terms(normal) for normal in normals]
    order = sorted(range(len(places)), key=lambda i: -float(strength[i]))
    spans: list[Span] = []
    for indicator in taxonomy().indicators.values():
        if probabilities.get(indicator.id, 0.0) < least:
            continue
        weight = [2 * words[indicator.id] + words["solicit"] if words[indicator.id] else 0 for words in terms]
        carrying = sorted((i for i in order if weight[i]), key=lambda i: -weight[i])[:PER_INDICATOR]
        if not carrying:
            weight = [sum(n for name, n in words.items() if not name.startswith("counter_")) for words in terms]
            carrying = sorted((i for i in order if weight[i]), key=lambda i: -weight[i])[:1]
        clause = indicator.clauses.get(NOTICE, "")
        spans += [_span(indicator.id, clause, text, places[i], weight[i] + float(strength[i])) for i in carrying]
    against = [(min(names), i) for i in order[::-1] if (names := [n for n in terms[i] if n.startswith("counter_")])]
    counter = [_span(name, "", text, places[i], float(strength[i])) for name, i in against[:COUNTER_LIMIT]]
    return tuple(spans), tuple(counter)


def _terms(normal: Normal) -> Counter[str]:
    """How many different terms of each category stand in a phrase."""
    return Counter(c for c, _ in {(m.category, normal.text[m.start : m.end]) for m in find_terms(normal)})


def _span(indicator: str, clause: str, text: str, place: tuple[int, int], weight: float) -> Span:
    start, end = place
    return Span(indicator, clause, text[start:end], start, end, round(weight, 4))

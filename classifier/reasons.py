"""Why: the exact words that carry each indicator, with their clause, and the words that speak against."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING

from classifier.lexicon import find_terms
from classifier.model import LinearModel
from classifier.normalise import Normal, normalise
from data.facts import taxonomy
from data.records import Span

if TYPE_CHECKING:  # it needs torch, which may be absent
    from classifier.transformer import Reading

# A reason is a phrase a reviewer can read at a glance: cut at sentence ends and line breaks, then at commas when long.
_SENTENCE = re.compile(r"[^\n。！？!?；;]+[。！？!?；;]?")
_PHRASE = re.compile(r"[^，,、\s]+[，,、\s]*")
PHRASE_LIMIT = 60
PER_INDICATOR = 3
COUNTER_LIMIT = 6
NOTICE = "237"
# A phrase the transformer read carries the offer from this probability on, and an indicator from this share of it.
CARRIES, SHARE = 0.5, 0.1


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


def reasons(model: LinearModel, text: str, named: Collection[str]) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The spans behind every indicator that is ``named``, best first, and the counter-evidence.

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
        if indicator.id not in named:
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


def read_reasons(text: str, reading: Reading, named: Collection[str]) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """As ``reasons``, from what the transformer read in the phrases; a term of the indicator's lexicon adds to it."""
    places = reading.places
    terms = [_terms(normalise(text[start:end])) for start, end in places]
    spans: list[Span] = []
    for column, indicator in enumerate(taxonomy().indicators.values()):
        if indicator.id not in named or not places:
            continue
        helped = [0.5 if words[indicator.id] else 0.0 for words in terms]
        weight = [float(reading.indicators[i, column] + reading.carries[i] * helped[i]) for i in range(len(places))]
        order = sorted(range(len(places)), key=lambda i: -weight[i])
        carrying = [i for i in order[:PER_INDICATOR] if reading.carries[i] >= CARRIES and weight[i] >= SHARE] or order[
            :1
        ]
        clause = indicator.clauses.get(NOTICE, "")
        spans += [_span(indicator.id, clause, text, places[i], weight[i]) for i in carrying]
    against = [
        (float(reading.against[i]), min((n for n in terms[i] if n.startswith("counter_")), default="counter_stance"), i)
        for i in range(len(places))
        if reading.against[i] >= CARRIES
        or (reading.carries[i] < CARRIES and any(n.startswith("counter_") for n in terms[i]))
    ]
    against.sort(key=lambda found: -found[0])
    counter = [_span(name, "", text, places[i], weight) for weight, name, i in against[:COUNTER_LIMIT]]
    return tuple(spans), tuple(counter)


def _terms(normal: Normal) -> Counter[str]:
    """How many different terms of each category stand in a phrase."""
    return Counter(c for c, _ in {(m.category, normal.text[m.start : m.end]) for m in find_terms(normal.text)})


def _span(indicator: str, clause: str, text: str, place: tuple[int, int], weight: float) -> Span:
    start, end = place
    return Span(indicator, clause, text[start:end], start, end, round(weight, 4))

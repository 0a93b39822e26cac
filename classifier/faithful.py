"""Whether the reasons shown are the reasons: agreement with what authors marked, and what is left when they are taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from classifier.corpus import Text
from classifier.judge import Judge, Judgement
from classifier.reasons import phrases

SEED = 20210915


@dataclass(frozen=True)
class Faithful:
    """``span_f1`` is the F1 of characters shown against characters marked, over the offers that authors marked and the
    model found (0 when none were). ``without_spans`` and ``without_others`` are the mean drops of a found offer's score
    when its spans are deleted, and when as many other characters are (DeYoung et al. 2020: comprehensiveness)."""

    span_f1: float
    marked: int
    without_spans: float
    without_others: float
    tried: int


def faithful(judge: Judge, texts: Sequence[Text], judged: Sequence[Judgement]) -> Faithful:
    """Of texts and what the judge said of them."""
    found = [
        (text, said)
        for text, said in zip(texts, judged, strict=True)
        if text.label == "positive" and said.score >= judge.limits.review and said.spans
    ]
    marked = [(text, said) for text, said in found if text.spans]
    random = Random(SEED)  # noqa: S311 - must be repeatable
    bare, other, kept = [], [], []
    for text, said in found:
        shown = _shown(said)
        rest = _others(text.text, shown, random)
        if sum(end - start for start, end in rest) * 2 >= len(shown):
            bare.append(_without(text.text, shown))
            other.append(_without(text.text, {place for start, end in rest for place in range(start, end)}))
            kept.append(said.score)
    drops = [
        float(np.mean([score - now.score for score, now in zip(kept, judge.judge_all(left), strict=True)]))
        if left
        else 0.0
        for left in (bare, other)
    ]
    return Faithful(_span_f1(marked), len(marked), drops[0], drops[1], len(kept))


def _span_f1(marked: Sequence[tuple[Text, Judgement]]) -> float:
    shown = told = both = 0
    for text, said in marked:
        ours = _shown(said)
        theirs: set[int] = set()
        for span in text.spans:
            start = text.text.find(span.quote)
            if start >= 0:
                theirs |= set(range(start, start + len(span.quote)))
        shown, told, both = shown + len(ours), told + len(theirs), both + len(ours & theirs)
    return 2 * both / (shown + told) if shown + told else 0.0


def _shown(said: Judgement) -> set[int]:
    return {place for span in said.spans for place in range(span.start, span.end)}


def _others(text: str, shown: set[int], random: Random) -> list[tuple[int, int]]:
    """Phrases outside what is shown, at random, until they are about as long."""
    outside = [(start, end) for start, end in phrases(text) if not shown & set(range(start, end))]
    random.shuffle(outside)
    chosen: list[tuple[int, int]] = []
    for start, end in outside:
        if sum(b - a for a, b in chosen) >= len(shown):
            break
        chosen.append((start, end))
    return chosen


def _without(text: str, places: set[int]) -> str:
    return "".join(character for place, character in enumerate(text) if place not in places)

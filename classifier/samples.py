"""Training samples: a text as lines with what an author marked in them, and the ways a page is varied between epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from classifier.corpus import Text
from classifier.disguise import OPERATORS, disguise
from classifier.reasons import phrases

CUT = 800
# Chances: a page is disguised, cut, or surrounded by another page's lines.
DISGUISED, CUT_SHORT, WINDOWED, SURROUNDED, MARKED_UP = 0.35, 0.15, 0.25, 0.3, 0.25
# What extraction leaves around a line, on pages of either kind: Markdown, tables, strings of code, tags, numbering.
MARKUP = (
    "# {}",
    "## {}",
    "- {}",
    "* {}",
    "> {}",
    "**{}**",
    "| {} |",
    "{}. {}",
    "  k{}: '{}',",
    '"{}",',
    "<p>{}</p>",
    "[{}](#)",
    "    {}",
)
# Real pages run to thousands of characters, written texts do not: a page is joined with so many of its kind at most.
JOINED, JOINED_WITH = 0.35, 4
# How much an unmarked phrase counts as one that carries no offer (of an offer) or says nothing against (of the others):
# authors marked some texts completely and some not.
UNMARKED = 0.4


@dataclass(frozen=True, slots=True)
class Line:
    """One phrase. ``carries`` and ``against`` are 0 or 1, each with its weight; ``indicator`` is empty when none is known."""

    text: str
    carries: float = 0.0
    carries_weight: float = 1.0
    against: float = 0.0
    against_weight: float = 1.0
    indicator: str = ""


def lines(text: Text) -> list[Line]:
    """The text's phrases, marked where they overlap a quote of the author's."""
    places = phrases(text.text)
    offer = text.label == "positive"
    carrying = [(place, span.indicator) for span in text.spans for place in _places(text.text, span.quote)]
    against = [place for mark in text.counter for place in _places(text.text, mark.quote)]
    found = []
    for start, end in places:
        indicators = [name for place, name in carrying if _overlap(place, (start, end))]
        opposed = any(_overlap(place, (start, end)) for place in against)
        found.append(
            Line(
                text.text[start:end],
                float(bool(indicators)),
                1.0 if indicators or not offer else UNMARKED,
                float(opposed),
                1.0 if opposed or offer else UNMARKED / 2,
                indicators[0] if indicators else "",
            )
        )
    return found


def _places(text: str, quote: str) -> list[tuple[int, int]]:
    start = text.find(quote)
    return [(start, start + len(quote))] if start >= 0 and quote else []


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether they share more than half of the shorter one."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared * 2 > min(one[1] - one[0], other[1] - other[0])


def joined(texts: Sequence[Text]) -> Text:
    """What the one long page that the texts make is labelled: as the first, with the indicators of all."""
    fields = {
        name: tuple(sorted({value for text in texts for value in getattr(text, name)}))
        for name in ("activities", "roles", "audience")
    }
    return texts[0].model_copy(update=fields)


def companions(index: int, peers: Sequence[int], random: Random) -> list[int]:
    """Which texts are read as one page with this one: mostly none, else some of ``peers``, of its label and genre."""
    if len(peers) < 2 or random.random() >= JOINED:
        return [index]
    others = random.sample(peers, min(random.randint(1, JOINED_WITH), len(peers)))
    together = [index, *(other for other in others if other != index)]
    random.shuffle(together)
    return together


def varied(page: Sequence[Line], surroundings: Sequence[Sequence[Line]], random: Random) -> list[Line]:
    """The page as it might have been met instead; what it says stays what it says."""
    found = list(page)
    marked = [i for i, line in enumerate(found) if line.carries]
    chance = random.random()
    if chance < CUT_SHORT:
        found = _cut(found, random)
    elif chance < CUT_SHORT + WINDOWED and len(found) > 6:
        size = random.randint(max(5, len(found) // 3), len(found))
        middle = random.choice(marked) if marked else random.randrange(len(found))
        start = min(max(0, middle - random.randrange(size)), len(found) - size)
        found = found[start : start + size]
    if surroundings and random.random() < SURROUNDED:
        found = _surrounded(found, random.choice(surroundings), random)
    if random.random() < MARKED_UP:
        found = _marked_up(found, random)
    if random.random() < DISGUISED:
        for operator in random.sample(list(OPERATORS), random.choice((1, 1, 2))):
            share = random.uniform(0.2, 1.0)
            found = [replace(line, text=disguise(line.text, operator, random, share)) for line in found]
    return found


def _cut(page: list[Line], random: Random) -> list[Line]:
    """The first ``CUT`` characters, or fewer, if what marks the page is among them."""
    room = random.randint(200, CUT)
    kept: list[Line] = []
    for line in page:
        room -= len(line.text)
        if room < 0 and kept:
            break
        kept.append(line)
    needed = any(line.carries for line in page)
    return kept if not needed or any(line.carries for line in kept) else page


def _marked_up(page: list[Line], random: Random) -> list[Line]:
    """Some lines, or all of them, in one kind of markup or another."""
    shapes = random.choices(MARKUP, k=random.choice((1, 1, 2, 3)))
    share = random.choice((0.2, 0.5, 1.0))
    return [
        replace(line, text=_set(random.choice(shapes), line.text, number)) if random.random() < share else line
        for number, line in enumerate(page, 1)
    ]


def _set(shape: str, text: str, number: int) -> str:
    return shape.format(number, text) if shape.count("{}") == 2 else shape.format(text)


def _surrounded(page: list[Line], other: Sequence[Line], random: Random) -> list[Line]:
    """Some lines of an innocent page before, after or on both sides: menus, footers, what a hijacked host had."""
    size = random.randint(1, min(random.choice((12, 40)), len(other))) if other else 0
    start = random.randrange(len(other) - size + 1)
    noise = [replace(line, against_weight=UNMARKED / 2) for line in other[start : start + size]]
    before = random.randint(0, size)
    return [*noise[:before], *page, *noise[before:]]

"""The captured text with the words that count marked in place. The text is hostile: everything in it is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from data.records import Span
from review.words import UNSEEN


@dataclass(frozen=True, slots=True)
class Marked:
    """``html`` is safe to show; ``anchors[i]`` is the id of the mark where span ``i`` begins, or empty if it has none."""

    html: Markup
    anchors: tuple[str, ...]


def mark(text: str, spans: Sequence[Span], title: Callable[[Span], str], counter: Sequence[Span] = ()) -> Marked:
    """Mark ``spans`` (what speaks for) and ``counter`` (what speaks against) in ``text``.

    Spans may overlap and nest: the text is cut at every border, and each cut carries the titles of all spans over it.
    Borders outside the text are moved to its ends; an empty span marks nothing.
    """
    every = [(max(0, s.start), min(len(text), s.end), s) for s in (*spans, *counter)]
    every = [(start, end, span) for start, end, span in every if start < end]
    against = {id(span) for span in counter}
    cuts = sorted({0, len(text), *(start for start, _, _ in every), *(end for _, end, _ in every)})
    waiting = sorted(every, key=lambda entry: entry[0], reverse=True)
    over: list[tuple[int, int, Span]] = []
    anchors: dict[int, str] = {}
    html: list[Markup] = []
    for start, end in pairwise(cuts):
        over = [entry for entry in over if entry[1] > start]
        while waiting and waiting[-1][0] <= start:
            over.append(waiting.pop())
        if not over:
            html.append(_visible(text[start:end]))
            continue
        here = f"m{start}"
        for entry in over:
            anchors.setdefault(id(entry[2]), here)
        titles = " · ".join(dict.fromkeys(title(span) for _, _, span in over))
        kind = "against" if all(id(span) in against for _, _, span in over) else "for"
        html.append(
            Markup('<mark id="{}" class="{}" title="{}">{}</mark>').format(
                here, kind, titles, _visible(text[start:end])
            )
        )
    return Marked(Markup("").join(html), tuple(anchors.get(id(span), "") for span in (*spans, *counter)))


def _visible(text: str) -> Markup:
    """Escaped, with the characters nobody would see written out."""
    parts: list[Markup] = []
    last = 0
    for found in UNSEEN.finditer(text):
        parts += [escape(text[last : found.start()]), Markup("<i>‹{:04X}›</i>").format(ord(found[0]))]
        last = found.end()
    return Markup("").join([*parts, escape(text[last:])])

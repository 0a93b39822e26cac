"""One spelling for matching, with the way back: every normalised character knows its place in the raw text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from classifier.characters import disguised, fold, widths
from classifier.undo import KINDS, Edit, applied, separated, words


@dataclass(frozen=True)
class Normal:
    """``text[i]`` stands for ``raw[offsets[i]:ends[i]]``; ``offsets`` has one more entry, the length of the raw text.

    ``disguises`` counts what had to be undone, by ``KINDS``: characters, and words. ``edits`` are the words undone, one step on the text of the last.
    """

    text: str
    raw: str
    edits: tuple[tuple[Edit, ...], ...]
    disguises: dict[str, int]

    @property
    def hidden(self) -> dict[str, int]:
        """The disguises of somebody who wished not to be found: all but Traditional script, which is just a script."""
        return {kind: count for kind, count in self.disguises.items() if count and kind != "traditional"}

    @cached_property
    def _places(self) -> tuple[list[int], list[int]]:
        """Found only when asked for: most texts are weighed and never explained."""
        starts: list[int] = []
        for index, width in enumerate(widths(self.raw)):
            starts += [index] * width
        ends = [start + 1 for start in starts]
        for step in self.edits:
            for edit in reversed(step):
                if len(edit.text) != edit.end - edit.start:
                    first, last = starts[edit.start], ends[edit.end - 1]
                    starts[edit.start : edit.end] = [first] * len(edit.text)
                    ends[edit.start : edit.end] = [last] * len(edit.text)
        return [*starts, len(self.raw)], ends

    @property
    def offsets(self) -> list[int]:
        return self._places[0]

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """The raw half-open interval of the normalised one (``end > start``); a word undone covers all it was written in."""
        starts, ends = self._places
        return starts[start], ends[end - 1]


def normalise(raw: str) -> Normal:
    """Characters folded, then words that were pulled apart, then words that were written otherwise, undone.

    Ordinary words are left as they are: a word is only undone where a term of the lexicon comes out.
    """
    text = fold(raw)
    counts = disguised(raw)
    steps = []
    for find in (separated, words):
        if edits := find(text):
            text = applied(text, edits)
            steps.append(edits)
            counts.update(edit.kind for edit in edits)
    return Normal(text, raw, tuple(steps), {kind: counts[kind] for kind in KINDS})

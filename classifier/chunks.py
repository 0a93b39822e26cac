"""From phrases to what the encoder reads: token ids in chunks of bounded length, each token knowing its phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from tokenizers import Tokenizer

from classifier.lexicon import find_terms
from classifier.model import CHUNK_LIMIT
from classifier.normalise import Normal, normalise

CHUNK_TOKENS = 256
# Of a long page the opening is read, and where most terms of the lexicon stand.
OPENING = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """``ids[i]`` belongs to phrase ``phrase[i]`` of the page; the first and the last are marks of no phrase (-1)."""

    ids: list[int]
    phrase: list[int]


class Pieces:
    """A checkpoint's tokenizer, for phrases."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        # What the tokenizer itself puts around a text: <s> … </s>, or [CLS] … [SEP].
        around = self.tokenizer.encode("").ids
        self.first, self.last = around[:1], around[-1:]

    def chunks(
        self, phrases: Sequence[str], tokens: int = CHUNK_TOKENS, limit: int | None = CHUNK_LIMIT
    ) -> list[Chunk]:
        """The phrases in as few chunks of about equal length as hold them; at most ``limit``, the telling ones.

        A page always has at least one chunk, if an empty one. A phrase stays in one chunk, cut to its room.
        """
        room = tokens - 2
        normals = [normalise(phrase) for phrase in phrases]
        encoded = self.tokenizer.encode_batch([normal.text for normal in normals], add_special_tokens=False)
        ids = [found.ids[:room] for found in encoded]
        groups = _packed([len(found) for found in ids], room)
        if limit is not None and len(groups) > limit:
            groups = _telling(groups, normals, limit)
        return [
            Chunk(
                [*self.first, *(token for i in group for token in ids[i]), *self.last],
                [-1, *(i for i in group for _ in ids[i]), -1],
            )
            for group in groups
        ]


def _packed(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Consecutive phrases together, so that chunks come out about equally long and none longer than ``room``."""
    total = sum(lengths)
    target = min(room, -(-total // max(-(-total // room), 1)) + 16)
    groups: list[list[int]] = [[]]
    filled = 0
    for index, length in enumerate(lengths):
        if groups[-1] and filled + length > target:
            groups.append([])
            filled = 0
        groups[-1].append(index)
        filled += length
    return groups


def _telling(groups: list[list[int]], normals: Sequence[Normal], limit: int) -> list[list[int]]:
    """The opening chunks, and of the others those with the most different terms, in the page's order."""

    def terms(index: int) -> int:
        return sum(len({match.category for match in find_terms(normals[i].text)}) for i in groups[index])

    rest = sorted(range(OPENING, len(groups)), key=lambda index: -terms(index))
    return [groups[index] for index in sorted([*range(OPENING), *islice(rest, limit - OPENING)])]

"""The network: an encoder over chunks, phrases from its tokens, a page from its phrases by learned attention.

Shapes: ``C`` chunks of ``T`` tokens hold ``S`` phrases of ``D`` pages; ``H`` is the encoder's width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classifier.chunks import Chunk, Pieces

QUERIES = 2
DROPOUT = 0.15
PAGES = 12  # read in one go
UNREAD = -20.0  # the logits of a phrase that no chunk held


@dataclass(frozen=True)
class Batch:
    """Pages ready for the network. ``phrase`` is ``-1`` where a token belongs to none; padding has a mask of 0."""

    ids: Tensor  # (C, T)
    mask: Tensor  # (C, T)
    phrase: Tensor  # (C, T), counted over the whole batch
    page: Tensor  # (S,), the page of each phrase
    pages: int

    def to(self, device: torch.device) -> Batch:
        ids, mask, phrase, page = (tensor.to(device) for tensor in (self.ids, self.mask, self.phrase, self.page))
        return Batch(ids, mask, phrase, page, self.pages)


def collate(pages: Sequence[Sequence[Chunk]], phrases: Sequence[int], pad: int) -> Batch:
    """Chunks of several pages, page ``i`` with ``phrases[i]`` phrases, padded to the longest chunk."""
    chunks = [chunk for page in pages for chunk in page]
    longest = max(len(chunk.ids) for chunk in chunks)
    ids = torch.full((len(chunks), longest), pad)
    mask = torch.zeros((len(chunks), longest), dtype=torch.long)
    phrase = torch.full((len(chunks), longest), -1)
    starts = [sum(phrases[:i]) for i in range(len(pages))]
    first = (start for start, page in zip(starts, pages, strict=True) for _ in page)
    for row, (chunk, start) in enumerate(zip(chunks, first, strict=True)):
        length = len(chunk.ids)
        ids[row, :length] = torch.tensor(chunk.ids)
        mask[row, :length] = 1
        places = torch.tensor(chunk.phrase)
        phrase[row, :length] = torch.where(places < 0, -1, places + start)
    page_of = torch.repeat_interleave(torch.arange(len(pages)), torch.tensor(phrases))
    return Batch(ids, mask, phrase, page_of, len(pages))


class PageNetwork(nn.Module):
    """``encoder`` is any model with a ``last_hidden_state``, ``config`` its Hugging Face configuration; ``answers`` counts the
    page's questions.

    ``forward`` returns the page logits ``(D, answers)`` and the phrase logits ``(S, 2 + indicators)``: whether the phrase
    carries the offer, whether it speaks against one, and which indicator it carries.
    """

    def __init__(self, encoder: nn.Module, config: Mapping[str, Any], answers: int, indicators: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = dict(config)
        width: int = config["hidden_size"]
        self.norm = nn.LayerNorm(width)
        self.key = nn.Linear(width, width // 2)
        self.query = nn.Linear(width // 2, QUERIES)
        self.phrase = nn.Linear(width, 2 + indicators)
        self.page = nn.Linear((QUERIES + 1) * width + 4, answers)
        self.dropout = nn.Dropout(DROPOUT)
        self.pad: int = config.get("pad_token_id") or 0

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state.float()
        phrases, read = _mean(hidden.flatten(0, 1), batch.phrase.flatten(), len(batch.page))
        phrases = self.norm(phrases)
        said = self.phrase(self.dropout(phrases))
        # A phrase that no chunk read has no say. The tanh bounds the attention's logits, so that they need no shift.
        attention = torch.exp(self.query(torch.tanh(self.key(phrases)))) * (read > 0)[:, None]
        total = _sum(attention, batch.page, batch.pages).clamp_min(1e-6)
        share = attention / total[batch.page]
        pooled = [_sum(phrases * share[:, [i]], batch.page, batch.pages) for i in range(QUERIES)]
        length = _sum(read[:, None], batch.page, batch.pages).clamp_min(1)
        pooled.append(_sum(phrases * read[:, None], batch.page, batch.pages) / length)
        told = torch.sigmoid(said[:, :2]) * (read > 0)[:, None]
        pooled.append(_sum(told * read[:, None], batch.page, batch.pages) / length)
        pooled.append(_largest(told, batch.page, batch.pages))
        return self.page(self.dropout(torch.cat(pooled, 1))), said


def _sum(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Rows summed by group, shape ``(groups, columns)``."""
    return values.new_zeros(groups, values.shape[1]).index_add(0, group, values)


def _mean(values: Tensor, group: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Rows averaged by group (-1: none), and how many rows each group had."""
    inside = group >= 0
    total = _sum(values[inside], group[inside], groups)
    count = _sum(values.new_ones(int(inside.sum()), 1), group[inside], groups)
    return total / count.clamp_min(1), count[:, 0]


def _largest(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """The largest row value by group and column; values are not negative."""
    index = group[:, None].expand_as(values)
    return values.new_zeros(groups, values.shape[1]).scatter_reduce(0, index, values, "amax")


def predict(
    network: PageNetwork, pieces: Pieces, pages: Sequence[Sequence[str]]
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
    """Logits of pages given as phrases: ``(pages, answers)``, and for each page ``(phrases, 2 + indicators)``."""
    network.eval()
    order = sorted(range(len(pages)), key=lambda i: sum(map(len, pages[i])))
    logits: dict[int, NDArray[np.float32]] = {}
    phrases: dict[int, NDArray[np.float32]] = {}
    for place in range(0, len(order), PAGES):
        chosen = order[place : place + PAGES]
        sizes = [max(len(pages[i]), 1) for i in chosen]
        chunks = [pieces.chunks(pages[i] or [""]) for i in chosen]
        with torch.inference_mode():
            page, said = network(collate(chunks, sizes, network.pad))
        for i, row, own, parts in zip(chosen, page.numpy(), said.split(sizes), chunks, strict=True):
            read = np.zeros((len(own), 1), dtype=bool)
            read[[place for part in parts for place in part.phrase if place >= 0]] = True
            logits[i], phrases[i] = row, np.where(read, own.numpy(), np.float32(UNREAD))[: len(pages[i])]
    return np.stack([logits[i] for i in range(len(pages))]), [phrases[i] for i in range(len(pages))]

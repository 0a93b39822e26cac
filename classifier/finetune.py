"""Fine-tuning the transformer on the corpus: several losses, and the mean of its last steps as the result."""

from __future__ import annotations

import math
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

from classifier.chunks import Chunk, Pieces
from classifier.corpus import Text
from classifier.network import PageNetwork, collate
from classifier.precision import Numbers, fastest
from classifier.samples import Line, companions, joined, lines, varied
from classifier.train import SEED
from classifier.transformer import answers, save_model
from data.facts import taxonomy

EPOCHS = 4
PAGES = 12  # in one step
ENCODER_RATE, HEAD_RATE, DECAY_BY_LAYER = 1e-4, 1e-3, 0.92
SMOOTHING = 0.05
KEPT = 0.99  # of the mean of the weights, a step

Told = Callable[[str, float], None]


def finetune(
    texts: Sequence[Text],
    start: Path | str,
    pieces: Pieces,
    told: Told = lambda _what, _share: None,
    epochs: int = EPOCHS,
) -> PageNetwork:
    """Train on the texts that are not held out. The result is the exponential mean of the weights over the last steps, so
    that no held-out text has a say in it.

    ``start`` is a checkpoint directory or a Hugging Face name. Borderline texts are trained on as half an offer.
    """
    torch.manual_seed(SEED)
    random = Random(SEED)  # noqa: S311 - must be repeatable
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(start)
    # Dropout inside the attention costs the fast kernel, and a third of the time; the other dropouts stay.
    config.attention_probs_dropout_prob = 0.0
    encoder = AutoModel.from_pretrained(start, config=config)
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    # Words that the corpus never uses keep their place beside those it does.
    encoder.get_input_embeddings().requires_grad_(False)
    names, indicators = answers(), list(taxonomy().indicators)
    network = PageNetwork(encoder, config.to_dict(), len(names), len(indicators)).to(device)
    pages = [lines(text) for text in texts]
    fit = [i for i, text in enumerate(texts) if not text.held_out]
    lengths = [sum(len(line.text) for line in page) for page in pages]
    peers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in fit:
        peers[texts[i].label, texts[i].genre].append(i)
    innocent = [pages[i] for i in fit if texts[i].label == "negative" and not texts[i].hard and pages[i]]
    rates = _rates(network)
    optimiser = torch.optim.AdamW(rates, weight_decay=0.01)
    steps = epochs * math.ceil(len(fit) / PAGES)
    warm = max(steps // 12, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, max((steps - step) / (steps - warm), 0.0))
    )
    fast = device.type == "cuda" or fastest() is not Numbers.FP32
    mean = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(KEPT))  # type: ignore[no-untyped-call]
    step = 0
    for epoch in range(epochs):
        network.train()
        together = [companions(i, peers[texts[i].label, texts[i].genre], random) for i in fit]
        for chosen in _batches(together, [sum(lengths[i] for i in parts) for parts in together], random):
            sample = [
                varied([line for i in parts for line in pages[i]], innocent, random) or [Line("")] for parts in chosen
            ]
            chunks = [pieces.chunks([line.text for line in page]) for page in sample]
            with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                told_page, told_phrase = network(
                    collate(chunks, [len(page) for page in sample], network.pad).to(device)
                )
            loss = page_loss(
                told_page.float(), [joined([texts[i] for i in parts]) for parts in chosen], names
            ) + phrase_loss(told_phrase.float(), sample, chunks, indicators)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            mean.update_parameters(network)
            step += 1
            told(f"第 {epoch + 1}/{epochs} 轮，损失 {loss.item():.3f}", step / steps)
    trained = mean.module
    assert isinstance(trained, PageNetwork)
    return trained.cpu().eval()


def finetune_into(texts: Sequence[Text], start: Path | str, directory: Path, told: Told) -> None:
    """As ``finetune``, written to a model's folder."""
    pieces = Pieces(AutoTokenizer.from_pretrained(start).backend_tokenizer)
    began = datetime.now(UTC)
    network = finetune(texts, start, pieces, told)
    minutes = (datetime.now(UTC) - began).total_seconds() / 60
    count = sum(not text.held_out for text in texts)
    training = (
        f"Trained on {began:%Y-%m-%d} on {count} texts in {EPOCHS} epochs and {minutes:.0f} minutes ({_machine()})."
    )
    save_model(network, pieces, directory, training)


def _machine() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {fastest()}"


def _rates(network: PageNetwork) -> list[dict[str, object]]:
    """Parameters with their learning rates: the heads fast, the encoder slower towards its input."""
    layers: int = network.config["num_hidden_layers"]
    groups: list[dict[str, object]] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith("encoder.encoder.layer."):
            depth = layers - 1 - int(name.split(".")[3])
            rate = ENCODER_RATE * DECAY_BY_LAYER**depth
        elif name.startswith("encoder."):
            rate = ENCODER_RATE * DECAY_BY_LAYER**layers
        else:
            rate = HEAD_RATE
        groups.append({"params": [parameter], "lr": rate})
    return groups


def _batches(pages: Sequence[list[int]], lengths: Sequence[int], random: Random) -> Iterator[list[list[int]]]:
    """Every page once, those of like length together, in random order."""
    noisy = [
        page for _, page in sorted((n * random.uniform(0.7, 1.4), page) for n, page in zip(lengths, pages, strict=True))
    ]
    batches = [noisy[place : place + PAGES] for place in range(0, len(noisy), PAGES)]
    random.shuffle(batches)
    yield from batches


def page_loss(logits: Tensor, texts: Sequence[Text], names: Sequence[str]) -> Tensor:
    """Offer or not; of offers, which indicators; and the genre. Labels are smoothed."""
    device = logits.device
    offers = torch.tensor([{"positive": 1.0, "negative": 0.0, "borderline": 0.5}[text.label] for text in texts])
    smooth = offers * (1 - 2 * SMOOTHING) + SMOOTHING
    loss = F.binary_cross_entropy_with_logits(logits[:, 0], smooth.to(device))
    first = next(i for i, name in enumerate(names) if name.startswith("genre:"))
    rows = [i for i, text in enumerate(texts) if text.label == "positive"]
    if rows:
        truth = torch.tensor(
            [
                [float(n in (*texts[i].activities, *texts[i].roles, *texts[i].audience)) for n in names[1:first]]
                for i in rows
            ]
        )
        smooth = truth * (1 - 2 * SMOOTHING) + SMOOTHING
        loss = loss + F.binary_cross_entropy_with_logits(logits[rows, 1:first], smooth.to(device))
    genres = torch.tensor([names.index(f"genre:{text.genre}") - first for text in texts])
    return loss + 0.3 * F.cross_entropy(logits[:, first:], genres.to(device), label_smoothing=SMOOTHING)


def phrase_loss(
    logits: Tensor, pages: Sequence[Sequence[Line]], chunks: Sequence[Sequence[Chunk]], indicators: Sequence[str]
) -> Tensor:
    """Which phrases carry the offer and which speak against it; of those that carry it, which indicator."""
    device = logits.device
    read = [index for page in _read(chunks, pages) for index in page]
    every = [line for page in pages for line in page]
    if not read:
        return logits.sum() * 0
    said = logits[read]
    chosen = [every[i] for i in read]
    weights = torch.tensor([[line.carries_weight, line.against_weight] for line in chosen], device=device)
    truth = torch.tensor([[line.carries, line.against] for line in chosen], device=device)
    loss = 0.5 * F.binary_cross_entropy_with_logits(said[:, :2], truth, weights)
    known = [i for i, line in enumerate(chosen) if line.indicator in indicators]
    if known:
        which = torch.tensor([indicators.index(chosen[i].indicator) for i in known], device=device)
        loss = loss + 0.15 * F.cross_entropy(said[known, 2:], which, label_smoothing=SMOOTHING)
    return loss


def _read(chunks: Sequence[Sequence[Chunk]], pages: Sequence[Sequence[Line]]) -> Iterator[list[int]]:
    """The phrases that a chunk holds, counted over the batch."""
    start = 0
    for page, lines_of in zip(chunks, pages, strict=True):
        yield sorted({start + place for chunk in page for place in chunk.phrase if place >= 0})
        start += len(lines_of)

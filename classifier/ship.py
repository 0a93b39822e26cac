"""From labelled texts to a model's folder: train, calibrate what will really run, find the limits, measure, write the cards."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.calibrate import across, calibrate
from classifier.calibration import Calibration, Cascade, Frozen
from classifier.card import write_card, write_encoder_card
from classifier.corpus import Text
from classifier.faithful import faithful
from classifier.figures import Figures, Said, figures_of
from classifier.judge import Judge
from classifier.limits import limits
from classifier.model import chunks_of
from classifier.models import ENCODER, LINEAR, copy_encoder
from classifier.train import train

# Of the offers that the transformer would confirm at most this share may stay below the gate.
LOST = 0.005
# At most this share of texts like the corpus is said to be strange.
STRANGE = 0.005

Told = Callable[[str, float], None]


@dataclass(frozen=True)
class Shipped:
    """What came of it: the calibration that was written, and the figures of the frozen groups by either model."""

    calibration: Calibration
    linear: Figures
    cascade: Figures | None


def ship(
    texts: Sequence[Text],
    directory: Path,
    *,
    later: Sequence[Text] = (),
    start: Path | str | None = None,
    encoder: Path | None = None,
    told: Told = lambda _what, _share: None,
) -> Shipped:
    """Train on the texts and write the model's folder.

    The linear model is always trained, on ``texts``; a transformer learns from those that are ``later`` too. ``start`` (a
    checkpoint directory or Hugging Face name) has a transformer fine-tuned, ``encoder`` (a model's folder) has that model's
    transformer kept and calibrated anew; with neither the linear model stands alone. Sigmoids and limits come from texts
    that had no part in the training (of a transformer that is kept no reviewed page had), figures from those of them that
    are no reviewed pages: the frozen groups, which stay the same from one model to the next.
    """
    began = time.perf_counter()
    model, outside = train(texts, later, lambda what: told(what, 0.0))
    digest = model.save(directory / LINEAR)
    held = np.array([text.held_out or (start is None and bool(text.evidence)) for text in outside.texts])
    chosen = [text for text, apart in zip(outside.texts, held, strict=True) if apart]
    frozen = np.array([not text.evidence for text in chosen])
    tested = [text for text in chosen if not text.evidence]
    said = Said.of(np.stack([outside.heads[name][held] for name in outside.heads], axis=1), list(outside.heads))
    alone = limits(said, chosen)
    linear = best = figures_of(said.among(frozen), alone, tested)
    cascade, read = None, None
    if start is not None:
        from classifier.finetune import finetune_into  # needs torch and transformers

        finetune_into([*texts, *later], start, directory / ENCODER, told)
    elif encoder is not None:
        copy_encoder(encoder, directory)
    if start is not None or encoder is not None:
        told("校准", 1.0)
        cascade, said = settle(directory / ENCODER, chosen, outside.heads["offer"][held])
        best = read = figures_of(said.among(frozen), cascade, tested)
    calibration = Calibration(
        linear=alone,
        cascade=cascade,
        familiar=float(np.quantile(outside.known, STRANGE)),
        frozen=Frozen(
            digest=digest_of(tested),
            texts=len(tested),
            average_precision=best.average_precision,
            recall=best.recall_at["0.95"],
            calibration_error=best.errors["offer"],
        ),
        decisions=sum(bool(text.evidence) for text in texts),
    )
    calibration.save(directory)
    write_card(directory, texts, linear, alone, digest, time.perf_counter() - began)
    if cascade is not None and read is not None:
        judge = Judge(directory)
        offers = [text for text in tested if text.label == "positive"]
        reasons = faithful(judge, offers, list(judge.judge_all([text.text for text in offers])))
        weights = hashlib.sha256((directory / ENCODER / "encoder.safetensors").read_bytes()).hexdigest()
        write_encoder_card(directory, [*texts, *later], read, cascade, reasons, weights)
    return Shipped(calibration, linear, read)


def settle(directory: Path, texts: Sequence[Text], linear: NDArray[np.float64]) -> tuple[Cascade, Said]:
    """Sigmoids, gate and limits for the transformer in the folder, and what it says of the texts, all of them read, by
    sigmoids that were fitted without the text's group.

    ``linear`` is the linear model's out-of-fold probability of an offer for each.
    """
    from classifier.transformer import Transformer, answers  # needs torch

    readings = Transformer.load(directory).read([text.text for text in texts])
    logits = np.stack([reading.logits for reading in readings])
    names = answers()
    said = Said.of(across(logits, linear, texts, names), names)
    whole = limits(said, texts)
    offers = np.array([text.label == "positive" for text in texts])
    chunks = np.array([chunks_of(text.text) for text in texts])
    gate = gate_of(linear, chunks, offers & (said.scores >= whole.review))
    return Cascade(**dict(whole), gate=gate, heads=calibrate(logits, linear, texts, names)), said


def gate_of(linear: NDArray[np.float64], chunks: NDArray[np.int64], confirmed: NDArray[np.bool_]) -> float:
    """The linear probability a chunk below which at most ``LOST`` of the confirmed offers lie, by the gate's rank among
    them; with fewer than that share allows one of, just below the lowest."""
    worth = np.sort((linear / chunks)[confirmed])
    if not len(worth):
        return 0.0
    return float(worth[int(LOST * len(worth))]) * 0.999


def digest_of(texts: Sequence[Text]) -> str:
    """Names the texts of the corpus among these: what a later model must have been measured on to be compared."""
    parts = sorted(f"{text.id}\x00{text.label}\x00{text.text}" for text in texts if not text.evidence)
    return hashlib.sha256("\x01".join(parts).encode()).hexdigest()[:16]

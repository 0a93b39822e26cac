"""The model card: written by training from what it measured, so that no figure in it is typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifier.corpus import Text
from classifier.evaluate import calibration_error, curve
from data.facts import thresholds


def write_card(path: Path, texts: Sequence[Text], outside: NDArray[np.float64], digest: str, seconds: float) -> str:
    """Write the card and return its summary. ``outside`` are the out-of-fold scores of the non-borderline texts."""
    used = [text for text in texts if text.label != "borderline"]
    truth = np.array([text.label == "positive" for text in used])
    figures = curve(truth, outside)
    threshold = thresholds().review
    said = outside >= threshold
    precision = (said & truth).sum() / max(said.sum(), 1)
    recall = (said & truth).sum() / truth.sum()
    hard = sum(text.hard for text in used if text.label == "negative")
    negatives = int((~truth).sum())
    genres = Counter((text.label, text.genre) for text in used)
    rows = "\n".join(
        f"| {label} | {genre} | {count} | {_rate(used, said, label, genre)} |"
        for (label, genre), count in sorted(genres.items())
    )
    summary = (
        f"{len(used)} texts in {len({text.group for text in used})} groups, {int(truth.sum())} positive, "
        f"{negatives} negative ({hard} hard). Out of fold: AP {figures['average_precision']:.3f}, "
        f"precision {precision:.3f} and recall {recall:.3f} at {threshold:g}, "
        f"recall at precision 0.95 {figures['recall_at_precision']['0.95']:.2f}, "
        f"calibration error {calibration_error(truth, outside):.3f}."
    )
    path.write_text(
        f"""# The linear model

Written by `takedown train` on {datetime.now(UTC):%Y-%m-%d} in {seconds:.0f} s; do not edit by hand.

- **What it does.** Gives the probability that a Chinese text offers or promotes virtual-currency exchange business,
  and a probability per activity, role, audience and genre. It ranks what people look at; it decides nothing.
- **How.** TF-IDF of character 1- to 3-grams, lexicon densities and page structure, one logistic regression per
  question, each calibrated by a sigmoid on out-of-fold scores (groups never stand on both sides).
- **Data.** `data/corpus/*.jsonl`, written for this project (see its README); no page of the real web.
- **Figures.** {summary}
- **Limits.** Simplified and traditional Chinese only; text in pictures is not seen; a text under forty characters is
  judged with little confidence; only the first 20,000 characters are read. Written texts are tidier than the web:
  measure on your own pages with `takedown evaluate`.
- **Weights.** `linear.safetensors`, SHA-256 `{digest}`.

| label | genre | texts | called an offer, out of fold |
|---|---|---|---|
{rows}
""",
        "utf8",
    )
    return summary


def _rate(used: Sequence[Text], said: NDArray[np.bool_], label: str, genre: str) -> str:
    inside = [said[i] for i, text in enumerate(used) if (text.label, text.genre) == (label, genre)]
    return f"{np.mean(inside):.0%}"

"""How good the model is on labelled texts; the figures and keys of the command-line contract."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve

from classifier.corpus import Text
from classifier.judge import Judge
from data.facts import taxonomy, thresholds

BINS = 10


class NothingToMeasure(Exception):
    """The corpus holds no positive or no negative text."""


def evaluate(judge: Judge, texts: Sequence[Text]) -> dict[str, Any]:
    """Judge every text and measure. Borderline texts are left out of the figures and listed with their scores."""
    started = time.perf_counter()
    judged = list(judge.judge_all([text.text for text in texts]))
    seconds = time.perf_counter() - started
    sure = [i for i, text in enumerate(texts) if text.label != "borderline"]
    truth = np.array([texts[i].label == "positive" for i in sure])
    scores = np.array([judged[i].score for i in sure])
    if not truth.any() or truth.all():
        raise NothingToMeasure("语料中须同时有正例与反例才能评测。")
    threshold = thresholds().review
    said = scores >= threshold
    right = int((said & truth).sum())
    precision = right / max(int(said.sum()), 1)
    recall = right / int(truth.sum())
    facts = taxonomy()
    return {
        "texts": len(texts),
        **curve(truth, scores),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(precision + recall, 1e-9),
        "ece": calibration_error(truth, scores),
        "false_positive_rate": {
            genre: float(np.mean([said[k] for k, i in enumerate(sure) if texts[i].genre == genre and not truth[k]]))
            for genre in sorted({texts[i].genre for k, i in enumerate(sure) if not truth[k]})
        },
        "activities_macro_f1": _macro([a.id for a in facts.activities], texts, judged, sure, "activities"),
        "roles_macro_f1": _macro([r.id for r in facts.roles], texts, judged, sure, "roles"),
        "documents_per_second": len(texts) / seconds,
        "threshold": threshold,
        "model": judge.version,
        "borderline": [
            {"id": text.id, "score": judged[i].score} for i, text in enumerate(texts) if text.label == "borderline"
        ],
    }


def curve(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, Any]:
    """Average precision, and the highest recall reached at a fixed precision."""
    precision, recall, _ = precision_recall_curve(truth, scores)
    return {
        "average_precision": float(average_precision_score(truth, scores)),
        "recall_at_precision": {
            name: float(max(recall[precision >= float(name)], default=0.0)) for name in ("0.95", "0.99")
        },
    }


def calibration_error(truth: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Expected calibration error over ten bins of equal width (Naeini et al. 2015)."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    error = 0.0
    for index in range(BINS):
        inside = bins == index
        if inside.any():
            error += inside.mean() * abs(truth[inside].mean() - scores[inside].mean())
    return float(error)


def _macro(names: list[str], texts: Sequence[Text], judged: Sequence[Any], sure: list[int], field: str) -> float:
    """Macro-averaged F1 over the indicators that occur in the corpus."""
    figures = []
    for name in names:
        truth = [name in getattr(texts[i], field) for i in sure]
        if any(truth):
            figures.append(f1_score(truth, [judged[i].indicators.get(name, 0.0) >= 0.5 for i in sure]))
    return float(np.mean(figures)) if figures else 0.0

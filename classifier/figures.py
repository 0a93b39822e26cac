"""How good answers are: the same figures for the cards, for ``evaluate`` and for the benchmark."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve

from classifier.calibration import Limits
from classifier.corpus import Text
from data.facts import taxonomy

BINS = 10


class NothingToMeasure(Exception):
    """The corpus holds no positive or no negative text."""


@dataclass(frozen=True)
class Said:
    """What a model says of texts: probabilities of an offer, ``(texts,)``, and of each indicator, the same shape."""

    scores: NDArray[np.float64]
    indicators: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: NDArray[np.float64], names: Sequence[str]) -> Said:
        """From probabilities ``(texts, names)`` that ask for the indicators as if each text were an offer."""
        scores = found[:, names.index("offer")]
        known = [name for name in taxonomy().indicators if name in names]
        return cls(scores, {name: scores * found[:, names.index(name)] for name in known})

    def among(self, chosen: NDArray[np.bool_]) -> Said:
        """Of the chosen texts only."""
        return Said(self.scores[chosen], {name: values[chosen] for name, values in self.indicators.items()})


@dataclass(frozen=True)
class Figures:
    """At the working threshold, ``review``. ``errors`` are expected calibration errors by head, those of indicators among
    offers that are known to be ones; ``alarms`` has of each innocent genre the texts and the share called an offer."""

    texts: int
    average_precision: float
    recall_at: dict[str, float]
    precision: float
    recall: float
    f1: float
    activities: float
    roles: float
    errors: dict[str, float]
    alarms: dict[str, tuple[int, float]]


def figures_of(said: Said, limits: Limits, texts: Sequence[Text]) -> Figures:
    """Borderline texts have no part. Raises ``NothingToMeasure``."""
    sure = np.array([text.label != "borderline" for text in texts], dtype=bool)
    said, texts = said.among(sure), [text for text in texts if text.label != "borderline"]
    truth = np.array([text.label == "positive" for text in texts], dtype=bool)
    if not truth.any() or truth.all():
        raise NothingToMeasure("语料中须同时有正例与反例才能评测。")
    called = said.scores >= limits.review
    right = int((called & truth).sum())
    precision, recall = right / max(int(called.sum()), 1), right / int(truth.sum())
    facts = taxonomy()
    has = {name: np.array([name in text.indicators for text in texts]) for name in facts.indicators}
    errors = {"offer": calibration_error(truth, said.scores)}
    for name, chances in said.indicators.items():
        if has[name].any():
            given = np.minimum(chances[truth] / np.maximum(said.scores[truth], 1e-6), 1.0)
            errors[name] = calibration_error(has[name][truth], given)
    genres = np.array([text.genre for text in texts])
    alarms = {
        str(genre): (int(of.sum()), float(called[of].mean()))
        for genre in sorted(set(genres[~truth]))
        if (of := (genres == genre) & ~truth).any()
    }
    return Figures(
        texts=len(texts),
        average_precision=float(average_precision_score(truth, said.scores)),
        recall_at=recall_at(truth, said.scores),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(precision + recall, 1e-9),
        activities=_macro([each.id for each in facts.activities], said, limits, has),
        roles=_macro([each.id for each in facts.roles], said, limits, has),
        errors=errors,
        alarms=alarms,
    )


def recall_at(truth: NDArray[np.bool_], scores: NDArray[np.floating]) -> dict[str, float]:
    """The highest recall reached at a fixed precision."""
    precision, recall, _ = precision_recall_curve(truth, scores)
    return {name: float(max(recall[precision >= float(name)], default=0.0)) for name in ("0.95", "0.99")}


def calibration_error(truth: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Expected calibration error over ten bins of equal width (Naeini et al. 2015)."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    error = 0.0
    for index in range(BINS):
        inside = bins == index
        if inside.any():
            error += inside.mean() * abs(truth[inside].mean() - scores[inside].mean())
    return float(error)


def _macro(names: Collection[str], said: Said, limits: Limits, has: Mapping[str, NDArray[np.bool_]]) -> float:
    """Macro-averaged F1 over the indicators that occur in the texts."""
    never = np.zeros(len(said.scores))
    rates = [
        f1_score(has[name], said.indicators.get(name, never) >= limits.named[name]) for name in names if has[name].any()
    ]
    return float(np.mean(rates)) if rates else 0.0

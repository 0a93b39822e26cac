"""Logits into probabilities that mean something: Platt's sigmoid per question, one temperature for the genres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from classifier.calibration import Sigmoid
from classifier.corpus import Text
from classifier.train import FEWEST
from data.facts import taxonomy

PARTS = 5
Heads = Mapping[str, Sigmoid]


def sigmoid(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values.astype(np.float64), -50, 50))))


def softmax(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Over the last axis; of no rows, none."""
    raised = np.exp(values.astype(np.float64) - values.max(1, keepdims=True, initial=-1e9))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def logit(chances: NDArray[np.floating]) -> NDArray[np.float64]:
    bounded = np.clip(chances.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(bounded / (1 - bounded)))


def probabilities(
    logits: NDArray[np.float32], linear: NDArray[np.floating], heads: Heads, names: Sequence[str]
) -> NDArray[np.float64]:
    """Calibrated probabilities, the shape of ``logits``, columns ``names``; ``linear`` is the linear model's of an offer."""
    slope, shift, weight = np.array([(heads[name].slope, heads[name].shift, heads[name].linear) for name in names]).T
    margins = logits * slope + shift + logit(linear)[:, None] * weight
    found = sigmoid(margins)
    genres = _genres(names)
    found[:, genres] = softmax(margins[:, genres])
    return found


def calibrate(
    logits: NDArray[np.float32], linear: NDArray[np.floating], texts: Sequence[Text], names: Sequence[str]
) -> dict[str, Sigmoid]:
    """A sigmoid for every answer. ``linear`` are probabilities of models that had not seen the texts either.

    Only the question of the offer heeds the linear model. Indicators are asked of offers only.
    """
    offer = np.array([text.label == "positive" for text in texts])
    sure = np.array([text.label != "borderline" for text in texts])
    found = {"offer": blend(logits[sure, names.index("offer")], logit(linear[sure]), offer[sure])}
    for name in taxonomy().indicators:
        truth = np.array([name in text.indicators for text in texts])
        found[name] = platt(logits[offer, names.index(name)], truth[offer])
    genres = _genres(names)
    target = np.array([names.index(f"genre:{text.genre}") for text in texts]) - genres[0]

    def surprise(slope: float) -> float:
        return float(-np.log(softmax(logits[:, genres] * slope)[np.arange(len(texts)), target] + 1e-9).mean())

    heat = Sigmoid(slope=minimize_scalar(surprise, bounds=(0.2, 5.0), method="bounded").x)
    return found | {names[column]: heat for column in genres}


def platt(margins: NDArray[np.floating], truth: NDArray[np.bool_]) -> Sigmoid:
    """The rising sigmoid (Platt 1999); of few known answers what the margins say unchanged."""
    if min(truth.sum(), (~truth).sum()) < FEWEST:
        return Sigmoid()
    fitted = LogisticRegression(C=100.0).fit(margins[:, None], truth)
    slope = float(fitted.coef_[0, 0])
    return Sigmoid(slope=slope, shift=float(fitted.intercept_[0])) if slope > 0 else Sigmoid()


def blend(margins: NDArray[np.floating], others: NDArray[np.floating], truth: NDArray[np.bool_]) -> Sigmoid:
    """A sigmoid of both models' calibrated logits, each with an equal say (a logarithmic opinion pool, Genest and Zidek 1986).

    Their shares are not fitted: the texts at hand are by the writers that the model learned from, who flatter the one that
    reads above what it does on pages of the world.
    """
    own = platt(margins, truth)
    both = platt((margins * own.slope + own.shift + others) / 2, truth)
    return Sigmoid(
        slope=both.slope * own.slope / 2, shift=both.slope * own.shift / 2 + both.shift, linear=both.slope / 2
    )


def across(
    logits: NDArray[np.float32], linear: NDArray[np.floating], texts: Sequence[Text], names: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities of texts whose groups had no part in the calibration: what figures are honestly taken from."""
    groups = [text.group or text.id or str(index) for index, text in enumerate(texts)]
    found = np.zeros(logits.shape)
    for fit, held in GroupKFold(PARTS).split(logits, groups=groups):
        heads = calibrate(logits[fit], linear[fit], [texts[i] for i in fit], names)
        found[held] = probabilities(logits[held], linear[held], heads, names)
    return found


def _genres(names: Sequence[str]) -> list[int]:
    return [column for column, name in enumerate(names) if name.startswith("genre:")]

"""Logits into probabilities that mean something: Platt's sigmoid per question, one temperature for the genres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from classifier.corpus import Text
from classifier.train import FEWEST
from data.facts import taxonomy

PARTS = 5


def sigmoid(values: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values.astype(np.float64), -50, 50))))


def platt(margins: NDArray[np.floating], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and shift of the sigmoid (Platt 1999); a rising one, or what the margins say unchanged when few are known."""
    if min(truth.sum(), (~truth).sum()) < FEWEST:
        return 1.0, 0.0
    fitted = LogisticRegression(C=100.0).fit(margins[:, None], truth)
    slope = float(fitted.coef_[0, 0])
    return (slope, float(fitted.intercept_[0])) if slope > 0 else (1.0, 0.0)


def logit(chances: NDArray[np.floating]) -> NDArray[np.float64]:
    bounded = np.clip(chances.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(bounded / (1 - bounded)))


def calibrate(
    logits: NDArray[np.float32], linear: NDArray[np.floating], texts: Sequence[Text], names: Sequence[str]
) -> NDArray[np.float32]:
    """Slope, shift and the linear model's weight for every answer, shape ``(3, answers)``:
    ``probability = sigmoid(slope · logit + shift + weight · logit of the linear model's)``.

    ``linear`` are the linear model's out-of-fold probabilities of an offer; only that question heeds them. Indicators are
    asked of offers only. The genres share one slope, a temperature, and go through a softmax.
    """
    offer = np.array([text.label == "positive" for text in texts])
    sure = np.array([text.label != "borderline" for text in texts])
    found = np.zeros((3, len(names)), dtype=np.float32)
    indicators = taxonomy().indicators
    for column, name in enumerate(names):
        if name == "offer":
            found[:, column] = blend(logits[sure, column], logit(linear[sure]), offer[sure])
        elif name in indicators:
            truth = np.array([name in (*text.activities, *text.roles, *text.audience) for text in texts])
            found[:2, column] = platt(logits[offer, column], truth[offer])
    genres = [i for i, name in enumerate(names) if name.startswith("genre:")]
    target = np.array([names.index(f"genre:{text.genre}") - genres[0] for text in texts])

    def surprise(slope: float) -> float:
        return float(-np.log(softmax(logits[:, genres] * slope)[np.arange(len(texts)), target] + 1e-9).mean())

    found[0, genres] = minimize_scalar(surprise, bounds=(0.2, 5.0), method="bounded").x
    return found


def blend(
    margins: NDArray[np.floating], others: NDArray[np.floating], truth: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Slope, shift and the weight of the other model's logits; as ``platt`` when they do not help."""
    if min(truth.sum(), (~truth).sum()) >= FEWEST:
        fitted = LogisticRegression(C=100.0).fit(np.stack([margins, others], axis=1), truth)
        slope, weight = fitted.coef_[0]
        if slope > 0 and weight > 0:
            return float(slope), float(fitted.intercept_[0]), float(weight)
    return *platt(margins, truth), 0.0


def probabilities(
    logits: NDArray[np.float32], linear: NDArray[np.floating], calibration: NDArray[np.float32], names: Sequence[str]
) -> NDArray[np.float64]:
    """Calibrated probabilities, the shape of ``logits``; ``linear`` is the linear model's of an offer, ``(texts,)``."""
    margins = logits * calibration[0] + calibration[1] + logit(linear)[:, None] * calibration[2]
    found = sigmoid(margins)
    genres = [i for i, name in enumerate(names) if name.startswith("genre:")]
    found[:, genres] = softmax(margins[:, genres])
    return found


def across(
    logits: NDArray[np.float32], linear: NDArray[np.floating], texts: Sequence[Text], names: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities of texts whose groups had no part in the calibration: what figures are honestly taken from."""
    groups = [text.group or text.id or str(index) for index, text in enumerate(texts)]
    found = np.zeros(logits.shape)
    for fit, held in GroupKFold(PARTS).split(logits, groups=groups):
        fitted = calibrate(logits[fit], linear[fit], [texts[i] for i in fit], names)
        found[held] = probabilities(logits[held], linear[held], fitted, names)
    return found


def softmax(values: NDArray[np.floating]) -> NDArray[np.float64]:
    raised = np.exp(values.astype(np.float64) - values.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))

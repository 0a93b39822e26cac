"""Training the linear model from the corpus: grouped folds, a logistic head per question, Platt calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from classifier import features
from classifier.corpus import Text
from classifier.model import TEXT_LIMIT, Head, LinearModel, design, grams_of, vectoriser
from classifier.normalise import normalise
from data.facts import taxonomy

FOLDS = 5
SEED = 20210915
FEWEST = 8


@dataclass(frozen=True)
class Outside:
    """What models that never saw a text's group say of it: a calibrated probability per head, ``(texts,)`` each, and the
    share of its n-grams they knew. Indicators are asked as if the text were an offer."""

    texts: list[Text]
    heads: dict[str, NDArray[np.float64]]
    known: NDArray[np.float64]


class TooLittle(Exception):
    """The corpus cannot carry a model; the message says what is missing."""


def train(
    texts: Sequence[Text], others: Sequence[Text] = (), told: Callable[[str], None] = lambda _: None
) -> tuple[LinearModel, Outside]:
    """Fit a model to the texts and return it with what is honestly said of them, out of fold, and of the others, which have
    no part in it. Borderline texts are left out. Raises ``TooLittle`` when a class has too few texts or groups."""
    used = [text for text in texts if text.label != "borderline"]
    offer = np.array([text.label == "positive" for text in used])
    groups = np.array([text.group or text.id or str(index) for index, text in enumerate(used)])
    if min(offer.sum(), (~offer).sum()) < FEWEST or len(set(groups)) < FOLDS:
        raise TooLittle(f"训练至少需要正反例各 {FEWEST} 篇、分属 {FOLDS} 个组。")
    normals = [normalise(text.text[:TEXT_LIMIT]) for text in used]
    shape = np.array([features.vector(normal) for normal in normals], dtype=np.float32)
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED).split(shape, offer, groups))

    # Each fold's n-grams and scales are fitted without the held-out groups, and serve every head.
    told("n-grams and features")
    split = []
    known = np.zeros(len(used))
    for fit, held in folds:
        grams = grams_of(vectoriser().fit([normals[i].text for i in fit]))
        mean, scale = shape[fit].mean(0), shape[fit].std(0) + 1e-3
        fit_x, _ = design(grams, mean, scale, [normals[i] for i in fit])
        held_x, known[held] = design(grams, mean, scale, [normals[i] for i in held])
        split.append((fit, held, fit_x, held_x))
    ngrams = vectoriser().fit([normal.text for normal in normals])
    mean, scale = shape.mean(0), shape.std(0) + 1e-3
    everything, _ = design(grams_of(ngrams), mean, scale, normals)

    indicators = set(taxonomy().indicators)
    heads: dict[str, Head] = {}
    outside: dict[str, NDArray[np.float64]] = {}
    for name, truth in _questions(used).items():
        # An indicator is asked of offers only: whether a page is one at all is the offer head's question.
        asked = offer if name in indicators else np.ones_like(offer)
        if min(truth.sum(), (asked & ~truth).sum()) < FEWEST:
            continue
        told(name)
        margins = np.zeros(len(used))
        for fit, held, fit_x, held_x in split:
            rows = asked[fit]
            margins[held] = _fit(fit_x[rows], truth[fit][rows]).decision_function(held_x)
        slope, shift = _calibrate(margins[asked], truth[asked])
        whole = _fit(everything[asked], truth[asked])
        heads[name] = Head(whole.coef_[0].astype(np.float32), float(whole.intercept_[0]), slope, shift)
        outside[name] = 1 / (1 + np.exp(-(margins * slope + shift)))
    model = LinearModel(ngrams, mean, scale, heads)
    unseen = [text for text in others if text.label != "borderline"]
    if not unseen:
        return model, Outside(used, outside, known)
    found, known_there = model.look([text.text for text in unseen])
    whole = {name: np.concatenate([values, found[:, i]]) for i, (name, values) in enumerate(outside.items())}
    return model, Outside([*used, *unseen], whole, np.concatenate([known, known_there]))


def _questions(texts: Sequence[Text]) -> dict[str, NDArray[np.bool_]]:
    facts = taxonomy()
    questions = {"offer": np.array([text.label == "positive" for text in texts])}
    for indicator in facts.indicators:
        questions[indicator] = np.array([indicator in text.indicators for text in texts])
    for genre in facts.genres:
        questions[f"genre:{genre.id}"] = np.array([text.genre == genre.id for text in texts])
    return questions


def _fit(matrix: sp.csr_matrix, truth: NDArray[np.bool_]) -> LogisticRegression:
    return LogisticRegression(C=1.0, class_weight="balanced", max_iter=2000).fit(matrix, truth)


def _calibrate(margins: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Platt's sigmoid on out-of-fold margins (Platt 1999): slope and shift."""
    platt = LogisticRegression(C=100.0).fit(margins[:, None], truth)
    return float(platt.coef_[0, 0]), float(platt.intercept_[0])

"""How good the model is on labelled texts; the figures and keys of the command-line contract."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from classifier.corpus import Text
from classifier.faithful import faithful
from classifier.figures import Said, figures_of
from classifier.judge import Judge
from data.facts import taxonomy


def evaluate(judge: Judge, texts: Sequence[Text]) -> dict[str, Any]:
    """Judge every text and measure. Borderline texts are left out of the figures and listed with their scores.

    Raises ``NothingToMeasure``.
    """
    started = time.perf_counter()
    judged = list(judge.judge_all([text.text for text in texts]))
    seconds = time.perf_counter() - started
    said = Said(
        np.array([found.score for found in judged]),
        {name: np.array([found.indicators.get(name, 0.0) for found in judged]) for name in taxonomy().indicators},
    )
    figures = figures_of(said, judge.limits, texts)
    return {
        "texts": len(texts),
        "average_precision": figures.average_precision,
        "recall_at_precision": figures.recall_at,
        "precision": figures.precision,
        "recall": figures.recall,
        "f1": figures.f1,
        "ece": figures.errors["offer"],
        "false_positive_rate": {genre: rate for genre, (_, rate) in figures.alarms.items()},
        "activities_macro_f1": figures.activities,
        "roles_macro_f1": figures.roles,
        "reasons": asdict(faithful(judge, texts, judged)),
        "abstained": sum(found.abstains for found in judged),
        "documents_per_second": len(texts) / seconds,
        "threshold": judge.limits.review,
        "model": judge.version,
        "borderline": [
            {"id": text.id, "score": found.score}
            for text, found in zip(texts, judged, strict=True)
            if text.label == "borderline"
        ],
    }

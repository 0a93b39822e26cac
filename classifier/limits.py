"""The limits of the three bands, with a promise that holds for finitely many texts.

Learn then test (Angelopoulos et al. 2021), in the order of the scores (fixed-sequence testing): a limit is moved as long as
the hypothesis "more than the promised share goes wrong" is rejected by the binomial tail at the asked confidence. The promise
holds for pages drawn as the tested texts were; on other pages it is measured anew, from reviewers' decisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.metrics import f1_score

from classifier.calibration import Limits
from classifier.corpus import Text
from classifier.figures import Said
from data.facts import Promises, taxonomy, thresholds

GRID = np.round(np.arange(0.0, 1.0, 0.005), 3)
FEWEST = 5
# An indicator's limit is looked for here, so that a handful of texts cannot drive it to an end.
NAMED = np.round(np.arange(0.25, 0.651, 0.05), 2)


def limits(said: Said, texts: Sequence[Text]) -> Limits:
    """From what a model says of texts that had no part in its training.

    The false alarms promised are those among innocent texts that share the subject. Where a promise cannot be kept with so
    few texts, the limit stands where it is surely safe: nothing is dropped, and only the likelier than not is reviewed.
    """
    promises = thresholds().promises
    offers = np.array([text.label == "positive" for text in texts])
    innocent = np.array([text.label == "negative" and text.hard for text in texts])
    review = _lowest(said.scores[innocent], promises)
    sample = _highest(said.scores[offers], promises)
    kept = [name for name, found in (("false_alarms", review), ("missed", sample)) if found is not None]
    reviewed = max(thresholds().likely, review or 0.0)
    return Limits(
        review=reviewed,
        sample=min(sample or 0.0, reviewed),
        named=_named(said.indicators, texts),
        innocent=int(innocent.sum()),
        offers=int(offers.sum()),
        kept=tuple(kept),
    )


def _lowest(innocent: NDArray[np.floating], promises: Promises) -> float | None:
    """The lowest limit at which at most the promised share of innocent texts is reviewed; none can be told of no texts."""
    found = None
    for limit in GRID[::-1]:
        if not _rejected(int((innocent >= limit).sum()), len(innocent), promises.false_alarms, promises.confidence):
            break
        found = float(limit)
    return found


def _highest(offers: NDArray[np.floating], promises: Promises) -> float | None:
    """The highest limit below which at most the promised share of offers lies."""
    found = None
    for limit in GRID:
        if not _rejected(int((offers < limit).sum()), len(offers), promises.missed, promises.confidence):
            break
        found = float(limit)
    return found


def _rejected(wrong: int, of: int, share: float, confidence: float) -> bool:
    """Whether so few wrong ones would be a surprise if the true share were above the promised one."""
    return bool(binom.cdf(wrong, of, share) <= 1 - confidence)


def _named(indicators: Mapping[str, NDArray[np.floating]], texts: Sequence[Text]) -> dict[str, float]:
    """Where each indicator's F1 is best on these texts; the likelier than not where few have it."""
    found = {}
    for name in taxonomy().indicators:
        truth = np.array([name in text.indicators for text in texts])
        if name not in indicators or truth.sum() < FEWEST:
            found[name] = thresholds().likely
            continue
        rates = [f1_score(truth, indicators[name] >= limit) for limit in NAMED]
        best = np.flatnonzero(np.isclose(rates, max(rates)))
        found[name] = float(NAMED[best[len(best) // 2]])
    return found

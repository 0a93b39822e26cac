"""Character n-grams of a text, weighed as scikit-learn's ``TfidfVectorizer`` weighs them, without its loop over n-grams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# A code point takes 21 bits, so three of them, the longest n-gram, make one integer; counted from one, none looks shorter.
_BITS = 21
LONGEST = 3


class Weighed(NamedTuple):
    """The columns of a text's n-grams and their weights, a vector of length one (or none), and the share that is known."""

    columns: NDArray[np.int64]
    weights: NDArray[np.float32]
    known: float


class Grams:
    """The n-grams of a fitted vectoriser (``analyzer="char"``, ``sublinear_tf``, no lower-casing), as sorted integers."""

    def __init__(self, vocabulary: Mapping[str, int], idf: NDArray[np.float32], shortest: int, longest: int) -> None:
        if longest > LONGEST:
            raise ValueError(f"n-grams of {longest} characters do not fit into one integer; at most {LONGEST} do")
        self.sizes = range(shortest, longest + 1)
        self.count = len(vocabulary)
        keys = np.array([_keys(gram, len(gram))[0] for gram in vocabulary], dtype=np.int64)
        order = np.argsort(keys)
        self._keys = keys[order]
        self._columns = np.fromiter(vocabulary.values(), dtype=np.int64, count=len(vocabulary))[order]
        self._idf = np.asarray(idf, dtype=np.float32)

    def weigh(self, text: str) -> Weighed:
        spaced = re.sub(r"\s\s+", " ", text)
        keys, counts = np.unique(np.concatenate([_keys(spaced, size) for size in self.sizes]), return_counts=True)
        places = np.searchsorted(self._keys, keys)
        places[places == self.count] = 0
        known = self._keys[places] == keys
        columns = self._columns[places[known]]
        weights = (1 + np.log(counts[known].astype(np.float32))) * self._idf[columns]
        length = np.sqrt(np.dot(weights, weights))
        share = float(counts[known].sum() / counts.sum()) if len(counts) else 0.0
        return Weighed(columns, weights / length if length else weights, share)


def _keys(text: str, size: int) -> NDArray[np.int64]:
    """One integer for each n-gram of that size, in the text's order."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64) + 1
    keys = points[: max(len(points) - size + 1, 0)]
    for step in range(1, size):
        keys = (keys << _BITS) | points[step : step + len(keys)]
    return keys

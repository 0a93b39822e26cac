"""The linear model: TF-IDF of character n-grams beside lexicon and structure features, one logistic head per question.

Heads: ``offer``; one per activity, role and audience, asked of offers only; one per genre. Each is calibrated by its own sigmoid (Platt),
fitted on out-of-fold scores. Weights live in one safetensors file that needs no unpickling and no network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sklearn.feature_extraction.text import TfidfVectorizer

from classifier import features
from classifier.grams import Grams
from classifier.normalise import Normal, normalise

FORMAT = "1"
NGRAMS = (1, 3)
TEXT_LIMIT = 20_000
# The transformer reads a page in at most so many chunks, each of about so many characters.
CHUNK_LIMIT, CHUNK_CHARACTERS = 2, 420
# How loudly the two halves speak, by trial on grouped folds of the corpus.
NGRAM_WEIGHT, FEATURE_WEIGHT, FEATURE_CLIP = 3.0, 0.4, 4.0


class ModelError(Exception):
    """The model's file is missing, damaged or of another format; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class Head:
    """One question: ``probability = sigmoid(slope · (x · weights + bias) + shift)``."""

    weights: NDArray[np.float32]
    bias: float
    slope: float
    shift: float


def vectoriser(vocabulary: Mapping[str, int] | None = None, size: int = 40_000) -> TfidfVectorizer:
    """The n-gram half, to be fitted, or with the vocabulary it was fitted to."""
    return TfidfVectorizer(
        analyzer="char",
        ngram_range=NGRAMS,
        min_df=1 if vocabulary else 3,
        max_features=None if vocabulary else size,
        sublinear_tf=True,
        vocabulary=vocabulary,
        lowercase=False,
        dtype=np.float32,
    )


class LinearModel:
    """A fitted model. ``version`` names it in every score it gives."""

    def __init__(
        self,
        ngrams: TfidfVectorizer,
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
        heads: Mapping[str, Head],
        version: str = "linear-unsaved",
    ) -> None:
        self.ngrams = ngrams
        self.mean = mean
        self.scale = scale
        self.heads = dict(heads)
        self.version = version
        self._grams = grams_of(ngrams)
        self._weights = np.stack([head.weights for head in self.heads.values()], axis=1)
        self._bias = np.array([head.bias for head in self.heads.values()], dtype=np.float32)
        self._slope = np.array([head.slope for head in self.heads.values()], dtype=np.float32)
        self._shift = np.array([head.shift for head in self.heads.values()], dtype=np.float32)

    def look(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Calibrated probabilities, shape ``(texts, heads)``, columns in the order of ``heads``; and of each text the share
        of its n-grams that the model knows."""
        matrix, known = design(self._grams, self.mean, self.scale, [normalise(text[:TEXT_LIMIT]) for text in texts])
        margin = matrix @ self._weights + self._bias
        return np.asarray(1 / (1 + np.exp(-(margin * self._slope + self._shift))), dtype=np.float32), known

    def predict(self, text: str) -> dict[str, float]:
        """The probability of every head for one text."""
        return dict(zip(self.heads, map(float, self.look([text])[0][0]), strict=True))

    def offer_weight(self, normals: Sequence[Normal]) -> NDArray[np.float32]:
        """How much the n-grams of each piece of text speak for an offer: their share of the margin, shape ``(n,)``."""
        weights = self.heads["offer"].weights
        found = [self._grams.weigh(normal.text) for normal in normals]
        return np.array([of.weights @ weights[of.columns] * NGRAM_WEIGHT for of in found], dtype=np.float32)

    def save(self, path: Path) -> str:
        """Write the weights (half precision) and return the SHA-256 of the file."""
        vocabulary = sorted(self.ngrams.vocabulary_, key=self.ngrams.vocabulary_.get)
        tensors = {
            "idf": self.ngrams.idf_.astype(np.float16),
            "mean": self.mean,
            "scale": self.scale,
            "weights": self._weights.astype(np.float16),
            "calibration": np.stack([self._bias, self._slope, self._shift]),
            "vocabulary": np.frombuffer("\x00".join(vocabulary).encode(), dtype=np.uint8),
        }
        metadata = {"format": FORMAT, "heads": json.dumps(list(self.heads)), "features": json.dumps(features.names())}
        content = save(tensors, metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    @classmethod
    def load(cls, path: Path) -> LinearModel:
        """Read a saved model. Raises ``ModelError``."""
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            with safe_open(path, "np") as stream:
                metadata = stream.metadata()
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(f"无法读取模型 {path}（{error}）；运行 takedown train 可重新训练。") from error
        if metadata.get("format") != FORMAT or json.loads(metadata["features"]) != features.names():
            raise ModelError(f"模型 {path} 与当前词表不符；运行 takedown train 可重新训练。")
        grams = tensors["vocabulary"].tobytes().decode().split("\x00")
        ngrams = vectoriser({gram: index for index, gram in enumerate(grams)})
        ngrams.idf_ = tensors["idf"].astype(np.float32)
        weights = tensors["weights"].astype(np.float32)
        bias, slope, shift = tensors["calibration"]
        heads = {
            name: Head(weights[:, i], float(bias[i]), float(slope[i]), float(shift[i]))
            for i, name in enumerate(json.loads(metadata["heads"]))
        }
        return cls(ngrams, tensors["mean"], tensors["scale"], heads, f"linear-{digest[:12]}")


def chunks_of(text: str) -> int:
    """In about how many chunks the transformer would read the text: what reading it costs."""
    return min(max(-(-len(text) // CHUNK_CHARACTERS), 1), CHUNK_LIMIT)


def grams_of(ngrams: TfidfVectorizer) -> Grams:
    """What a fitted vectoriser has learned, ready to weigh texts."""
    return Grams(ngrams.vocabulary_, ngrams.idf_, *NGRAMS)


def design(
    grams: Grams, mean: NDArray[np.float32], scale: NDArray[np.float32], normals: Sequence[Normal]
) -> tuple[sp.csr_matrix, NDArray[np.float64]]:
    """N-grams and scaled, clipped features side by side, and of each text the share of its n-grams that is known."""
    shape = np.array([features.vector(normal) for normal in normals], dtype=np.float32)
    clipped = np.clip((shape - mean) / scale, -FEATURE_CLIP, FEATURE_CLIP) * FEATURE_WEIGHT
    beside = np.arange(grams.count, grams.count + len(mean))
    found = [grams.weigh(normal.text) for normal in normals]
    ends = np.cumsum([0, *(len(of.columns) + len(mean) for of in found)])
    columns = np.concatenate([part for of in found for part in (of.columns, beside)])
    values = np.concatenate(
        [part for of, row in zip(found, clipped, strict=True) for part in (of.weights * NGRAM_WEIGHT, row)]
    )
    matrix = sp.csr_matrix((values, columns, ends), shape=(len(normals), grams.count + len(mean)), dtype=np.float32)
    return matrix, np.array([of.known for of in found])

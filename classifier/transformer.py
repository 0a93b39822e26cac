"""The transformer as it is shipped: a folder with quantised weights, a tokenizer and a configuration, and no network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from tokenizers import Tokenizer
from torch import nn

from classifier.bert import Bert
from classifier.calibrate import sigmoid, softmax
from classifier.chunks import Pieces
from classifier.model import TEXT_LIMIT, ModelError
from classifier.network import PageNetwork, predict
from classifier.precision import Numbers, fastest, fit
from classifier.quantise import packed, unpacked
from classifier.reasons import phrases
from data.facts import taxonomy

FORMAT = "2"
WEIGHTS, CONFIG, TOKENIZER = "encoder.safetensors", "config.json", "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Reading:
    """One page read: a logit per answer, its phrases' places in the text, and of each phrase the probability that it
    carries the offer, that it speaks against one, and the share of each indicator in what it carries."""

    logits: NDArray[np.float32]
    places: list[tuple[int, int]]
    carries: NDArray[np.float64]
    against: NDArray[np.float64]
    indicators: NDArray[np.float64]


class Transformer:
    """A loaded model."""

    def __init__(self, network: PageNetwork, pieces: Pieces, numbers: Numbers) -> None:
        self.network = network.eval()
        self.pieces = pieces
        self.numbers = numbers

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """Read pages; their first ``TEXT_LIMIT`` characters, in the chunks that tell most."""
        places = [phrases(text[:TEXT_LIMIT]) for text in texts]
        pages = [[text[start:end] for start, end in spans] for text, spans in zip(texts, places, strict=True)]
        logits, said = predict(self.network, self.pieces, pages)
        return [
            Reading(
                row,
                spans,
                sigmoid(own[:, 0]),
                sigmoid(own[:, 1]),
                sigmoid(own[:, :1]) * softmax(own[:, 2:]),
            )
            for row, spans, own in zip(logits, places, said, strict=True)
        ]

    @classmethod
    def load(cls, directory: Path, numbers: Numbers | None = None) -> Transformer:
        """Read a saved model, to reckon in the numbers that suit this machine or in those given. Raises ``ModelError``."""
        try:
            stored = load((directory / WEIGHTS).read_bytes())
            about = json.loads((directory / CONFIG).read_text("utf8"))
            pieces = Pieces(Tokenizer.from_file(str(directory / TOKENIZER)))
            if (about["takedown"]["format"], about["takedown"]["answers"]) != (FORMAT, answers()):
                raise ModelError(f"模型 {directory} 与当前分类表不符；运行 takedown train --encoder 可重新训练。")
            network = build(about)
            shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
            weights = {name: torch.from_numpy(values) for name, values in unpacked(stored, shapes).items()}
            network.load_state_dict(weights, assign=True)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"无法读取模型 {directory}（{error}）；运行 takedown train --encoder 可重新训练。"
            ) from error
        numbers = numbers or fastest()
        fit(network.encoder, numbers)
        return cls(network, pieces, numbers)


def training_of(directory: Path) -> str:
    """How the model in the folder was trained, in a sentence."""
    return str(json.loads((directory / CONFIG).read_text("utf8"))["takedown"]["training"])


def answers() -> list[str]:
    """The page's questions in the order of the network's logits; named as the linear model's heads are."""
    facts = taxonomy()
    return ["offer", *facts.indicators, *(f"genre:{genre.id}" for genre in facts.genres)]


def build(config: Mapping[str, Any]) -> PageNetwork:
    """The network of a saved model, its weights yet to be filled in."""
    if config["model_type"] == "bert":
        encoder: nn.Module = Bert(config)
    else:
        from transformers import AutoConfig, AutoModel  # seconds, which only another kind of encoder costs

        encoder = AutoModel.from_config(AutoConfig.for_model(**config))
    return PageNetwork(encoder, config, len(answers()), len(taxonomy().indicators))


def save_model(network: PageNetwork, pieces: Pieces, directory: Path, training: str = "") -> str:
    """Write the model's folder and return the SHA-256 of its weights: word embeddings in 4 bits, matrices in 8.

    ``training`` is a sentence for its card, wherever the folder is copied to.
    """
    tensors = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    width = {
        name: 4 if "word_embeddings" in name else 8
        for name, values in tensors.items()
        if name.startswith("encoder.") and values.ndim == 2 and values.size > 1 << 16
    }
    content = save(packed(tensors, width))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / WEIGHTS).write_bytes(content)
    pieces.tokenizer.save(str(directory / TOKENIZER), pretty=False)
    about = network.config | {"takedown": {"format": FORMAT, "answers": answers(), "training": training}}
    (directory / CONFIG).write_text(json.dumps(about, indent=1, sort_keys=True), "utf8")
    return hashlib.sha256(content).hexdigest()

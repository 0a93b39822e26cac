"""In which numbers the encoder's matrices are multiplied: what this processor does fastest, found by a short trial."""

from __future__ import annotations

import time
import warnings
from enum import StrEnum
from functools import cache

import torch
from torch import nn

from classifier.bert import Bert

# One layer of the shipped encoder's size over two full chunks; the trials take some tenths of a second.
LAYER = {
    "hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12, "num_hidden_layers": 1, "layer_norm_eps": 1e-12,
    "vocab_size": 8, "max_position_embeddings": 256, "type_vocab_size": 1,
}  # fmt: skip
TOKENS = torch.ones(2, 256, dtype=torch.long)
TRIES = 5
# Each kind is less exact than the one before, so it must be clearly faster.
WORTH = 0.8


class Numbers(StrEnum):
    """``INT8``: 8-bit weights by channel, inputs scaled as they come. ``BF16``: inputs and weights in 16 bits, sums and
    norms in 32."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


# How far an offer's logit may be from what single precision makes of it: measured on 86 frozen texts, 0.04 and 1.3.
ERRORS = {Numbers.FP32: 0.0, Numbers.BF16: 0.1, Numbers.INT8: 1.5}


@cache
def fastest() -> Numbers:
    """The kind of numbers for this machine."""
    seconds = {numbers: _seconds(numbers) for numbers in _possible()}
    best = Numbers.FP32
    for numbers in seconds:
        if seconds[numbers] < seconds[best] * WORTH:
            best = numbers
    return best


def _fitted(module: nn.Linear, numbers: Numbers) -> nn.Module:
    if numbers is Numbers.BF16:
        module.register_forward_pre_hook(lambda _, given: given[0].to(torch.bfloat16))
        return module.to(torch.bfloat16)
    if numbers is Numbers.INT8:
        return _quantised(module)
    return module


def fit(encoder: nn.Module, numbers: Numbers) -> None:
    """Put every linear layer of the encoder into these numbers; what it is given may be in single precision."""
    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, _fitted(child, numbers))


def _possible() -> list[Numbers]:
    found = [Numbers.FP32, Numbers.BF16]
    if torch.backends.quantized.engine not in {"none", "qnnpack"}:
        found.append(Numbers.INT8)
    return found


def _quantised(module: nn.Linear) -> nn.Module:
    # torch's own 8-bit layers are to move to another package; until they do they need no other.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.nn.quantized.dynamic import Linear
        from torch.ao.quantization import per_channel_dynamic_qconfig

        plain = nn.Linear(1, 1)
        plain.in_features, plain.out_features = module.in_features, module.out_features
        plain.weight, plain.bias = module.weight, module.bias
        plain.qconfig = per_channel_dynamic_qconfig  # type: ignore[assignment]
        quantised: nn.Module = Linear.from_float(plain)  # type: ignore[no-untyped-call]
        return quantised


def _seconds(numbers: Numbers) -> float:
    encoder = Bert(LAYER)
    for weights in encoder.parameters():
        nn.init.constant_(weights, 0.01)
    fit(encoder, numbers)

    def once() -> float:
        began = time.perf_counter()
        encoder(TOKENS, TOKENS)
        return time.perf_counter() - began

    with torch.inference_mode():
        once()
        return min(once() for _ in range(TRIES))

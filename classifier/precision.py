"""In which numbers the encoder's matrices are multiplied: what this processor does fastest, found by a short trial."""

from __future__ import annotations

import time
import warnings
from enum import StrEnum
from functools import cache

import torch
from torch import Tensor, nn

# One layer's widest product over two chunks; a trial takes some tens of milliseconds.
ROWS, WIDTH, INNER, TRIES = 512, 384, 1536, 5
# Another kind than single precision must be clearly faster, for it is less exact.
WORTH = 0.8


class Numbers(StrEnum):
    """``INT8``: 8-bit weights by channel, inputs scaled as they come. ``BF16``: inputs and weights in 16 bits, sums and
    norms in 32."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


@cache
def fastest() -> Numbers:
    """The kind of numbers for this machine."""
    inputs = torch.ones(ROWS, WIDTH)
    seconds = {numbers: _seconds(fitted(nn.Linear(WIDTH, INNER), numbers), inputs) for numbers in _possible()}
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[best] < seconds[Numbers.FP32] * WORTH else Numbers.FP32


def fitted(module: nn.Linear, numbers: Numbers) -> nn.Module:
    """The layer in these numbers; what it is given may be in single precision."""
    if numbers is Numbers.BF16:
        module.register_forward_pre_hook(lambda _, given: given[0].to(torch.bfloat16))
        return module.to(torch.bfloat16)
    if numbers is Numbers.INT8:
        return _quantised(module)
    return module


def fit(encoder: nn.Module, numbers: Numbers) -> None:
    """Put every linear layer of the encoder into these numbers."""
    for parent in list(encoder.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, fitted(child, numbers))


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


def _seconds(layer: nn.Module, inputs: Tensor) -> float:
    def once() -> float:
        began = time.perf_counter()
        layer(inputs)
        return time.perf_counter() - began

    with torch.inference_mode():
        once()
        return min(once() for _ in range(TRIES))

"""Weights in few bits: blocks of 32 values with one half-precision scale, as 8-bit or 4-bit integers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
# What follows a tensor's name: its integers and its scales.
INTEGERS, SCALES = {8: ".q8", 4: ".q4"}, ".scale"

Arrays = dict[str, NDArray[np.generic]]


def pack(values: NDArray[np.float32], bits: int) -> tuple[NDArray[np.generic], NDArray[np.float16]]:
    """Integers and scales. Four bits are Q4_0's: the largest value of a block becomes -8, so that packing what was
    unpacked changes nothing; two values share a byte, ``j`` and ``j + 16``. Raises ``ValueError`` on other widths."""
    flat = values.reshape(-1).astype(np.float32)
    blocks = np.pad(flat, (0, -len(flat) % BLOCK)).reshape(-1, BLOCK)
    if bits == 8:
        scales = (np.abs(blocks).max(1) / 127).astype(np.float16)
        return np.clip(np.rint(blocks / _divisor(scales)), -127, 127).astype(np.int8), scales
    if bits == 4:
        extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)[:, 0]
        scales = (extreme / -8).astype(np.float16)
        nibbles = np.clip(np.rint(blocks / _divisor(scales)) + 8, 0, 15).astype(np.uint8)
        return nibbles[:, :16] | (nibbles[:, 16:] << 4), scales
    raise ValueError(f"blocks of {bits} bits are not known; 8 and 4 are")


def unpack(integers: NDArray[np.generic], scales: NDArray[np.float16], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """What ``pack`` was given, as near as the bits allow, in its shape."""
    if integers.dtype == np.uint8:
        nibbles = integers.astype(np.uint8)
        integers = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.int8) - 8
    values = integers.astype(np.float32) * scales.astype(np.float32)[:, None]
    return np.asarray(values.reshape(-1)[: int(np.prod(shape))].reshape(shape))


def packed(tensors: Mapping[str, NDArray[np.float32]], width: Mapping[str, int]) -> Arrays:
    """The tensors as they are stored: those named in ``width`` in so many bits, the others in half precision."""
    stored: Arrays = {}
    for name, values in tensors.items():
        if bits := width.get(name):
            stored[name + INTEGERS[bits]], stored[name + SCALES] = pack(values, bits)
        else:
            stored[name] = values.astype(np.float16)
    return stored


def unpacked(
    stored: Mapping[str, NDArray[np.generic]], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """The tensors of ``packed`` by name; ``shapes`` names every one that is wanted. Raises ``KeyError`` when one lacks."""
    found = {}
    for name, shape in shapes.items():
        for suffix in INTEGERS.values():
            if name + suffix in stored:
                found[name] = unpack(stored[name + suffix], stored[name + SCALES].astype(np.float16), shape)
        if name not in found:
            found[name] = stored[name].astype(np.float32).reshape(shape)
    return found


def _divisor(scales: NDArray[np.float16]) -> NDArray[np.float32]:
    wide = scales.astype(np.float32)[:, None]
    return np.where(wide == 0, 1, wide)

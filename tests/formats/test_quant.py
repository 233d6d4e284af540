"""Widening of every stored type against the `gguf` package, bit for bit, and a second oracle for float8."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.formats.dtypes import GGML_TYPES, STORAGE
from loom_py.formats.quant import can_widen, widen

BLOCK_TYPES = [
    "BF16",
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "IQ4_NL",
    "IQ4_XS",
    "MXFP4",
    "TQ1_0",
    "TQ2_0",
]
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52],
          "TQ2_0": [64]}  # fmt: skip
"""Offsets of the float16 scales of a block."""


def ours(blocks: np.ndarray, name: str) -> np.ndarray:
    out = np.full((len(blocks), STORAGE[name].block), np.float32(-7))
    widen(blocks, name, out)
    return out


def theirs(blocks: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(all="ignore"):
        return dequantize(blocks, gguf.GGMLQuantizationType[name]).reshape(len(blocks), -1)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bit for bit, minus zero included; one NaN is as good as another."""
    nan = np.isnan(b)
    return bool((np.isnan(a) == nan).all() and (a.view(np.uint32) == b.view(np.uint32))[~nan].all())


def test_q8_k() -> None:
    """Which `gguf` does not widen: a float32, 256 integers, and their sums."""
    rng = np.random.default_rng(2)
    d, q = rng.normal(size=(7, 1)).astype(np.float32), rng.integers(-128, 128, (7, 256), dtype=np.int8)
    blocks = np.concatenate([d.view(np.uint8), q.view(np.uint8), np.full((7, 32), 99, np.uint8)], 1)
    assert same_bits(ours(blocks, "Q8_K"), d * q)


@pytest.mark.parametrize("name", BLOCK_TYPES)
def test_random_blocks(name: str) -> None:
    blocks = np.random.default_rng(1).integers(0, 256, (3000, STORAGE[name].size), dtype=np.uint8)
    assert same_bits(ours(blocks, name), theirs(blocks, name))


@pytest.mark.parametrize("name", sorted(HALVES))
def test_extreme_scales(name: str) -> None:
    """Zero, minus zero, subnormal, largest, infinite and NaN scales, each with every other and random quants."""
    extremes = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x3C00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00]
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 256, (len(extremes) ** 2, STORAGE[name].size), dtype=np.uint8)
    for turn, at in enumerate(HALVES[name]):
        index = np.arange(len(blocks)) // len(extremes) ** turn % len(extremes)
        blocks[:, at : at + 2] = np.array(extremes, "<u2")[index].view(np.uint8).reshape(-1, 2)
    for fill in (None, 0, 255):
        if fill is not None:
            others = [i for i in range(STORAGE[name].size) if not any(at <= i < at + 2 for at in HALVES[name])]
            blocks[:, others] = fill
        assert same_bits(ours(blocks, name), theirs(blocks, name))


@pytest.mark.parametrize("name", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_quantised_weights_come_back(name: str, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1, (4, 64)).astype(np.float32)
    stored = gguf.quants.quantize(values, gguf.GGMLQuantizationType[name]).reshape(-1, STORAGE[name].size)
    back = ours(stored, name).reshape(4, 64)
    assert np.linalg.norm(back - values) / np.linalg.norm(values) < {"4": 0.12, "5": 0.06, "8": 0.01}[name[1]]


def test_sizes_and_numbers_are_ggml_s() -> None:
    for number, name in GGML_TYPES.items():
        kind = gguf.GGMLQuantizationType(number)
        assert kind.name == name
        assert GGML_QUANT_SIZES[kind] == (STORAGE[name].block, STORAGE[name].size)


def test_float8() -> None:
    """Against the definition, by way of Python's own floats."""
    codes = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    for name, exponent_bits, bias in (("F8_E4M3", 4, 7), ("F8_E5M2", 5, 15)):
        fraction_bits = 7 - exponent_bits
        for code, value in enumerate(ours(codes, name)[:, 0].tolist()):
            exponent = (code & 127) >> fraction_bits
            fraction = (code & ((1 << fraction_bits) - 1)) / (1 << fraction_bits)
            expected = (1 + fraction) * 2.0 ** (exponent - bias) if exponent else fraction * 2.0 ** (1 - bias)
            if name == "F8_E5M2" and exponent == 31:
                expected = float("nan") if fraction else float("inf")
            if name == "F8_E4M3" and code & 127 == 127:
                expected = float("nan")
            expected = -expected if code & 128 else expected
            assert value == expected or (value != value and expected != expected)


def test_which_can_be_widened() -> None:
    assert all(can_widen(name) for name in [*BLOCK_TYPES, "F32", "F16", "F64", "I8", "BOOL", "F8_E4M3", "Q8_K"])
    assert not any(can_widen(name) for name in ("IQ2_XXS", "IQ3_S", "IQ1_M", "NVFP4"))

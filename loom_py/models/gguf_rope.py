"""Rotary embeddings in GGUF: metadata, and tensors of what frequencies are divided by, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..formats.checkpoint import Checkpoint
from .gguf_config import GGUFConfig, shortest_decimal
from .rope import RopeScaling, inverse_frequencies, longrope_factor, yarn_magnitude

GGUF_DIVISORS = "rope_freqs.weight"
"""The tensor in which GGUF keeps what each frequency is divided by, such as Llama 3.1's scaling."""
GGUF_SHORT, GGUF_LONG = "rope_factors_short.weight", "rope_factors_long.weight"
"""The same of longrope, for short and for long sequences."""


def gguf_rope(gguf: GGUFConfig, size: int) -> tuple[float, RopeScaling | None]:
    """The same from GGUF. Llama 3.1's scaling is there only as a tensor of divisors, from which it is recognised.

    Other divisors are a longrope that has the same ones for sequences of every length.
    """
    theta = gguf.decimal("rope.freq_base", 10000.0, maximum=1e12)
    kind = gguf.string("rope.scaling.type", "none")
    if gguf.checkpoint is not None and GGUF_LONG in gguf.checkpoint and GGUF_SHORT in gguf.checkpoint:
        return theta, _gguf_longrope(gguf, gguf.checkpoint)
    if kind == "yarn":
        factor = gguf.decimal("rope.scaling.factor", maximum=1e6)
        return theta, RopeScaling(
            "yarn",
            factor=factor,
            original_max_position_embeddings=gguf.integer("rope.scaling.original_context_length"),
            beta_fast=gguf.decimal("rope.scaling.yarn_beta_fast", 32.0, maximum=1e6),
            beta_slow=gguf.decimal("rope.scaling.yarn_beta_slow", 1.0, maximum=1e6),
            attention_factor=yarn_magnitude(factor) * gguf.decimal("rope.scaling.attn_factor", 1.0, maximum=1e6),
        )
    if kind == "linear":
        return theta, RopeScaling("linear", gguf.decimal("rope.scaling.factor", maximum=1e6))
    if kind != "none":
        raise gguf.unsupported(f"the rotary scaling {kind[:60]!r} is not supported", "rope.scaling.type")
    if gguf.checkpoint is None or GGUF_DIVISORS not in gguf.checkpoint:
        return theta, None
    divisors = gguf.checkpoint.load(GGUF_DIVISORS)
    scaling = RopeScaling("llama3", shortest_decimal(divisors.max(initial=1.0)))
    expected = inverse_frequencies(size, theta) / inverse_frequencies(size, theta, scaling)
    if divisors.shape != expected.shape:
        message = f"{GGUF_DIVISORS} has shape {list(divisors.shape)}, expected {list(expected.shape)}, one a frequency"
        raise ModelError(message, where=gguf.checkpoint.info(GGUF_DIVISORS).where)
    if np.allclose(divisors, expected, rtol=1e-4):
        return theta, None if scaling.factor == 1.0 else scaling
    factors = tuple(map(shortest_decimal, divisors))
    context = gguf.integer("context_length", 2048)
    return theta, RopeScaling(
        "longrope", 1.0, original_max_position_embeddings=context, short_factor=factors, long_factor=factors
    )


def _gguf_longrope(gguf: GGUFConfig, checkpoint: Checkpoint) -> RopeScaling:
    """From its two tensors and the length of the original context."""
    context = gguf.integer("context_length", 2048)
    original = gguf.integer("rope.scaling.original_context_length", context)
    return RopeScaling(
        "longrope",
        factor=context / original,
        original_max_position_embeddings=original,
        attention_factor=gguf.decimal(
            "rope.scaling.attn_factor", longrope_factor(context / original, original), maximum=1e6
        ),
        short_factor=tuple(map(shortest_decimal, checkpoint.load(GGUF_SHORT).ravel())),
        long_factor=tuple(map(shortest_decimal, checkpoint.load(GGUF_LONG).ravel())),
    )


def rope_entries(theta: float, scaling: RopeScaling | None) -> dict[str, Any]:
    """What `gguf_rope` reads of the metadata, to be written."""
    entries: dict[str, Any] = {"rope.freq_base": theta}
    if scaling is None or scaling.kind == "llama3":
        return entries
    if scaling.kind == "linear":
        return entries | {"rope.scaling.type": "linear", "rope.scaling.factor": scaling.factor}
    original = {"rope.scaling.original_context_length": scaling.original_max_position_embeddings}
    if scaling.kind == "longrope":
        return entries | original | {"rope.scaling.attn_factor": scaling.attention_factor}
    return (
        entries
        | original
        | {
            "rope.scaling.type": "yarn",
            "rope.scaling.factor": scaling.factor,
            "rope.scaling.yarn_beta_fast": scaling.beta_fast,
            "rope.scaling.yarn_beta_slow": scaling.beta_slow,
            "rope.scaling.attn_factor": scaling.attention_factor / yarn_magnitude(scaling.factor),
        }
    )


def rope_tensors(size: int, theta: float, scaling: RopeScaling | None) -> Mapping[str, NDArray[np.float32]]:
    """What `gguf_rope` reads of the tensors, to be written."""
    if scaling is None or scaling.kind not in ("llama3", "longrope"):
        return {}
    plain = inverse_frequencies(size, theta)
    if scaling.kind == "llama3":
        return {GGUF_DIVISORS: (plain / inverse_frequencies(size, theta, scaling)).astype(np.float32)}
    return {
        GGUF_LONG: np.array(scaling.long_factor, np.float32),
        GGUF_SHORT: np.array(scaling.short_factor, np.float32),
    }

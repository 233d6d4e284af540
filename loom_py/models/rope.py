"""Rotary embeddings (Su et al. 2021): their frequencies, what `config.json` says of them, and GGUF's order of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..schema.fields import Fields, is_number, shown


@dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched for long contexts.

    - `linear`: every frequency divided by `factor`.
    - `llama3`: frequencies whose wavelength exceeds `original_max_position_embeddings / low_freq_factor` are divided by
      `factor`, those below `… / high_freq_factor` are kept, those between are interpolated.
    - `yarn` (Peng et al. 2023): frequencies that turn more than `beta_fast` times over the original context are kept,
      those that turn less than `beta_slow` times are divided by `factor`, those between are interpolated by their
      number; queries and keys are multiplied with `attention_factor`.
    - `longrope` (Ding et al. 2024): each frequency is divided by its own number, of `short_factor` in sequences of up
      to `original_max_position_embeddings`, of `long_factor` in longer ones; `attention_factor` as for `yarn`.
    """

    kind: Literal["linear", "llama3", "yarn", "longrope"]
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float = 1.0
    truncate: bool = True
    short_factor: tuple[float, ...] = ()
    long_factor: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `rope_scaling` of a `config.json`."""
        result: dict[str, Any] = {"rope_type": self.kind, "factor": self.factor}
        if self.kind == "llama3":
            result |= {
                "low_freq_factor": self.low_freq_factor,
                "high_freq_factor": self.high_freq_factor,
                "original_max_position_embeddings": self.original_max_position_embeddings,
            }
        if self.kind == "yarn":
            result |= {
                "beta_fast": self.beta_fast,
                "beta_slow": self.beta_slow,
                "attention_factor": self.attention_factor,
                "original_max_position_embeddings": self.original_max_position_embeddings,
                "truncate": self.truncate,
            }
        if self.kind == "longrope":
            result |= {
                "short_factor": list(self.short_factor),
                "long_factor": list(self.long_factor),
                "attention_factor": self.attention_factor,
                "original_max_position_embeddings": self.original_max_position_embeddings,
            }
        return result


def inverse_frequencies(
    size: int, theta: float, scaling: RopeScaling | None = None, *, long: bool = False
) -> NDArray[np.float64]:
    """θ^(−2i/size) for i < size/2, stretched as `scaling` says; `long` for sequences beyond the original context."""
    frequencies = theta ** -(np.arange(0, size, 2, dtype=np.float64) / size)
    if scaling is None:
        return frequencies
    if scaling.kind == "linear":
        return frequencies / scaling.factor
    if scaling.kind == "longrope":
        return frequencies / np.array(scaling.long_factor if long else scaling.short_factor)
    if scaling.kind == "yarn":
        keep = 1 - _yarn_ramp(size, theta, scaling)
        return keep * frequencies + (1 - keep) * frequencies / scaling.factor
    turns = scaling.original_max_position_embeddings * frequencies / (2 * np.pi)
    low, high = scaling.low_freq_factor, scaling.high_freq_factor
    keep = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return keep * frequencies + (1 - keep) * frequencies / scaling.factor


def _yarn_ramp(size: int, theta: float, scaling: RopeScaling) -> NDArray[np.float64]:
    """0 for frequencies that are kept, 1 for those that are divided: (size/2,)."""

    def number(turns: float) -> float:
        """Of the frequency that turns so often over the original context."""
        length = scaling.original_max_position_embeddings
        return size * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = number(scaling.beta_fast), number(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0.0), min(high, size - 1.0)
    return np.clip((np.arange(size // 2, dtype=np.float64) - low) / max(high - low, 1e-3), 0.0, 1.0)


def rotary_size(fields: Fields, head_size: int, *, key: str = "partial_rotary_factor", default: float = 1.0) -> int:
    """How many numbers of a head are rotated: a part of them, given at the root or in `rope_parameters`."""
    part = fields.number(key, default=default, maximum=1.0, above=0)
    if fields.has("rope_parameters"):
        part = fields.object("rope_parameters").number("partial_rotary_factor", default=part, maximum=1.0, above=0)
    size = int(head_size * part)
    if part == 1.0 and size % 2:
        raise fields.error(f"must be even for rotary embeddings, but is {size}", "head_dim")
    if size % 2 or not size:
        what = f"{size} of a head's {head_size} numbers"
        raise ModelError(f"rotary embeddings turn pairs and cannot turn {what}", where=fields.at(key))
    return size


def read_rope(fields: Fields, layers: str = "", theta: float = 10000.0) -> tuple[float, RopeScaling | None]:
    """`rope_theta` and the scaling, from the root (transformers 4) or from `rope_parameters` (transformers 5).

    - `layers`: of which `layer_types`, where `rope_parameters` has an object for each.
    - `theta`: the family's default.

    `dynamic` scaling (bloc97, emozilla 2023) begins beyond `max_position_embeddings`, where a cache ends: it is none.
    """
    theta = fields.number("rope_theta", default=theta, maximum=1e12, above=0)
    key = next((key for key in ("rope_parameters", "rope_scaling") if fields.has(key)), None)
    if key is None:
        return theta, None
    inner = fields.object(key)
    if layers and inner.has(layers):
        inner = inner.object(layers)
    theta = inner.number("rope_theta", default=theta, maximum=1e12, above=0)
    # `type` is the older spelling
    kind = inner.string("rope_type", default=None) or inner.string("type", default="default")
    if kind in ("default", "dynamic"):
        return theta, None
    if kind == "linear":
        return theta, RopeScaling("linear", inner.number("factor", maximum=1e6, above=0.0))
    if kind == "yarn":
        return theta, _read_yarn(fields, inner)
    if kind in ("longrope", "su"):  # Phi-3's first files have its older name
        return theta, _read_longrope(fields, inner)
    if kind != "llama3":
        raise ModelError(
            f"the rotary scaling {kind[:60]!r} is not supported",
            where=inner.at("rope_type" if inner.has("rope_type") else "type"),
            remedy="Supported are default, dynamic, linear, llama3, longrope and yarn.",
        )
    scaling = RopeScaling(
        "llama3",
        factor=inner.number("factor", maximum=1e6, above=0),
        low_freq_factor=inner.number("low_freq_factor", maximum=1e6, above=0),
        high_freq_factor=inner.number("high_freq_factor", maximum=1e6, above=0),
        original_max_position_embeddings=inner.integer("original_max_position_embeddings"),
    )
    if scaling.high_freq_factor <= scaling.low_freq_factor:
        raise inner.error("must be greater than low_freq_factor", "high_freq_factor")
    return theta, scaling


def _read_yarn(fields: Fields, inner: Fields) -> RopeScaling:
    """`inner` is the scaling's object, `fields` the whole configuration."""
    original = inner.integer("original_max_position_embeddings", default=None)
    context = fields.integer("max_position_embeddings", default=2048)
    factor = inner.number("factor", default=context / original if original else ..., maximum=1e6, above=0)
    attention = inner.number("attention_factor", default=None, maximum=1e6, above=0)
    if attention is None:
        attention = yarn_magnitude(factor)
        scale, scale_all = (inner.number(key, default=None) for key in ("mscale", "mscale_all_dim"))
        if scale and scale_all:
            attention = yarn_magnitude(factor, scale) / yarn_magnitude(factor, scale_all)
    return RopeScaling(
        "yarn",
        factor=factor,
        original_max_position_embeddings=original or context,
        beta_fast=inner.number("beta_fast", default=32.0, maximum=1e6, above=0),
        beta_slow=inner.number("beta_slow", default=1.0, maximum=1e6, above=0),
        attention_factor=attention,
        truncate=inner.boolean("truncate", default=True),
    )


def _read_longrope(fields: Fields, inner: Fields) -> RopeScaling:
    """`inner` is the scaling's object, `fields` the whole configuration."""
    key = "original_max_position_embeddings"
    context = fields.integer("max_position_embeddings", default=2048)
    original = (fields if fields.has(key) else inner).integer(key, default=context)
    factor = inner.number("factor", default=context / original, maximum=1e6, above=0)
    suggested = longrope_factor(factor, original)
    return RopeScaling(
        "longrope",
        factor=factor,
        original_max_position_embeddings=original,
        attention_factor=inner.number("attention_factor", default=suggested, maximum=1e6, above=0),
        short_factor=_divisors(inner, "short_factor"),
        long_factor=_divisors(inner, "long_factor"),
    )


def longrope_factor(factor: float, original: int) -> float:
    """√(1 + ln(factor) / ln(original context))."""
    return math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 < original else 1.0


def _divisors(fields: Fields, key: str) -> tuple[float, ...]:
    """An array of positive numbers."""
    items = fields.array(key)
    for i, item in enumerate(items):
        if not is_number(item) or not 0 < item <= 1e9:
            raise fields.error(f"expected a number above 0, got {shown(item)}", key, i)
    return tuple(float(item) for item in items)


def check_factors(fields: Fields, size: int, scaling: RopeScaling | None) -> None:
    """Raises `FormatError` unless longrope has a number for each of the size/2 frequencies."""
    if scaling is None or scaling.kind != "longrope":
        return
    for name, factors in (("short_factor", scaling.short_factor), ("long_factor", scaling.long_factor)):
        if len(factors) != size // 2:
            key = next(key for key in ("rope_parameters", "rope_scaling") if fields.has(key))
            raise fields.error(f"{name}: expected {size // 2} numbers, one a frequency, got {len(factors)}", key)


def yarn_magnitude(factor: float, scale: float = 1.0) -> float:
    """0.1 scale ln(factor) + 1, YaRN's."""
    return 0.1 * scale * math.log(factor) + 1.0 if factor > 1 else 1.0


def unpermute_rope_rows(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """Query or key rows from GGUF's order to Hugging Face's.

    Rotary embeddings turn pairs of elements of a head. GGUF lays the two of a pair side by side (2i, 2i+1), Hugging
    Face half a head apart (i, i + D/2). Only whole rows move, so numbers and raw blocks are treated alike.

    **Arguments:**

    - `rows`: (heads · D, …): weights (out, in), a bias (out,), or the stored bytes of rows (`Checkpoint.raw_rows`).
    - `heads`: query heads for `q_proj`, key/value heads for `k_proj`.

    **Returns:** a new array of the same shape. Raises `InputError` when the rows do not divide into heads of even size.
    """
    if heads < 1 or rows.ndim < 1 or rows.shape[0] % (2 * heads):
        raise InputError(f"rows of shape {rows.shape} do not divide into {heads} heads of even size", where="rows")
    paired = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return np.ascontiguousarray(paired.swapaxes(1, 2)).reshape(rows.shape)

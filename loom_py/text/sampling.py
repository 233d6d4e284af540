"""Choosing the next token from logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..nn.fields import Fields
from ..runtime.philox import uniform


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """How to generate. The defaults are greedy: always the most likely token.

    **Arguments:**

    - `max_tokens`: at most this many new tokens.
    - `temperature`: divides the logits; 0 means greedy.
    - `top_k`: only the k most likely; 0 for all.
    - `top_p`: only the smallest set with at least this probability (nucleus; Holtzman et al. 2020); 1 for all.
    - `min_p`: only tokens at least this fraction as likely as the most likely (Nguyen et al. 2024); 0 for all.
    - `repetition_penalty`: logits of tokens already there are divided (positive) or multiplied (negative) by it
      (Keskar et al. 2019); 1 for none.
    - `seed`: the same seed, prompt and options give the same text.
    - `stop`: generation ends before any of these strings appears.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        limits = {
            "max_tokens": (1, 1 << 20),
            "temperature": (0, 100),
            "top_k": (0, 1 << 24),
            "top_p": (0, 1),
            "min_p": (0, 1),
            "repetition_penalty": (1e-3, 1e3),
            "seed": (0, 2**63 - 1),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise InputError(f"must be a number in {low:g} … {high:g}, got {value!r}", where=name)
            if isinstance(limits[name][1], int) and name in ("max_tokens", "top_k", "seed") and value != int(value):
                raise InputError(f"must be a whole number, got {value!r}", where=name)
        if isinstance(self.stop, str) or not all(isinstance(s, str) and s for s in self.stop):
            raise InputError("must be a list of non-empty strings", where="stop")

    @classmethod
    def from_json(cls, value: object, where: str = "options") -> Self:
        """From a JSON object with the same names; unknown names are errors."""
        f = Fields(value, where)
        given = {x.name: f.any(x.name) for x in fields(cls) if f.has(x.name)}
        for x in fields(cls):
            f.any(x.name)
        f.finish()
        if "stop" in given:
            given["stop"] = tuple(given["stop"]) if isinstance(given["stop"], (list, tuple)) else given["stop"]
        return cls(**given)


def sample(logits: NDArray[Any], options: GenerationOptions, step: int, seen: Sequence[int] = ()) -> int:
    """The next token id from logits (V,).

    Order: repetition penalty, temperature, top-k, top-p, min-p, then one draw from what is left, with number
    `step` of the counter-based generator.
    """
    scores = np.asarray(logits, dtype=np.float32)
    if options.repetition_penalty != 1 and len(seen):
        scores = scores.copy()
        ids = np.unique(np.asarray(seen, dtype=np.int64))
        penalty = np.float32(options.repetition_penalty)
        scores[ids] = np.where(scores[ids] > 0, scores[ids] / penalty, scores[ids] * penalty)
    if options.temperature == 0:
        return int(np.argmax(scores))
    order = np.argsort(-scores, kind="stable")
    if options.top_k:
        order = order[: options.top_k]
    top = scores[order].astype(np.float64) / options.temperature
    p = np.exp(top - top[0])
    p /= p.sum()
    keep = np.cumsum(p) - p < max(options.top_p, 1e-9)  # the first token is always kept
    keep &= p >= options.min_p * p[0]
    p = np.where(keep, p, 0.0)
    cumulative = np.cumsum(p)
    draw = float(uniform(options.seed ^ (options.seed >> 32), step, 1)[0]) * cumulative[-1]
    return int(order[min(int(np.searchsorted(cumulative, draw, side="right")), len(order) - 1)])

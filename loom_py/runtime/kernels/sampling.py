"""The next token from logits, and which tokens have been there."""

from __future__ import annotations

import numpy as np

from ..abstract import always
from ..kernel import Array, kernel
from ..philox import uniform
from ..signature import signature


@kernel(shapes=signature("seen:flag V, ids:int T"), in_place=("seen",))
def mark(seen: Array, ids: Array) -> None:
    """Flags seen (V,) at integer ids (T,) become 1; ids that are none do nothing."""
    seen[ids[(ids >= 0) & (ids < len(seen))]] = 1


@kernel(
    shapes=signature(
        "logits V, seen:flag V",
        rule=always((1,), "int64"),
        ranges={
            "temperature": {"minimum": 0},
            "top_k": {"minimum": 0, "maximum": 2**31 - 1},
            "top_p": {"minimum": 0, "maximum": 1},
            "min_p": {"minimum": 0, "maximum": 1},
            "repetition_penalty": {"above": 0},
        },
        cost="512 V",
    ),
    dynamic=("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "step"),
)
def sample(
    logits: Array,
    seen: Array,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    repetition_penalty: float,
    seed: int,
    step: int,
) -> Array:
    """logits (V,), seen (V,) flags → the next token's id (1,); `seed` has 32 bits.

    In this order: repetition penalty on the seen ones (Keskar et al. 2019), temperature (0: the most likely, at once),
    the `top_k` most likely (0: all), the smallest set with probability `top_p` (Holtzman et al. 2020), those at least
    `min_p` as likely as the first (Nguyen et al. 2024), then one draw with number `step` of the generator `seed`.
    """
    scores = np.asarray(logits, dtype=np.float32)
    if repetition_penalty != 1:
        penalty = np.float32(repetition_penalty)
        scores = np.where(seen != 0, np.where(scores > 0, scores / penalty, scores * penalty), scores)
    if temperature == 0:
        return np.array([np.argmax(scores)])
    order = np.argsort(-scores, kind="stable")
    if top_k:
        order = order[: int(top_k)]
    top = scores[order].astype(np.float64)
    with np.errstate(over="ignore"):  # colder than float64 can divide by: −∞, and a probability of 0
        p = np.exp((top - top[0]) / temperature)
    p /= p.sum()
    keep = np.cumsum(p) - p < max(top_p, 1e-9)  # the first token is always kept
    keep &= p >= min_p * p[0]
    cumulative = np.cumsum(np.where(keep, p, 0.0))
    draw: float = float(uniform(int(seed), int(step), 1)[0]) * cumulative[-1]
    return order[min(int(np.searchsorted(cumulative, draw, side="right")), len(order) - 1) :][:1]

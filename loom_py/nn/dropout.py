"""Dropout: in training passes each value is 0 with probability p, the others are scaled by 1 / (1 − p)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields
from .layer import Layer, Params, State
from .options import option
from .registry import register


def _rate(f: Fields, names: tuple[str, ...], in_size: int | None) -> float:
    rate = f.number(*names, default=0.5, minimum=0)
    if rate >= 1:
        raise ConfigError(f"{rate:g} must be below 1", where=f.at(names[0]))
    return rate


def _seed(f: Fields, names: tuple[str, ...], in_size: int | None) -> int:
    """Where none is given it follows from the layer's place, so that two dropouts of a network differ."""
    return f.integer(*names, default=crc32(f.path.encode()), minimum=0, maximum=2**32 - 1)


@register
@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """(B, N) → the same shape: y = x ⊙ m / (1 − p), m ~ Bernoulli(1 − p), in training passes, else y = x.

    Inverted dropout (Srivastava et al. 2014). The mask is new in each training pass. It follows from the seed, the
    number of the pass and the place of the value alone, so that it is the same on every device.

    JSON: `rate` (or `p`; 0.5), 0 ≤ p < 1; `seed` (default: from the layer's place in the network).
    """

    kind = "dropout"
    rate: float = option(_rate, ["rate", "p"], type="float", default=0.5)
    seed: int = option(_seed, type="int", default=0)

    def init_state(self, batch: int, dtype: Any) -> State:
        return {"step": 0}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        if not training or self.rate == 0:
            return ops.scale(x, 1.0), None
        step = s.get("step", 0)
        if s:
            s["step"] = step + 1
        return ops.dropout(x, self.rate, self.seed, step), (step,)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gx = gy ⊙ m / (1 − p), with the mask of the forward pass."""
        return gy if cache is None else ops.dropout(gy, self.rate, self.seed, cache[0]), {}

"""From a text's hidden states to its vector, as sentence-transformers' modules do it: pooling, dense layers, a norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime import numpy_ops

Numbers = NDArray[np.float32]


def _mean(hidden: Numbers) -> Numbers:
    return hidden.mean(0, dtype=np.float64)


def _weighted_mean(hidden: Numbers) -> Numbers:
    weights = np.arange(1, len(hidden) + 1, dtype=np.float64)
    return weights @ hidden / weights.sum()


MODES: Mapping[str, Callable[[Numbers], Numbers]] = {
    "cls": lambda hidden: hidden[0],
    "max": lambda hidden: hidden.max(0),
    "mean": _mean,
    "mean_sqrt_len_tokens": lambda hidden: hidden.sum(0, dtype=np.float64) / np.sqrt(len(hidden)),
    "weightedmean": _weighted_mean,
    "lasttoken": lambda hidden: hidden[-1],
}
"""sentence-transformers' names → what is made of hidden states (T, H): (H,). `weightedmean` is Muennighoff's (2022)."""


@dataclass(frozen=True)
class Dense:
    """`f(weight · x + bias)`; weight (out, in), bias (out,)."""

    weight: Numbers
    bias: Numbers | None = None
    activation: str = "linear"


@dataclass(frozen=True)
class Pooling:
    """How hidden states become vectors.

    - `modes`: of `MODES`; their results follow one another.
    - `layers`: applied to that, in order.
    - `normalised`: whether the vector is divided by its length.
    - `with_prompt`: whether the tokens of a prompt are pooled too.
    """

    modes: tuple[str, ...] = ("mean",)
    layers: tuple[Dense, ...] = field(default=())
    normalised: bool = False
    with_prompt: bool = True

    def width(self, hidden_size: int) -> int:
        """Elements of a vector."""
        return self.layers[-1].weight.shape[0] if self.layers else hidden_size * len(self.modes)

    def pooled(self, hidden: Numbers) -> Numbers:
        """A text's hidden states (T, H) → what the layers begin with: (modes · H,)."""
        return np.concatenate([MODES[mode](hidden) for mode in self.modes]).astype(np.float32)

    def finished(self, pooled: Numbers) -> Numbers:
        """The layers and the norm, for several texts: (N, modes · H) → (N, D)."""
        vectors: Any = pooled
        for layer in self.layers:
            vectors = numpy_ops.activate(layer.activation, numpy_ops.linear(vectors, layer.weight, layer.bias))
        if self.normalised:
            lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1, keepdims=True)
            vectors = vectors / np.maximum(lengths, 1e-12)
        return np.ascontiguousarray(vectors, np.float32)

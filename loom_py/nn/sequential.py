"""Layers one after another, as one layer: a branch of several steps inside a parallel layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import chain
from .activation import Logits
from .layer import Child, Layer, Params, State, child_records
from .options import read_options
from .registry import build_chain, register


@register
@dataclass(frozen=True, kw_only=True)
class Sequential(Layer):
    """x → layer_n(… layer_1(x)). Any kinds, nested to any depth; the residual stream starts empty inside.

    JSON: `layers` (or `branches`, as the original writes it).
    """

    kind = "sequential"
    number = 13
    layers: tuple[Layer, ...]

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        name = "layers" if f.has("layers") else "branches"
        items = f.objects(name, required=True)
        if not items:
            raise ConfigError("a sequential layer needs at least one layer", where=f.at(name))
        layers = build_chain(items, in_size)
        sizes = {"in_size": layers[0].in_size, "out_size": layers[-1].out_size}
        return cls(**sizes, **read_options(cls, f, in_size), layers=tuple(layers))

    def to_json(self) -> Json:
        return super().to_json() | {"branches": [layer.to_json() for layer in self.layers]}

    def init(self, rng: np.random.Generator) -> Params:
        return {"layers": [layer.init(rng) for layer in self.layers]}

    def init_state(self, batch: int, dtype: Any) -> State:
        states = [layer.init_state(batch, dtype) for layer in self.layers]
        return {"layers": states} if any(states) else {}

    def children(self) -> tuple[Child, ...]:
        return tuple(Child(layer, "layers", i, f"layers[{i}]") for i, layer in enumerate(self.layers))

    def with_children(self, layers: Sequence[Layer]) -> Self:
        return replace(self, layers=tuple(layers))

    def weights_to_json(self, p: Params) -> Json:
        pairs = zip(self.layers, p["layers"], strict=True)
        return {"branch_weights": [layer.weights_to_json(lp) for layer, lp in pairs]}

    def weights_from_json(self, f: Fields) -> Params:
        records = child_records(f, "branch_weights", len(self.layers))
        pairs = zip(self.layers, records, strict=True)
        return {"layers": [layer.weights_from_json(record) for layer, record in pairs]}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        y, _, caches = chain.forward(ops, self.layers, p["layers"], x, s.get("layers"), training=training)
        return y, caches

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        gx, grads = chain.backward(ops, self.layers, p["layers"], cache, gy)
        return gx, {"layers": grads}

    def logits(self, cache: Any) -> Logits | None:
        return chain.logits(self.layers, cache)

    def backward_logits(self, ops: Ops, p: Params, cache: Any, gz: Tensor) -> tuple[Tensor, Params]:
        gx, grads = chain.backward(ops, self.layers, p["layers"], cache, gz, from_logits=True)
        return gx, {"layers": grads}

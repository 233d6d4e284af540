"""What observers receive: one event for each layer that ran, forward or backward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..nn.layer import Array, Params
from ..nn.registry import KINDS
from ..schema.fields import Json

Mode = Literal["normal", "step"]


@dataclass(frozen=True)
class LayerStats:
    """Summary of one array: a layer's output (forward) or the gradient at it (backward).

    `active` counts values above 0, `total` all of them. Mean, largest and smallest value are float64.
    """

    average: float
    maximum: float
    minimum: float
    active: int
    total: int
    layer_type: str = ""

    @classmethod
    def of(cls, values: Array, layer_type: str = "") -> LayerStats:
        """Of an array of any shape; an empty one gives zeros."""
        if values.size == 0:
            return cls(0.0, 0.0, 0.0, 0, 0, layer_type)
        average = float(values.mean(dtype=np.float64))
        active = int(np.count_nonzero(values > 0))
        return cls(average, float(values.max()), float(values.min()), active, values.size, layer_type)

    def to_json(self) -> Json:
        """The original's names; numbers that JSON cannot hold (NaN, infinity) are null."""
        return {
            "AvgActivation": _finite(self.average),
            "MaxActivation": _finite(self.maximum),
            "MinActivation": _finite(self.minimum),
            "ActiveNeurons": self.active,
            "TotalNeurons": self.total,
            "LayerType": self.layer_type,
        }


@dataclass(frozen=True)
class Place:
    """Where a layer is.

    - `path`: `layers.3`, or `layers.3.branches.1` for a layer inside another: the prefix of its parameters' names.
    - `layer_idx`, `grid_row`, `grid_col`, `cell_layer`: of the layer in the grid that it is, or is inside of.
    - `branch_idx`: its index in the layer it is inside of, −1 for a layer of the grid.
    - `is_parallel_branch`: whether that layer is a parallel one (else sequential).
    """

    path: str
    kind: str
    layer_idx: int
    grid_row: int
    grid_col: int
    cell_layer: int
    branch_idx: int = -1
    is_parallel_branch: bool = False


@dataclass(frozen=True)
class LayerEvent:
    """One layer ran.

    - `type`: "forward", with the layer's `input` (B, I) and `output` (B, O); or "backward", with the gradient with
      respect to its output as `input` (B, O) and the one with respect to its input as `output` (B, I).
    - `mode`: "normal" for a whole pass, "step" for one tick of stepping, number `step_count`.
    - `params`, `grads`: the layer's live parameters, and in a backward event their gradients.

    `output` is the layer's own, before the residual stream is added. The arrays belong to the network: copy what you
    keep, change nothing.
    """

    type: Literal["forward", "backward"]
    place: Place
    input: Array
    output: Array
    mode: Mode = "normal"
    step_count: int = 0
    model_id: str = ""
    params: Params = field(default_factory=dict, repr=False)
    grads: Params = field(default_factory=dict, repr=False)

    @cached_property
    def stats(self) -> LayerStats:
        """Of the output (forward) or of the gradient that arrived (backward); computed when first asked for."""
        return LayerStats.of(self.output if self.type == "forward" else self.input, self.place.kind)

    def to_json(self, values: bool = True) -> Json:
        """The original's layout, with `path` beside it; without `values`, `Input` and `Output` are null."""
        place = self.place
        return {
            "mode": self.mode,
            "Type": self.type,
            "LayerIdx": place.layer_idx,
            "LayerType": KINDS[place.kind].number if place.kind in KINDS else -1,
            "Stats": self.stats.to_json(),
            "Input": numbers(self.input) if values else None,
            "Output": numbers(self.output) if values else None,
            "step_count": self.step_count,
            "grid_row": place.grid_row,
            "grid_col": place.grid_col,
            "cell_layer": place.cell_layer,
            "model_id": self.model_id,
            "branch_idx": place.branch_idx,
            "is_parallel_branch": place.is_parallel_branch,
            "path": place.path,
        }


def numbers(a: Array) -> list[float | None]:
    """A flat JSON list; None for what is not finite. float32 as the shortest decimals that read back to it."""
    flat = a.ravel()
    shown = [float(s) for s in flat.astype("U")] if flat.dtype == np.float32 else flat.tolist()
    return [_finite(v) for v in shown]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def scalars(values: Mapping[str, Any]) -> Json:
    """A mapping with numbers that are not finite as None."""
    return {k: _finite(v) if isinstance(v, float) else v for k, v in values.items()}

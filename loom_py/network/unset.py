"""Networks built cell by cell, the original's `NewNetwork`, and what a cell holds before a layer is set there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from ..errors import ConfigError, InputError
from ..nn.activation import NAMES
from ..nn.residual import Residual
from ..schema.fields import Fields, Json
from .config import MAX_LAYERS
from .network import Network

ACTIVATIONS = NAMES[:5]


@dataclass(frozen=True, kw_only=True)
class Unset(Residual):
    """y = f(x), element by element: a cell without weights, the original's initial state.

    It runs and passes gradients, but has no configuration, so it can be neither saved nor read as a `LayerConfig`.
    """

    kind = "unset"
    number = -1
    residual = "none"
    place: str

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        raise _nothing_here(f.path)

    def source(self, index: int, stream: int | None) -> int | None:
        return None

    def to_json(self) -> Json:
        raise _nothing_here(self.place)


def _nothing_here(place: str) -> ConfigError:
    return ConfigError("no layer was set here yet", where=place, remedy="Set one with set_layer (SetLayer).")


def new_network(
    input_size: int, grid_rows: int = 1, grid_cols: int = 1, layers_per_cell: int = 1, *, seed: int | None = None
) -> Network:
    """A grid of unset layers for `set_layer`; until then the i-th applies activation i mod 5 to `input_size` values.

    Raises `InputError` for a size that is no positive whole number, or more than 100 000 layers.
    """
    sizes = {
        "input_size": input_size,
        "grid_rows": grid_rows,
        "grid_cols": grid_cols,
        "layers_per_cell": layers_per_cell,
    }
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < 2**31 or value % 1:
            raise InputError(f"expected a positive whole number, got {value!r}", where=name)
    rows, cols, per_cell = int(grid_rows), int(grid_cols), int(layers_per_cell)
    count = math.prod((rows, cols, per_cell))
    if count > MAX_LAYERS:
        raise InputError(f"{count} layers; the limit is {MAX_LAYERS}", where="layers_per_cell")
    layers = []
    for i in range(count):
        place = f"layer {i // (per_cell * cols)}, {i // per_cell % cols}, {i % per_cell}"
        size = int(input_size) if i == 0 else None  # a layer set later may have any output size
        layers.append(Unset(in_size=size, out_size=None, activation=ACTIVATIONS[i % 5], place=place))
    return Network(layers, grid=(rows, cols, per_cell), seed=seed)

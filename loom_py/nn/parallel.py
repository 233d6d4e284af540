"""Branches of any kind side by side, each given the whole input, their outputs combined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from ..errors import ConfigError, FormatError
from ..runtime.ops import Ops, Tensor
from . import activation
from .fields import Fields, Json, json_type
from .layer import Array, Layer, Params
from .registry import build_layer, register

MODES = ("concat", "add", "avg", "grid_scatter")
MAX_DEPTH = 32


class Position(NamedTuple):
    """Where `grid_scatter` puts a branch."""

    branch_index: int
    target_row: int
    target_col: int
    target_layer: int


@register
@dataclass(frozen=True, kw_only=True)
class Parallel(Layer):
    """x (B, I) → combine(branch_1(x), …, branch_n(x)).

    - `concat`: (B, ΣO_i), sample by sample;
    - `add`, `avg`: (B, O), all branches of one width;
    - `grid_scatter`: `concat` in the order of the grid cells (row, column, layer) that `grid_positions` names; cells
      without a branch take no space. Without positions the branches fill the cells in order.

    Branches may be parallel layers themselves.
    """

    kind = "parallel"
    branches: tuple[Layer, ...]
    combine_mode: str = "concat"
    grid: tuple[int, int, int] = (0, 0, 0)
    positions: tuple[Position, ...] = ()

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        if f.path.count(".branches[") >= MAX_DEPTH:
            raise ConfigError(f"nested deeper than {MAX_DEPTH} parallel layers", where=f.path)
        mode = f.string("combine_mode", default="") or "concat"
        mode = {"average": "avg"}.get(mode, mode)
        if mode not in MODES:
            raise ConfigError(
                f"unknown combine mode: {mode}", where=f.at("combine_mode"), remedy=f"Known: {', '.join(MODES)}."
            )
        activation.resolve(f.any("activation"), f.at("activation"))  # written by the original, not used
        items = f.objects("branches", required=True)
        if not items:
            raise ConfigError("a parallel layer needs at least one branch", where=f.at("branches"))
        branches: list[Layer] = []
        for item in items:
            branch = build_layer(item, in_size)
            if in_size is None:
                in_size = branch.in_size  # the first branch that knows decides for the others
            branches.append(branch)
        grid, positions = _grid(f, len(branches)) if mode == "grid_scatter" else _ignored_grid(f)
        widths = [b.out_size for b in branches]
        known = [w for w in widths if w is not None]
        if mode in ("add", "avg") and len(set(known)) > 1:
            raise ConfigError(f"{mode} needs branches of one output size, got {widths}", where=f.at("branches"))
        if mode in ("add", "avg"):
            out = known[0] if known else None
        else:
            out = sum(known) if len(known) == len(widths) else None
        return cls(
            in_size=in_size,
            out_size=out,
            branches=tuple(branches),
            combine_mode=mode,
            grid=grid,
            positions=positions,
        )

    def to_json(self) -> Json:
        record: Json = {"type": self.kind, "activation": "relu", "combine_mode": self.combine_mode}
        record["branches"] = [b.to_json() for b in self.branches]
        if self.combine_mode == "grid_scatter":
            names = ("grid_output_rows", "grid_output_cols", "grid_output_layers")
            record |= dict(zip(names, self.grid, strict=True))
            record["grid_positions"] = [p._asdict() for p in self.positions]
        return record

    def init(self, rng: np.random.Generator) -> Params:
        return {"branches": [b.init(rng) for b in self.branches]}

    def weights_to_json(self, p: Params) -> Json:
        pairs = zip(self.branches, p["branches"], strict=True)
        return {"branch_weights": [b.weights_to_json(bp) for b, bp in pairs]}

    def weights_from_json(self, record: Mapping[str, Any], where: str) -> Params:
        items, place = record.get("branch_weights"), f"{where}.branch_weights"
        if not isinstance(items, list) or len(items) != len(self.branches):
            got = f"{len(items)}" if isinstance(items, list) else json_type(items)
            raise FormatError(f"expected {len(self.branches)} weight records, got {got}", where=place)
        loaded = []
        for i, (branch, item) in enumerate(zip(self.branches, items, strict=True)):
            if not isinstance(item, Mapping):
                raise FormatError(f"expected an object, got {json_type(item)}", where=f"{place}[{i}]")
            loaded.append(branch.weights_from_json(item, f"{place}[{i}]"))
        return {"branches": loaded}

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        parts = [b.gradients_flat(g) for b, g in zip(self.branches, grads["branches"], strict=True)]
        return [k for kernels, _ in parts for k in kernels], [b for _, biases in parts for b in biases]

    @property
    def order(self) -> list[int]:
        """Branch indices in output order."""
        if self.combine_mode != "grid_scatter":
            return list(range(len(self.branches)))
        return [p.branch_index for p in sorted(self.positions, key=lambda p: p[1:])]

    def forward(self, ops: Ops, p: Params, x: Tensor) -> tuple[Tensor, Any]:
        outputs, caches = [], []
        for branch, bp in zip(self.branches, p["branches"], strict=True):
            y, cache = branch.forward(ops, bp, x)
            outputs.append(y)
            caches.append(cache)
        if self.combine_mode in ("add", "avg"):
            total = outputs[0]
            for y in outputs[1:]:
                total = ops.add(total, y)
            y = ops.scale(total, 1 / len(outputs)) if self.combine_mode == "avg" else total
        else:
            y = ops.concat([outputs[i] for i in self.order], axis=1)
        return y, (caches, [o.shape[1] for o in outputs])

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """Each branch gets its part of gy (the whole for add, 1/n of it for avg); their input gradients add up."""
        caches, widths = cache
        n = len(self.branches)
        if self.combine_mode in ("add", "avg"):
            parts = [ops.scale(gy, 1 / n) if self.combine_mode == "avg" else gy] * n
        else:
            parts, start = [gy] * n, 0
            for i in self.order:
                parts[i] = ops.narrow(gy, 1, start, widths[i])
                start += widths[i]
        gx, grads = None, []
        for branch, bp, bc, part in zip(self.branches, p["branches"], caches, parts, strict=True):
            g, branch_grads = branch.backward(ops, bp, bc, part)
            gx = g if gx is None else ops.add(gx, g)
            grads.append(branch_grads)
        return gx, {"branches": grads}


def _ignored_grid(f: Fields) -> tuple[tuple[int, int, int], tuple[Position, ...]]:
    for name in ("grid_output_rows", "grid_output_cols", "grid_output_layers", "grid_positions"):
        f.any(name)
    return (0, 0, 0), ()


def _grid(f: Fields, count: int) -> tuple[tuple[int, int, int], tuple[Position, ...]]:
    """Grid size and one position a branch; every clash and every branch left out is an error."""
    rows = f.integer("grid_output_rows", default=count)
    cols = f.integer("grid_output_cols", default=1)
    depth = f.integer("grid_output_layers", default=1)
    items = f.objects("grid_positions")
    if not items:
        if rows * cols * depth < count:
            raise ConfigError(
                f"{count} branches do not fit a grid of {rows} × {cols} × {depth}", where=f.at("grid_output_rows")
            )
        cells = [(i // (cols * depth), i // depth % cols, i % depth) for i in range(count)]
        return (rows, cols, depth), tuple(Position(i, *cell) for i, cell in enumerate(cells))
    if len(items) != count:
        raise ConfigError(f"{len(items)} positions for {count} branches", where=f.at("grid_positions"))
    positions: list[Position] = []
    for i, item in enumerate(items):
        index = item.integer("branch_index", default=i, minimum=0, maximum=count - 1)
        row = item.integer("target_row", default=0, minimum=0, maximum=rows - 1)
        col = item.integer("target_col", default=0, minimum=0, maximum=cols - 1)
        layer = item.integer("target_layer", default=0, minimum=0, maximum=depth - 1)
        item.finish()
        position = Position(index, row, col, layer)
        for other in positions:
            if other.branch_index == index:
                raise ConfigError(f"branch {index} already has a position", where=item.at("branch_index"))
            if other[1:] == position[1:]:
                raise ConfigError(
                    f"branch {other.branch_index} is already in cell {row}, {col}, {layer}", where=item.path
                )
        positions.append(position)
    return (rows, cols, depth), tuple(positions)

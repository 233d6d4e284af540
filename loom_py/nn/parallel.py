"""Branches of any kind side by side, each given the whole input, their outputs combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from ..schema.names import plain, spellings
from .activation import ignored_activation
from .layer import Child, Layer, Params, State, child_records, tree_map
from .options import option, read_divisor, read_options
from .registry import build_layer, register
from .softmax import Softmax

MODES = ("concat", "add", "avg", "grid_scatter", "filter")


def _mode(f: Fields, names: tuple[str, ...], in_size: int | None) -> str:
    given = f.string(*names, default="")
    mode = spellings(MODES, {"": "concat", "average": "avg"}).get(plain(given))
    if mode is None:
        raise ConfigError(f"unknown combine mode: {given}", where=f.at(names[0]), remedy=f"Known: {', '.join(MODES)}.")
    return mode


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

    - `filter`: (B, max O_i), Σ_i w_i y_i with shorter outputs padded by zeros, w = softmax of a gate's n logits: a
      mixture of experts (Jacobs et al. 1991). JSON `filter_gate` (a layer with n outputs; default: linear dense),
      `filter_softmax` (a softmax variant, standard), `filter_temperature` (1).

    Branches may be parallel layers themselves.
    """

    kind = "parallel"
    number = 10
    activation: str = ignored_activation("relu")
    combine_mode: str = option(_mode, type="str", default="concat")
    branches: tuple[Layer, ...]
    grid: tuple[int, int, int] = (0, 0, 0)
    positions: tuple[Position, ...] = ()
    gate: Layer | None = None
    gate_softmax: Softmax | None = None

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        values = read_options(cls, f, in_size)
        mode: str = values["combine_mode"]
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
        gate, softmax = _gate(f, len(branches), in_size, mode == "filter")
        return cls(
            in_size=in_size,
            out_size=_out_size(f, mode, [b.out_size for b in branches]),
            branches=tuple(branches),
            grid=grid,
            positions=positions,
            gate=gate,
            gate_softmax=softmax,
            **values,
        )

    def to_json(self) -> Json:
        record = super().to_json() | {"branches": [b.to_json() for b in self.branches]}
        if self.combine_mode == "grid_scatter":
            names = ("grid_output_rows", "grid_output_cols", "grid_output_layers")
            record |= dict(zip(names, self.grid, strict=True))
            record["grid_positions"] = [p._asdict() for p in self.positions]
        if self.gate is not None and self.gate_softmax is not None:
            record["filter_gate"] = self.gate.to_json()
            record["filter_softmax"] = self.gate_softmax.variant
            record["filter_temperature"] = self.gate_softmax.temperature
        return record

    def init(self, rng: np.random.Generator) -> Params:
        gate = {} if self.gate is None else {"gate": [self.gate.init(rng)]}
        return {"branches": [b.init(rng) for b in self.branches], **gate}

    def init_state(self, batch: int, dtype: Any) -> State:
        branches = [b.init_state(batch, dtype) for b in self.branches]
        gate = self.gate.init_state(batch, dtype) if self.gate else {}
        return {"branches": branches, "gate": gate} if any(branches) or gate else {}

    def children(self) -> tuple[Child, ...]:
        branches = (Child(b, "branches", i, f"branches[{i}]") for i, b in enumerate(self.branches))
        gate = () if self.gate is None else (Child(self.gate, "gate", 0, "filter_gate"),)
        return *branches, *gate

    def with_children(self, layers: Sequence[Layer]) -> Self:
        count = len(self.branches)
        return replace(self, branches=tuple(layers[:count]), gate=layers[count] if self.gate else None)

    def weights_to_json(self, p: Params) -> Json:
        pairs = zip(self.branches, p["branches"], strict=True)
        gate = {} if self.gate is None else {"gate_weights": self.gate.weights_to_json(p["gate"][0])}
        return {"branch_weights": [b.weights_to_json(bp) for b, bp in pairs], **gate}

    def weights_from_json(self, f: Fields) -> Params:
        records = child_records(f, "branch_weights", len(self.branches))
        loaded = [b.weights_from_json(record) for b, record in zip(self.branches, records, strict=True)]
        if self.gate is None:
            return {"branches": loaded}
        if f.has("gate_weights") and (gate_record := f.object("gate_weights")).values:
            gate = self.gate.weights_from_json(gate_record)
        else:  # the original does not save the gate; zero weights mix evenly, as it does without one
            gate = tree_map(np.zeros_like, self.gate.init(np.random.default_rng(0)))
        return {"branches": loaded, "gate": [gate]}

    @property
    def order(self) -> list[int]:
        """Branch indices in output order."""
        if self.combine_mode != "grid_scatter":
            return list(range(len(self.branches)))
        return [p.branch_index for p in sorted(self.positions, key=lambda p: p[1:])]

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        outputs: list[Tensor] = []
        caches: list[Any] = []
        states: list[State] = s.get("branches") or [{}] * len(self.branches)
        width = x.shape[1]
        for branch, bp, bs in zip(self.branches, p["branches"], states, strict=True):
            if branch.in_size != width:
                branch.check_width(width)
            y, cache = branch.forward(ops, bp, x, bs, training)
            outputs.append(y)
            caches.append(cache)
        widths = [o.shape[1] for o in outputs]
        extra = None
        if self.combine_mode in ("add", "avg"):
            total = outputs[0]
            for y in outputs[1:]:
                total = ops.add(total, y)
            y = ops.scale(total, 1 / len(outputs)) if self.combine_mode == "avg" else total
        elif self.combine_mode == "filter":
            y, extra = self._filter(ops, p, x, outputs, s, training)
        else:
            y = ops.concat([outputs[i] for i in self.order], axis=1)
        return y, (caches, widths, extra)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """Each branch gets its part of gy (add: the whole, avg: 1/n, filter: w_i); their input gradients add up."""
        caches, widths, extra = cache
        n = len(self.branches)
        gx, gate = None, {}
        if self.combine_mode in ("add", "avg"):
            parts = [ops.scale(gy, 1 / n) if self.combine_mode == "avg" else gy] * n
        elif self.combine_mode == "filter":
            parts, gx, gate = self._filter_backward(ops, p, extra, widths, gy)
        else:
            parts, start = [gy] * n, 0
            for i in self.order:
                parts[i] = ops.narrow(gy, 1, start, widths[i])
                start += widths[i]
        grads: list[Params] = []
        for branch, bp, bc, part in zip(self.branches, p["branches"], caches, parts, strict=True):
            g, branch_grads = branch.backward(ops, bp, bc, part)
            gx = g if gx is None else ops.add(gx, g)
            grads.append(branch_grads)
        return gx, {"branches": grads, **gate}

    def _filter(
        self, ops: Ops, p: Params, x: Tensor, outputs: list[Tensor], s: State, training: bool
    ) -> tuple[Tensor, Any]:
        assert self.gate is not None
        assert self.gate_softmax is not None
        width = max(o.shape[1] for o in outputs)
        padded = [ops.reshape(ops.pad(o, 1, width), (-1, 1, width)) for o in outputs]
        stacked = ops.concat(padded, axis=1)
        self.gate.check_width(x.shape[1])
        logits, gate_cache = self.gate.forward(ops, p["gate"][0], x, s.get("gate") or {}, training)
        weights, softmax_cache = self.gate_softmax.forward(ops, {}, logits, {}, training)
        return ops.mix(weights, stacked), (weights, stacked, gate_cache, softmax_cache)

    def _filter_backward(
        self, ops: Ops, p: Params, extra: Any, widths: list[int], gy: Tensor
    ) -> tuple[list[Tensor], Tensor, Params]:
        assert self.gate is not None
        assert self.gate_softmax is not None
        weights, stacked, gate_cache, softmax_cache = extra
        g_weights, g_stacked = ops.mix_grad(weights, stacked, gy)
        g_logits, _ = self.gate_softmax.backward(ops, {}, softmax_cache, g_weights)
        gx, gate = self.gate.backward(ops, p["gate"][0], gate_cache, g_logits)
        parts: list[Tensor] = []
        for i, width in enumerate(widths):
            row = ops.reshape(ops.narrow(g_stacked, 1, i, 1), gy.shape)
            parts.append(ops.narrow(row, 1, 0, width))
        return parts, gx, {"gate": [gate]}


def _out_size(f: Fields, mode: str, widths: list[int | None]) -> int | None:
    sizes = [w for w in widths if w is not None]
    if mode in ("add", "avg"):
        if len(set(sizes)) > 1:
            raise ConfigError(f"{mode} needs branches of one output size, got {widths}", where=f.at("branches"))
        return sizes[0] if sizes else None
    if len(sizes) < len(widths):
        return None
    return max(sizes) if mode == "filter" else sum(sizes)


def _gate(f: Fields, count: int, in_size: int | None, used: bool) -> tuple[Layer | None, Softmax | None]:
    """The gate of `filter` (n outputs) and the softmax over them."""
    names = ("filter_gate", "filter_softmax", "filter_temperature")
    if not used:
        for name in names:
            f.any(name)
        return None, None
    value = f.any("filter_gate")
    if value is None:
        value = {"type": "dense", "output_size": count, "activation": "linear"}
    gate = build_layer(Fields(value, f.at("filter_gate")), in_size)
    if gate.out_size != count:
        raise ConfigError(f"the gate has {gate.out_size} outputs for {count} branches", where=f.at("filter_gate"))
    options: Json = {"variant": f.string("filter_softmax", default="standard")}
    options["temperature"] = read_divisor(f, ("filter_temperature",), 1.0)
    softmax = Softmax.from_fields(Fields(options, f.at("filter_softmax")), count)
    return gate, softmax


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

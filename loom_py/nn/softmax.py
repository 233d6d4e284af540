"""Softmax as a layer, in ten variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, InputError
from ..runtime.kernels.softmax import Tree
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json, json_type
from . import activation
from .layer import Layer, Params, State
from .registry import register

VARIANTS = (
    *("standard", "grid", "hierarchical", "temperature", "gumbel"),
    *("masked", "sparse", "adaptive", "mixture", "entmax"),
)
MAX_LEAVES = 1 << 20


@register
@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """(B, F) → probabilities. All variants divide their input by `temperature` T (default 1) first.

    JSON `softmax_variant`, and what belongs to it:

    - `standard`, `temperature`: softmax over all F values.
    - `grid`: over each row of `softmax_rows` × `softmax_cols`; one of the two may be left out.
    - `hierarchical`: down a tree with `hierarchy_levels` [n₁, n₂, …] children a level, F = Πn leaves; a leaf's
      probability is the product of its branch's probability among its siblings on every level (Morin & Bengio 2005).
      The input holds one logit a leaf (an inner node then has the mean of the leaves under it), or one a node, level by
      level (n₁ + n₁n₂ + …).
    - `adaptive`: a tree of two levels (Grave et al. 2017): `adaptive_clusters` [[class, …], …]; classes in no cluster
      compete directly with the clusters. One logit a class (a cluster has the mean of its classes'), or with
      `cluster_logits` also one a cluster behind them.
    - `gumbel`: softmax((x + G) / T), G Gumbel noise (Jang et al. 2017) drawn anew each call from `seed`;
      `gumbel_noise: false` turns it off.
    - `masked`: only where `mask` is true; exactly 0 elsewhere.
    - `sparse` (or `sparsemax`): projection onto the simplex (Martins & Astudillo 2016).
    - `entmax`: α-entmax, `entmax_alpha` ≥ 1 (1.5), exact (Peters et al. 2019); 1 is softmax, 2 sparsemax.
    - `mixture`: Σ_k π_k softmax(z_k) (Yang et al. 2018): K·n inputs, n outputs, π from `mixture_weights`; or
      `mixture_components` K, and π = softmax of K more inputs behind the others.
    """

    kind = "softmax"
    variant: str = "standard"
    temperature: float = 1.0
    rows: int = 1
    mask: tuple[bool, ...] = ()
    levels: tuple[int, ...] = ()
    clusters: tuple[tuple[int, ...], ...] = ()
    cluster_logits: bool = False
    weights: tuple[float, ...] = ()
    components: int = 0
    alpha: float = 1.5
    noise: bool = True
    seed: int = 0

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        activation.resolve(f.any("activation"), f.at("activation"))  # written by the original, not used
        variant = f.string("softmax_variant", "variant", default="standard")
        variant = {"sparsemax": "sparse", "": "standard"}.get(variant, variant)
        if variant not in VARIANTS:
            known = f"Known: {', '.join(VARIANTS)}."
            raise ConfigError(f"unknown softmax variant {variant!r}", where=f.at("softmax_variant"), remedy=known)
        rows, columns = f.integer("softmax_rows", default=0, minimum=0), f.integer("softmax_cols", default=0, minimum=0)
        made = cls(
            in_size=in_size,
            out_size=in_size,
            variant=variant,
            temperature=f.number("temperature", default=0.0, minimum=0.0) or 1.0,
            mask=_array(f, "mask", bool),
            levels=_array(f, "hierarchy_levels", int),
            clusters=_clusters(f),
            weights=_array(f, "mixture_weights", float),
            components=f.integer("mixture_components", default=0, minimum=0),
            alpha=f.number("entmax_alpha", default=1.5, minimum=1.0),
            cluster_logits=f.boolean("cluster_logits"),
            noise=_flag(f, "gumbel_noise"),
            seed=f.integer("seed", default=0, minimum=0),
            rows=_rows(f, rows, columns, in_size) if variant == "grid" else 1,
        )
        return made._checked(f, columns)

    def _checked(self, f: Fields, columns: int) -> Self:
        """Everything that sizes and lists must satisfy together; the sizes that follow from them."""
        size, out = self.in_size, self.out_size
        if self.variant == "grid" and columns:
            size = out = self.rows * columns
        elif self.variant == "masked":
            if not any(self.mask):
                raise ConfigError("at least one entry must be true", where=f.at("mask"))
            size = out = len(self.mask)
        elif self.variant == "hierarchical":
            leaves = int(np.prod(self.levels)) if self.levels else 0
            if not self.levels or min(self.levels) < 1 or leaves > MAX_LEAVES:
                raise ConfigError("needs a list of sizes of at least 1", where=f.at("hierarchy_levels"))
            size, out = self._tree_sizes(f, "hierarchy_levels", leaves, _level_tree(self.levels).nodes)
        elif self.variant == "adaptive":
            out = None if size is None else self._classes(size)
            top = max((c for cluster in self.clusters for c in cluster), default=-1) + 1
            if not self.clusters or (out is not None and top > out):
                raise ConfigError(f"needs lists of classes below {out}", where=f.at("adaptive_clusters"))
        elif self.variant == "mixture":
            if self.weights and not sum(self.weights) > 0:
                raise ConfigError("must have a positive sum", where=f.at("mixture_weights"))
            k = len(self.weights) or self.components
            if not k or min(self.weights, default=0) < 0:
                raise ConfigError("needs weights of at least 0, or mixture_components", where=f.at("mixture_weights"))
            if size is not None:
                gate = 0 if self.weights else k
                if (size - gate) % k or size <= gate:
                    raise ConfigError(f"{size} inputs are not {k} softmaxes", where=f.at("mixture_weights"))
                out = (size - gate) // k
        if self.in_size is not None and size != self.in_size:
            raise ConfigError(f"{self.variant} softmax takes {size} values, got {self.in_size}", where=f.path)
        return replace(self, in_size=size, out_size=out)

    def _classes(self, size: int) -> int:
        """Outputs of an adaptive softmax with `size` inputs."""
        return size - len(self.clusters) if self.cluster_logits else size

    def _tree_sizes(self, f: Fields, name: str, leaves: int, nodes: int) -> tuple[int | None, int]:
        if self.in_size not in (None, leaves, nodes):
            raise ConfigError(f"{self.in_size} inputs are neither {leaves} leaves nor {nodes} nodes", where=f.at(name))
        return self.in_size, leaves

    def to_json(self) -> Json:
        record: Json = {"type": self.kind, "activation": "relu", "softmax_variant": self.variant}
        record["temperature"] = self.temperature
        if self.variant == "grid":
            record["softmax_rows"] = self.rows
            if self.in_size is not None:
                record["softmax_cols"] = self.in_size // self.rows
        extras: dict[str, Json] = {
            "masked": {"mask": list(self.mask)},
            "hierarchical": {"hierarchy_levels": list(self.levels)},
            "adaptive": {"adaptive_clusters": [list(c) for c in self.clusters]},
            "mixture": {"mixture_weights": list(self.weights)}
            if self.weights
            else {"mixture_components": self.components},
            "entmax": {"entmax_alpha": self.alpha},
            "gumbel": {"gumbel_noise": self.noise, "seed": self.seed},
        }
        if self.cluster_logits:
            record["cluster_logits"] = True
        return record | extras.get(self.variant, {})

    def init(self, rng: np.random.Generator) -> Params:
        return {}

    def init_state(self, batch: int, dtype: Any) -> State:
        return {"step": 0} if self.variant == "gumbel" and self.noise else {}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        shape = x.shape
        z = ops.scale(x, 1 / self.temperature) if self.temperature != 1 else x
        match self.variant:
            case "grid":
                self._divides(shape[1], self.rows)
                y = ops.reshape(ops.softmax(ops.reshape(z, (-1, shape[1] // self.rows))), shape)
            case "masked":
                y = ops.masked_softmax(z, np.array(self.mask))
            case "hierarchical" | "adaptive":
                y = ops.tree_softmax(z, self._tree(shape[1]))
            case "sparse":
                y = ops.sparsemax(z)
            case "entmax":
                y = ops.entmax(z, self.alpha)
            case "gumbel" if self.noise:
                step = s.get("step", 0)
                noise = ops.gumbel(shape, self.seed, step, like=z)
                y = ops.softmax(ops.add(z, ops.scale(noise, 1 / self.temperature)))
                if s:
                    s["step"] = step + 1
            case "mixture":
                return self._mixture(ops, z)
            case _:
                y = ops.softmax(z)
        return y, (z, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """Each variant's own Jacobian, then 1/T."""
        match self.variant:
            case "grid":
                z, y = cache
                flat = (-1, y.shape[1] // self.rows)
                gz = ops.reshape(ops.softmax_grad(ops.reshape(y, flat), ops.reshape(gy, flat)), y.shape)
            case "hierarchical" | "adaptive":
                z, y = cache
                gz = ops.tree_softmax_grad(z, y, gy, self._tree(z.shape[1]))
            case "sparse" | "entmax":
                alpha = 2.0 if self.variant == "sparse" else self.alpha
                gz = ops.entmax_grad(cache[1], gy, alpha)
            case "mixture":
                gz = self._mixture_backward(ops, cache, gy)
            case _:
                gz = ops.softmax_grad(cache[1], gy)
        return (ops.scale(gz, 1 / self.temperature) if self.temperature != 1 else gz), {}

    def _mixture(self, ops: Ops, z: Tensor) -> tuple[Tensor, Any]:
        k = len(self.weights) or self.components
        gate = 0 if self.weights else k
        self._divides(z.shape[1] - gate, k)
        n = (z.shape[1] - gate) // k
        parts = ops.softmax(ops.reshape(ops.narrow(z, 1, 0, k * n), (-1, k, n)))
        if self.weights:
            share = np.array(self.weights) / sum(self.weights)
            mixing = np.broadcast_to(share.astype(z.dtype), (z.shape[0], k))
        else:
            mixing = ops.softmax(ops.narrow(z, 1, k * n, k))
        return ops.mix(mixing, parts), (mixing, parts)

    def _mixture_backward(self, ops: Ops, cache: Any, gy: Tensor) -> Tensor:
        mixing, parts = cache
        g_mixing, g_parts = ops.mix_grad(mixing, parts, gy)
        gz = ops.reshape(ops.softmax_grad(parts, g_parts), (gy.shape[0], -1))
        return gz if self.weights else ops.concat([gz, ops.softmax_grad(mixing, g_mixing)], axis=1)

    def _divides(self, size: int, parts: int) -> None:
        if size % parts or not size:
            raise InputError(f"{size} values do not divide into {parts} softmaxes", where="input")

    def _tree(self, size: int) -> Tree:
        """The tree for `size` inputs."""
        tree = (
            _level_tree(self.levels)
            if self.variant == "hierarchical"
            else _cluster_tree(self._classes(size), self.clusters)
        )
        if size not in (len(tree.paths), tree.nodes):
            raise InputError(
                f"{size} values fit neither {len(tree.paths)} leaves nor {tree.nodes} nodes", where="input"
            )
        return tree


@cache
def _level_tree(levels: tuple[int, ...]) -> Tree:
    """Nodes level by level, each level from left to right; siblings are neighbours."""
    counts = np.cumprod(levels)
    starts = np.concatenate([[0], np.cumsum(counts)])
    leaf = np.arange(counts[-1])
    paths = np.stack([starts[i] + leaf // (counts[-1] // counts[i]) for i in range(len(levels))], axis=1)
    parents = [np.arange(n) // width for n, width in zip(counts, levels, strict=True)]
    offsets = np.concatenate([[0], np.cumsum([len(set(p)) for p in parents])])
    groups = np.concatenate([p + o for p, o in zip(parents, offsets[:-1], strict=True)])
    return Tree(groups=groups, paths=paths)


@cache
def _cluster_tree(classes: int, clusters: tuple[tuple[int, ...], ...]) -> Tree:
    """One node a class, then one a cluster; free classes and clusters are the root's group 0."""
    if max(c for cluster in clusters for c in cluster) >= classes:
        raise InputError(f"{classes} classes come, a cluster names a later one", where="input")
    groups = np.zeros(classes + len(clusters), np.int64)
    paths = np.full((classes, 2), classes + len(clusters))
    paths[:, 1] = np.arange(classes)
    for k, cluster in enumerate(clusters):
        groups[list(cluster)] = k + 1
        paths[list(cluster), 0] = classes + k
    return Tree(groups=groups, paths=paths)


def _rows(f: Fields, rows: int, columns: int, in_size: int | None) -> int:
    if not rows and columns and in_size:
        rows = in_size // columns
    rows = rows or 1
    if in_size is not None and in_size != rows * (columns or in_size // rows):
        raise ConfigError(
            f"{in_size} inputs are not {rows} rows of {columns or 'equal'} columns", where=f.at("softmax_rows")
        )
    return rows


def _flag(f: Fields, name: str) -> bool:
    """A boolean, or a number as the original's examples have it: 0 is off."""
    value = f.any(name)
    return bool(value) if isinstance(value, (int, float)) else f.boolean(name, default=True)


def _array(f: Fields, name: str, kind: Callable[[Any], Any]) -> tuple[Any, ...]:
    """A flat array of booleans or numbers; [] if absent."""
    value = f.any(name)
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ConfigError(f"expected an array, got {json_type(value)}", where=f.at(name))
    for i, item in enumerate(value):
        wrong = (
            not isinstance(item, bool) if kind is bool else isinstance(item, bool) or not isinstance(item, (int, float))
        )
        if wrong or (kind is int and item != int(item)):
            raise ConfigError(f"expected {kind.__name__}, got {json_type(item)}", where=f"{f.at(name)}[{i}]")
    return tuple(kind(item) for item in value)


def _clusters(f: Fields) -> tuple[tuple[int, ...], ...]:
    value = f.any("adaptive_clusters") or []
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"expected an array, got {json_type(value)}", where=f.at("adaptive_clusters"))
    seen: set[int] = set()
    clusters = []
    for i, item in enumerate(value):
        place = f"adaptive_clusters[{i}]"
        cluster = _array(Fields({place: item}, f.path), place, int)
        if not cluster or min(cluster) < 0 or seen & set(cluster) or len(set(cluster)) < len(cluster):
            raise ConfigError("needs classes that are in no other place", where=f.at(place))
        seen |= set(cluster)
        clusters.append(cluster)
    return tuple(clusters)

"""Softmax as a layer, in ten variants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, InputError
from ..runtime.guards import is_sequence
from ..runtime.ops import Ops, Tensor
from ..runtime.softmax_tree import Tree
from ..schema.fields import Fields, Json, json_type
from ..schema.names import plain, spellings
from .activation import Logits, ignored_activation
from .layer import Layer, Params, State
from .options import array, boolean, divisor, integer, items, option, real
from .registry import register
from .softmax_trees import cluster_tree, level_tree

MAX_LEAVES = 1 << 20
ALIASES = {"": "standard", "sparsemax": "sparse", "spatial": "grid"}
Sizes = tuple[int | None, int | None]


def _variant(f: Fields, names: tuple[str, ...], in_size: int | None) -> str:
    given = f.string(*names, default="standard")
    variant = spellings(VARIANTS, ALIASES).get(plain(given))
    if variant is None:
        remedy = f"Known: {', '.join(VARIANTS)}."
        raise ConfigError(f"unknown softmax variant {given!r}", where=f.at(names[0]), remedy=remedy)
    return variant


def _flag(f: Fields, names: tuple[str, ...], in_size: int | None) -> bool:
    """A boolean, or a number as the original's examples have it: 0 is off."""
    value = f.any(*names)
    return bool(value) if isinstance(value, (int, float)) else f.boolean(*names, default=True)


def _clusters(f: Fields, names: tuple[str, ...], in_size: int | None) -> tuple[tuple[int, ...], ...]:
    seen: set[int] = set()
    clusters: list[tuple[int, ...]] = []
    for i, item in enumerate(f.array(*names, default=())):
        if not is_sequence(item):
            raise f.error(f"expected an array, got {json_type(item)}", names[0], i)
        cluster: tuple[int, ...] = items(f, item, int, names[0], i)
        if not cluster or min(cluster) < 0 or seen & set(cluster) or len(set(cluster)) < len(cluster):
            raise f.error("needs classes that are in no other place", names[0], i)
        seen |= set(cluster)
        clusters.append(cluster)
    return tuple(clusters)


@register
@dataclass(frozen=True, kw_only=True)
class Softmax(Layer):
    """(B, F) → probabilities. All variants divide their input by `temperature` T ≥ 10⁻³⁷ (default 1) first.

    JSON `softmax_variant`, and what belongs to it:

    - `standard`, `temperature`: softmax over all F values.
    - `grid` (or `spatial`): over each row of `softmax_rows` × `softmax_cols`; one of the two may be left out.
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
    number = 5
    activation: str = ignored_activation("relu")
    variant: str = option(_variant, ["softmax_variant", "variant"], type="str", default="standard")
    temperature: float = divisor(default=1.0)
    rows: int = integer("softmax_rows", default=0, minimum=0)
    mask: tuple[bool, ...] = array("mask", of=bool)
    levels: tuple[int, ...] = array("hierarchy_levels", of=int)
    clusters: tuple[tuple[int, ...], ...] = option(
        _clusters, ["adaptive_clusters"], type="list", default=(), write=lambda value: [list(c) for c in value]
    )
    cluster_logits: bool = boolean()
    weights: tuple[float, ...] = array("mixture_weights", of=float)
    components: int = integer("mixture_components", default=0, minimum=0)
    alpha: float = real("entmax_alpha", default=1.5, minimum=1.0)
    noise: bool = option(_flag, ["gumbel_noise"], type="bool", default=True)
    seed: int = integer(default=0, minimum=0)

    def fitted(self, f: Fields) -> Self:
        for name in VARIANTS[self.variant].counts:
            f.integer(name, default=1, minimum=1)  # 0 passes where the variant does not use it
        columns = f.integer("softmax_cols", default=0, minimum=0)
        layer = replace(self, rows=_rows(f, self, columns)) if self.variant == "grid" else self
        size, out = VARIANTS[self.variant].sizes(layer, f)
        if self.in_size is not None and size != self.in_size:
            raise ConfigError(f"{self.variant} softmax takes {size} values, got {self.in_size}", where=f.path)
        return replace(layer, in_size=size, out_size=out)

    def to_json(self) -> Json:
        """Of the options those that belong to the variant, unless they are empty."""
        record = super().to_json()
        general = ("type", "activation", "softmax_variant", "temperature")
        own = {name: record[name] for name in VARIANTS[self.variant].options if record[name] or record[name] is False}
        if self.variant == "grid" and self.in_size is not None:
            own["softmax_cols"] = self.in_size // self.rows
        return {name: record[name] for name in general} | own

    def init_state(self, batch: int, dtype: Any) -> State:
        return {"step": 0} if self.variant == "gumbel" and self.noise else {}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        return VARIANTS[self.variant].forward(self, ops, x, s)

    def tempered(self, ops: Ops, x: Tensor) -> Tensor:
        """Logits z = x / T, but for a shift of each row."""
        return ops.temper(x, self.temperature) if self.temperature != 1 else x

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gx = gz / T, gz by the variant's own Jacobian."""
        return self.backward_logits(ops, p, cache, VARIANTS[self.variant].backward(self, ops, cache, gy))

    def logits(self, cache: Any) -> Logits | None:
        return VARIANTS[self.variant].logits(cache)

    def backward_logits(self, ops: Ops, p: Params, cache: Any, gz: Tensor) -> tuple[Tensor, Params]:
        gz = VARIANTS[self.variant].joined(self, ops, gz)
        return (ops.scale(gz, 1 / self.temperature) if self.temperature != 1 else gz), {}


class Variant:
    """One way from logits z = x / T (B, F) to probabilities; this one is softmax over all of them."""

    options: tuple[str, ...] = ()
    """JSON fields that belong to it."""
    counts: tuple[str, ...] = ()
    """Those that are counted from 1."""

    def sizes(self, layer: Softmax, f: Fields) -> Sizes:
        """Values in and out, None where any number fits; `ConfigError` for options that contradict each other."""
        return layer.in_size, layer.in_size

    def forward(self, layer: Softmax, ops: Ops, x: Tensor, s: State) -> tuple[Tensor, Any]:
        """x → y and what `backward` needs."""
        z = layer.tempered(ops, x)
        y = ops.softmax(z)
        return y, (z, y)

    def backward(self, layer: Softmax, ops: Ops, cache: Any, gy: Tensor) -> Tensor:
        """gz = y ⊙ (gy − Σ_j gy_j y_j), of the shape of the logits."""
        return ops.softmax_grad(cache[1], gy)

    def logits(self, cache: Any) -> Logits | None:
        """z, where the variant is softmax over its last axis; else None."""
        return Logits("softmax", cache[0])

    def joined(self, layer: Softmax, ops: Ops, gz: Tensor) -> Tensor:
        """gz of the shape of the logits → (B, F)."""
        return gz


class _Grid(Variant):
    options = ("softmax_rows",)
    counts = ("softmax_rows", "softmax_cols")

    def sizes(self, layer: Softmax, f: Fields) -> Sizes:
        columns = f.integer("softmax_cols", default=0, minimum=0)
        size = layer.rows * columns if columns else layer.in_size
        return size, size

    def forward(self, layer: Softmax, ops: Ops, x: Tensor, s: State) -> tuple[Tensor, Any]:
        rows = ops.reshape(x, (-1, _share(x.shape[1], layer.rows)))
        y, cache = super().forward(layer, ops, rows, s)
        return ops.reshape(y, x.shape), cache

    def backward(self, layer: Softmax, ops: Ops, cache: Any, gy: Tensor) -> Tensor:
        """As softmax, row by row."""
        return super().backward(layer, ops, cache, ops.reshape(gy, cache[1].shape))

    def joined(self, layer: Softmax, ops: Ops, gz: Tensor) -> Tensor:
        return ops.reshape(gz, (-1, layer.rows * gz.shape[1]))


class _Gumbel(Variant):
    options = ("gumbel_noise", "seed")

    def forward(self, layer: Softmax, ops: Ops, x: Tensor, s: State) -> tuple[Tensor, Any]:
        if layer.noise:
            step = s.get("step", 0)
            x = ops.add(x, ops.gumbel(x.shape, layer.seed, step, like=x))
            if s:
                s["step"] = step + 1
        return super().forward(layer, ops, x, s)


class _WithoutLogits(Variant):
    """No softmax of a whole row: losses are computed from its probabilities."""

    def logits(self, cache: Any) -> Logits | None:
        return None


class _Masked(_WithoutLogits):
    options = ("mask",)

    def sizes(self, layer: Softmax, f: Fields) -> Sizes:
        if not any(layer.mask):
            raise ConfigError("at least one entry must be true", where=f.at("mask"))
        return len(layer.mask), len(layer.mask)

    def forward(self, layer: Softmax, ops: Ops, x: Tensor, s: State) -> tuple[Tensor, Any]:
        z = layer.tempered(ops, x)
        y = ops.masked_softmax(z, np.array(layer.mask))
        return y, (z, y)


class _Entmax(_WithoutLogits):
    def __init__(self, alpha: float | None = None) -> None:
        self.alpha = alpha
        """The layer's own if None."""
        self.options = ("entmax_alpha",) if alpha is None else ()

    def forward(self, layer: Softmax, ops: Ops, x: Tensor, s: State) -> tuple[Tensor, Any]:
        z = layer.tempered(ops, x)
        y = ops.sparsemax(z) if self.alpha == 2 else ops.entmax(z, self.alpha or layer.alpha)
        return y, y

    def backward(self, layer: Softmax, ops: Ops, cache: Any, gy: Tensor) -> Tensor:
        """With s = y^(2−α) where y > 0, else 0:  gz = s ⊙ (gy − Σ_j s_j gy_j / Σ_j s_j)."""
        return ops.entmax_grad(cache, gy, self.alpha or layer.alpha)


class _TreeShaped(_WithoutLogits):
    """Down a tree: a leaf's probability is the product of the softmaxes over siblings on its path."""

    def tree(self, layer: Softmax, size: int) -> Tree:
        """The tree for `size` inputs."""
        raise NotImplementedError

    def forward(self, layer: Softmax, ops: Ops, x: Tensor, s: State) -> tuple[Tensor, Any]:
        z = layer.tempered(ops, x)
        y = ops.tree_softmax(z, self._tree(layer, z.shape[1]))
        return y, (z, y)

    def backward(self, layer: Softmax, ops: Ops, cache: Any, gy: Tensor) -> Tensor:
        """Each leaf's share gy y is passed up to the nodes of its path, then through the softmax of their siblings."""
        z, y = cache
        return ops.tree_softmax_grad(z, y, gy, self._tree(layer, z.shape[1]))

    def _tree(self, layer: Softmax, size: int) -> Tree:
        tree = self.tree(layer, size)
        if size not in (len(tree.paths), tree.nodes):
            raise InputError(
                f"{size} values fit neither {len(tree.paths)} leaves nor {tree.nodes} nodes", where="input"
            )
        return tree


class _Hierarchical(_TreeShaped):
    options = ("hierarchy_levels",)

    def tree(self, layer: Softmax, size: int) -> Tree:
        return level_tree(layer.levels)

    def sizes(self, layer: Softmax, f: Fields) -> Sizes:
        where, leaves = f.at("hierarchy_levels"), prod(layer.levels)
        if not layer.levels or min(layer.levels) < 1 or leaves > MAX_LEAVES:
            raise ConfigError("needs a list of sizes of at least 1", where=where)
        nodes = level_tree(layer.levels).nodes
        if layer.in_size not in (None, leaves, nodes):
            raise ConfigError(f"{layer.in_size} inputs are neither {leaves} leaves nor {nodes} nodes", where=where)
        return layer.in_size, leaves


class _Adaptive(_TreeShaped):
    options = ("adaptive_clusters", "cluster_logits")

    def tree(self, layer: Softmax, size: int) -> Tree:
        return cluster_tree(self._classes(layer, size), layer.clusters)

    def sizes(self, layer: Softmax, f: Fields) -> Sizes:
        classes = None if layer.in_size is None else self._classes(layer, layer.in_size)
        top = max((c for cluster in layer.clusters for c in cluster), default=-1) + 1
        if not layer.clusters or (classes is not None and top > classes):
            raise ConfigError(f"needs lists of classes below {classes}", where=f.at("adaptive_clusters"))
        return layer.in_size, classes

    def _classes(self, layer: Softmax, size: int) -> int:
        return size - len(layer.clusters) if layer.cluster_logits else size


class _Mixture(_WithoutLogits):
    """y = Σ_k π_k softmax(z_k); π fixed, or the softmax of K logits behind the others."""

    options = ("mixture_weights", "mixture_components")
    counts = ("mixture_components",)

    def sizes(self, layer: Softmax, f: Fields) -> Sizes:
        where, size = f.at("mixture_weights"), layer.in_size
        if layer.weights and not sum(layer.weights) > 0:
            raise ConfigError("must have a positive sum", where=where)
        k, gate = self._counts(layer)
        if not k or min(layer.weights, default=0) < 0:
            raise ConfigError("needs weights of at least 0, or mixture_components", where=where)
        if size is None:
            return None, None
        if (size - gate) % k or size <= gate:
            raise ConfigError(f"{size} inputs are not {k} softmaxes", where=where)
        return size, (size - gate) // k

    def _counts(self, layer: Softmax) -> tuple[int, int]:
        """Softmaxes, and logits of the gate behind them."""
        k = len(layer.weights) or layer.components
        return k, 0 if layer.weights else k

    def forward(self, layer: Softmax, ops: Ops, x: Tensor, s: State) -> tuple[Tensor, Any]:
        k, gate = self._counts(layer)
        n = _share(x.shape[1] - gate, k)
        parts = ops.softmax(layer.tempered(ops, ops.reshape(ops.narrow(x, 1, 0, k * n), (-1, k, n))))
        if gate:
            mixing = ops.softmax(layer.tempered(ops, ops.narrow(x, 1, k * n, k)))
        else:
            share = np.array(layer.weights) / sum(layer.weights)
            mixing = np.tile(share.astype(x.dtype), (x.shape[0], 1))
        return ops.mix(mixing, parts), (mixing, parts)

    def backward(self, layer: Softmax, ops: Ops, cache: Any, gy: Tensor) -> Tensor:
        """gπ_k = Σ_i gy_i y_ki, and gy π_k for each softmax, each through its own."""
        mixing, parts = cache
        g_mixing, g_parts = ops.mix_grad(mixing, parts, gy)
        gz = ops.reshape(ops.softmax_grad(parts, g_parts), (gy.shape[0], -1))
        return gz if layer.weights else ops.concat([gz, ops.softmax_grad(mixing, g_mixing)], axis=1)


VARIANTS: dict[str, Variant] = {
    "standard": Variant(),
    "grid": _Grid(),
    "hierarchical": _Hierarchical(),
    "temperature": Variant(),
    "gumbel": _Gumbel(),
    "masked": _Masked(),
    "sparse": _Entmax(alpha=2.0),
    "adaptive": _Adaptive(),
    "mixture": _Mixture(),
    "entmax": _Entmax(),
}


def _share(size: int, parts: int) -> int:
    """Values in each of `parts` softmaxes."""
    if size % parts or not size:
        raise InputError(f"{size} values do not divide into {parts} softmaxes", where="input")
    return size // parts


def _rows(f: Fields, layer: Softmax, columns: int) -> int:
    """Rows of a grid, from what is given of rows, columns and inputs."""
    size, rows = layer.in_size, layer.rows
    if not rows and columns and size:
        rows = size // columns
    rows = rows or 1
    if size is not None and size != rows * (columns or size // rows):
        raise ConfigError(
            f"{size} inputs are not {rows} rows of {columns or 'equal'} columns", where=f.at("softmax_rows")
        )
    return rows

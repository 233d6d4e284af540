"""Random architectures for one task: their descriptions, and the networks built from them."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ..errors import FormatError, InputError
from ..formats.files import read_file, replace_file
from ..network.loading import build_network_from_json
from ..network.network import Network
from ..nn.layer import Layer, Params
from ..schema.fields import Fields, Json
from ..schema.strict import parse_json
from ..values import number, whole
from .checks import generator

BRAINS = ("MHA", "LSTM", "RNN", "Dense", "SwiGLU", "NormDense")
"""Kinds of branch, by number."""
ACTIVATIONS = ("ScaledReLU", "Sigmoid", "Tanh", "Softplus", "LeakyReLU")
"""Names of the activations 0 to 4, each at its own number."""
COMBINE_MODES = ("avg", "add", "concat", "grid_scatter")
GRID_SHAPES = {
    **{"1x1 Mono": (1, 1), "2x2 Standard": (2, 2), "3x3 Complex": (3, 3), "4x1 Tall": (4, 1), "1x4 Wide": (1, 4)},
    **{"2x3 Rect": (2, 3), "3x2 Rect": (3, 2), "8x1 Scanner": (8, 1), "6x4 Matrix": (6, 4)},
}
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ArchOptions:
    """What `generate_configs` draws from; every draw is independent.

    - `d_models`, `num_heads`: widths and head counts, equally likely (repeat one to make it likelier); heads that do
      not divide the width are not considered.
    - `grid_shapes`: name → (rows, columns), equally likely.
    - `learning_rate`: log-uniform in this range; `budget`: uniform in this range.
    - `brains`, `combine_modes`, `activations`: weights in the order of `BRAINS`, `COMBINE_MODES`, `ACTIVATIONS`; they
      need not add up to 1.
    """

    d_models: tuple[int, ...] = (64, 64, 64, 32)
    num_heads: tuple[int, ...] = (4, 8)
    grid_shapes: Mapping[str, tuple[int, int]] = field(default_factory=lambda: dict(GRID_SHAPES))
    learning_rate: tuple[float, float] = (1e-4, 1e-2)
    init_scale: float = 0.5
    budget: tuple[float, float] = (0.5, 1.0)
    brains: tuple[float, ...] = (0.30, 0.25, 0.15, 0.15, 0.08, 0.07)
    combine_modes: tuple[float, ...] = (0.35, 0.30, 0.20, 0.15)
    activations: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2)


@dataclass(frozen=True, kw_only=True)
class ArchConfig:
    """One architecture: a hive of `grid_rows × grid_cols` brains of width `d_model` between dense layers.

    `brains` are numbers of `BRAINS`, `activation` one of `ACTIVATIONS`; `species` names the grid's shape and
    `mutation` sums the rest up. `budget_scale` is for the caller.
    """

    id: int
    name: str
    species: str
    mutation: str
    grid_rows: int
    grid_cols: int
    d_model: int
    num_heads: int
    learning_rate: float
    budget_scale: float
    activation: int
    combine_mode: str
    brains: tuple[int, ...]
    init_scale: float

    def __post_init__(self) -> None:
        where = f"config {self.id}"
        for name, low in (("grid_rows", 1), ("grid_cols", 1), ("d_model", 1), ("num_heads", 1)):
            whole(getattr(self, name), f"{where}.{name}", low, 1 << 16)
        whole(self.activation, f"{where}.activation", 0, len(ACTIVATIONS) - 1)
        for name in ("learning_rate", "budget_scale", "init_scale"):
            number(getattr(self, name), f"{where}.{name}", 0)
        if self.combine_mode not in (*COMBINE_MODES, "filter"):
            raise InputError(
                f"unknown combine mode {self.combine_mode!r}",
                where=f"{where}.combine_mode",
                remedy=f"Known: {', '.join(COMBINE_MODES)}, filter.",
            )
        if len(self.brains) != self.num_brains:
            raise InputError(f"{len(self.brains)} brains for {self.num_brains} cells", where=f"{where}.brains")
        for i, brain in enumerate(self.brains):
            whole(brain, f"{where}.brains[{i}]", 0, len(BRAINS) - 1)

    @property
    def num_brains(self) -> int:
        return self.grid_rows * self.grid_cols

    def to_json(self) -> Json:
        """The original's names."""
        values: Json = {key: getattr(self, name) for key, name in _KEYS.items()}
        values["brains"] = list(self.brains)
        return values | {"numBrains": self.num_brains, "brainNames": [BRAINS[b] for b in self.brains]}

    @classmethod
    def from_json(cls, value: object, where: str = "config") -> ArchConfig:
        """Back from `to_json`; `ConfigError` or `InputError` with the place. `dtype`, if there, must be float32."""
        f = Fields(value, where)
        values: dict[str, Any] = {}
        for key, name in _KEYS.items():
            kind = next(x.type for x in fields(cls) if x.name == name)
            if kind == "int":
                values[name] = f.integer(key, minimum=0)
            elif kind == "float":
                values[name] = f.number(key)
            elif kind == "str":
                values[name] = f.string(key)
        values["brains"] = tuple(f.array("brains"))
        f.any("numBrains", "brainNames")  # follow from the others
        f.string("dtype", default="float32", choices=("float32",))
        f.finish()
        return cls(**values)


_KEYS = {
    **{"id": "id", "name": "name", "species": "species", "mutationStr": "mutation", "gridRows": "grid_rows"},
    **{"gridCols": "grid_cols", "dModel": "d_model", "numHeads": "num_heads", "learningRate": "learning_rate"},
    **{"budgetScale": "budget_scale", "activation": "activation", "combineMode": "combine_mode"},
    **{"brains": "brains", "initScale": "init_scale"},
}


def generate_configs(count: int, options: ArchOptions | None = None, *, seed: int | None = None) -> list[ArchConfig]:
    """`count` random architectures; the same seed gives the same ones, and a larger count extends the list."""
    o, rng = options or ArchOptions(), generator(seed)
    pairs = {d: [h for h in o.num_heads if h > 0 and d % h == 0] for d in o.d_models}
    for d, heads in pairs.items():
        if not heads:
            raise InputError(f"none of {list(o.num_heads)} divides {d}", where="options.num_heads")
    low, high = (number(v, "options.learning_rate", 1e-30) for v in o.learning_rate)
    brains, modes = _weights(o.brains, BRAINS, "brains"), _weights(o.combine_modes, COMBINE_MODES, "combine_modes")
    activations = _weights(o.activations, ACTIVATIONS, "activations")
    shapes = list(o.grid_shapes.items())
    if not shapes:
        raise InputError("is empty", where="options.grid_shapes")
    configs = []
    for i in range(whole(count, "count")):
        species, (rows, cols) = shapes[rng.integers(len(shapes))]
        d = o.d_models[rng.integers(len(o.d_models))]
        rate = math.exp(rng.uniform(math.log(low), math.log(high)))
        mode, activation = (
            COMBINE_MODES[rng.choice(len(modes), p=modes)],
            int(rng.choice(len(activations), p=activations)),
        )
        configs.append(
            ArchConfig(
                id=i,
                name=f"Net-{i}",
                species=species,
                mutation=f"{rows}x{cols}_{mode}_{ACTIVATIONS[activation]}_D{d}_LR{rate:.4f}",
                grid_rows=rows,
                grid_cols=cols,
                d_model=d,
                num_heads=pairs[d][rng.integers(len(pairs[d]))],
                learning_rate=rate,
                budget_scale=float(rng.uniform(*o.budget)),
                activation=activation,
                combine_mode=mode,
                brains=tuple(int(b) for b in rng.choice(len(brains), rows * cols, p=brains)),
                init_scale=o.init_scale,
            )
        )
    return configs


def _weights(values: Sequence[float], names: Sequence[str], where: str) -> np.ndarray:
    w = np.array([number(v, f"options.{where}[{i}]", 0) for i, v in enumerate(values)])
    if len(w) != len(names) or w.sum() <= 0:
        raise InputError(f"expected {len(names)} weights, not all 0: {', '.join(names)}", where=f"options.{where}")
    return w / w.sum()


def diverse_network_config(config: ArchConfig, input_size: int) -> Json:
    """The network as JSON: dense (in → D), the hive, dense (→ D), dense (D → in, sigmoid)."""
    d, act = config.d_model, config.activation
    dense: Json = {"type": "dense", "output_size": d, "activation": act}
    kinds: dict[str, Json] = {
        "MHA": {"type": "multi_head_attention", "d_model": d, "num_heads": config.num_heads, "seq_length": 1},
        "LSTM": {"type": "lstm", "input_size": d, "hidden_size": d, "seq_length": 1},
        "RNN": {"type": "rnn", "input_size": d, "hidden_size": d, "seq_length": 1},
        "Dense": dense,
        "SwiGLU": {"type": "swiglu", "input_size": d, "output_size": d},
        "NormDense": {"type": "sequential", "layers": [{"type": "layer_norm"}, dense]},
    }
    hive: Json = {"type": "parallel", "combine_mode": config.combine_mode}
    hive["branches"] = [kinds[BRAINS[brain]] for brain in config.brains]
    if config.combine_mode == "grid_scatter":
        hive |= {"grid_output_rows": config.grid_rows, "grid_output_cols": config.grid_cols, "grid_output_layers": 1}
    last = {"type": "dense", "output_size": input_size, "activation": "sigmoid"}
    return {"id": config.name, "input_size": input_size, "layers": [dense, hive, dense, last]}


def build_diverse_network(config: ArchConfig, input_size: int, *, seed: int | None = None) -> Network:
    """The network with fresh weights, scaled by `init_scale` s.

    Matrices of dense layers ~ N(0, 2 s²/in) (He), all others ~ U(±s/√in); SwiGLU brains have 0.7 s and NormDense
    brains 0.8 s. Biases 0, forget gates' 1, norm gains 1.
    """
    whole(input_size, "input_size", 1)
    network = build_network_from_json(diverse_network_config(config, input_size), seed=seed)
    rng = generator(network.seed)
    for layer, params in zip(network.layers, network.params, strict=True):
        _scale_init(layer, params, rng, config.init_scale)
    return network


def _scale_init(layer: Layer, params: Params, rng: np.random.Generator, scale: float) -> None:
    if children := layer.children():
        for child in children:
            _scale_init(child.layer, child.part(params), rng, scale * (0.8 if layer.kind == "sequential" else 1.0))
        return
    scale *= 0.7 if layer.kind == "swiglu" else 1
    for name, a in params.items():
        if a.ndim < 2:
            if "bias" in name:
                a[...] = 0
            continue
        fan_in = a.shape[1] if layer.kind in ("rnn", "lstm") else a.shape[0]
        if layer.kind == "dense":
            a[...] = rng.normal(0, scale * math.sqrt(2 / fan_in), a.shape)
        else:
            bound = scale / math.sqrt(fan_in)
            a[...] = rng.uniform(-bound, bound, a.shape)
    if layer.kind == "lstm":
        hidden = len(params["bias"]) // 4
        params["bias"][hidden : 2 * hidden] = 1  # forget gates start open (Gers et al. 2000)


def dump_configs(configs: Sequence[ArchConfig]) -> str:
    """`{"version": 1, "configs": […]}` as text."""
    return json.dumps({"version": VERSION, "configs": [c.to_json() for c in configs]}, indent=2)


def load_configs(text: str | bytes, where: str = "configs") -> list[ArchConfig]:
    """Back from `dump_configs`. Raises `FormatError` or `ConfigError` with the JSON path."""
    f = Fields(parse_json(text, where=where), "")
    if f.integer("version", minimum=0) != VERSION:
        raise FormatError(f"unsupported version {f.any('version')!r}", where="version", remedy=f"Known: {VERSION}.")
    items = f.objects("configs", required=True)
    f.finish()
    return [ArchConfig.from_json(item.values, item.path) for item in items]


def save_configs(path: str | os.PathLike[str], configs: Sequence[ArchConfig]) -> None:
    """Write a bundle file, whole or not at all."""
    replace_file(path, dump_configs(configs).encode())


def load_configs_file(path: str | os.PathLike[str]) -> list[ArchConfig]:
    """Read a bundle file."""
    return load_configs(read_file(path), str(path))

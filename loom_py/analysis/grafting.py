"""Several networks combined: their layers side by side in one parallel layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError, InputError
from ..network.layer_config import to_config
from ..network.network import Network
from ..nn import Layer, build_layer
from ..nn.layer import Params, trainable, tree_map
from ..nn.parallel import Parallel
from ..schema.fields import Fields, Json
from ..values import number
from .checks import generator


@dataclass(frozen=True)
class Graft:
    """A parallel layer and its weights."""

    layer: Parallel
    params: Params

    def network(self, batch_size: int = 1, model_id: str = "graft") -> Network:
        """A network of this one layer, which shares these weights."""
        return Network([self.layer], batch_size=batch_size, seed=0, params=[self.params], model_id=model_id)

    def to_config(self) -> Json:
        """As a `LayerConfig` with a copy of the weights, for `Network.set_layer`."""
        return to_config(self.layer, self.params)


def graft_networks(
    networks: Sequence[Network],
    mode: str = "concat",
    *,
    position: tuple[int, int, int] | None = (0, 0, 1),
    share_weights: bool = False,
    seed: int | None = None,
) -> Graft:
    """One layer of every network as branches of one parallel layer.

    **Arguments:**

    - `mode`: concat, add, avg, grid_scatter (the smallest square grid, filled row by row) or filter (a linear gate with
      He-initialised weights and the standard softmax mixes the branches).
    - `position`: (row, column, layer) of the layer to take, (0, 0, 1) as the original does; None takes whole networks,
      each as a sequential branch. A parallel layer gives its branches, unless they are more than simply side by side.
    - `share_weights`: the branches use the networks' own arrays, so that training either moves both; else copies.
    - `seed`: for the gate.

    Raises `InputError` or `ConfigError` if there is no such layer or the sizes do not fit, before anything is built.
    """
    if not networks:
        raise InputError("needs at least one network", where="networks")
    branches: list[tuple[Layer, Params]] = []
    for i, network in enumerate(networks):
        if not isinstance(network, Network):
            raise InputError(f"expected a Network, got {type(network).__name__}", where=f"networks[{i}]")
        if network.dtype != networks[0].dtype:
            raise InputError(f"is {network.dtype}, the first {networks[0].dtype}", where=f"networks[{i}]")
        branches += _branches(network, position, f"networks[{i}]")
    first = branches[0][0].in_size
    for i, (layer, _) in enumerate(branches):
        if None not in (first, layer.in_size) and layer.in_size != first:
            raise ConfigError(f"takes {layer.in_size} values, branch 0 takes {first}", where=f"branches[{i}]")
    record: Json = {"type": "parallel", "combine_mode": mode, "branches": [layer.to_json() for layer, _ in branches]}
    if mode == "grid_scatter":
        side = int(np.ceil(np.sqrt(len(branches))))
        record |= {"grid_output_rows": side, "grid_output_cols": side, "grid_output_layers": 1}
    layer = build_layer(Fields(record, ""), next((b.in_size for b, _ in branches if b.in_size is not None), None))
    assert isinstance(layer, Parallel)
    keep = (lambda a: a) if share_weights else np.copy
    params: Params = {"branches": [tree_map(keep, p) for _, p in branches]}
    if layer.gate is not None:
        params["gate"] = [_gate(layer.gate, networks[0].dtype, seed)]
    return Graft(layer, params)


def scale_weights(params: Params, factor: float) -> None:
    """Multiply every parameter of a tree (`network.params[i]`) by `factor`, in place, but no buffers."""
    number(factor, "factor")

    def scale(a: Any) -> Any:
        a *= a.dtype.type(factor)
        return a

    tree_map(scale, trainable(params))


def _branches(network: Network, position: tuple[int, int, int] | None, where: str) -> list[tuple[Layer, Params]]:
    if position is None:
        layers = [layer.to_json() for layer in network.layers]
        whole = build_layer(Fields({"type": "sequential", "layers": layers}, where), network.input_size)
        return [(whole, {"layers": network.params})]
    row, col, k = position
    sizes = (network.grid_rows, network.grid_cols, network.layers_per_cell)
    if not all(0 <= at < size for at, size in zip(position, sizes, strict=True)):
        raise InputError(f"there is no layer {list(position)} in a grid of {list(sizes)}", where=where)
    i = (row * network.grid_cols + col) * network.layers_per_cell + k
    layer, params = network.layers[i], network.params[i]
    if isinstance(layer, Parallel) and layer.gate is None:
        return [(layer.branches[b], params["branches"][b]) for b in layer.order]
    return [(layer, params)]


def _gate(gate: Layer, dtype: Any, seed: int | None) -> Params:
    """W ~ N(0, 2/in) (He et al. 2015), b = 0."""
    params = gate.init(np.random.default_rng(0))
    kernel = params["kernel"]
    values = generator(seed).normal(0, np.sqrt(2 / kernel.shape[0]), kernel.shape)
    return {"kernel": values.astype(dtype), "bias": np.zeros_like(params["bias"], dtype)}

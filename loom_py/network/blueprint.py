"""What a network is made of, without its weights: one record a layer, for drawings and reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..nn.layer import Layer, Params, leaves
from ..nn.parallel import Parallel
from ..nn.sequential import Sequential
from ..schema.fields import Json

if TYPE_CHECKING:
    from .network import Network


def blueprint(network: Network, model_id: str) -> Json:
    """`{id, total_layers, total_parameters, layers: […]}`, each layer with its place in the grid."""
    per_cell, cols = network.layers_per_cell, network.grid_cols
    records = []
    for i, (layer, p) in enumerate(zip(network.layers, network.params, strict=True)):
        place = {"grid_row": i // (per_cell * cols), "grid_col": i // per_cell % cols, "cell_layer": i % per_cell}
        records.append(place | describe(layer, p))
    return {
        "id": model_id,
        "total_layers": len(records),
        "total_parameters": network.get_total_parameters(),
        "layers": records,
    }


def network_blueprint(networks: Mapping[str, Network]) -> Json:
    """`{"models": […]}`: the blueprints of several networks by id."""
    return {"models": [blueprint(network, model_id) for model_id, network in networks.items()]}


def describe(layer: Layer, p: Params) -> Json:
    """type, activation, parameters, input_shape, output_shape; branches and combine_mode for layers of layers."""
    inside, key = _children(layer, p)
    record: Json = {
        "type": layer.kind,
        "activation": layer.activation,
        "parameters": sum(a.size for _, a in leaves(p)),
        "input_shape": list(layer.in_shape),
        "output_shape": list(layer.out_shape),
    }
    if inside:
        record["branches"] = [describe(child, cp) for child, cp in inside]
    if isinstance(layer, Parallel):
        record["combine_mode"] = key
    return record


def _children(layer: Layer, p: Params) -> tuple[list[tuple[Layer, Params]], str]:
    if isinstance(layer, Parallel):
        return list(zip(layer.branches, p["branches"], strict=True)), layer.combine_mode
    if isinstance(layer, Sequential):
        return list(zip(layer.layers, p["layers"], strict=True)), ""
    return [], ""

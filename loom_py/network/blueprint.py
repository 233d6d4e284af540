"""What a network is made of, without its weights: one record a layer, for drawings and reports."""

from __future__ import annotations

from collections.abc import Mapping

from ..nn.grid import Grid
from ..nn.layer import Layer, Params, leaves
from ..nn.parallel import Parallel
from ..nn.sequential import Sequential
from ..schema.fields import Json


def blueprint(grid: Grid, model_id: str) -> Json:
    """`{id, total_layers, total_parameters, layers: […]}`, each layer with its place in the grid."""
    records = []
    for i, (layer, p) in enumerate(zip(grid.layers, grid.params, strict=True)):
        place = dict(zip(("grid_row", "grid_col", "cell_layer"), grid.cell(i), strict=True))
        records.append(place | describe(layer, p))
    return {
        "id": model_id,
        "total_layers": len(records),
        "total_parameters": grid.get_total_parameters(),
        "layers": records,
    }


def network_blueprint(grids: Mapping[str, Grid]) -> Json:
    """`{"models": […]}`: the blueprints of several networks by id."""
    return {"models": [blueprint(grid, model_id) for model_id, grid in grids.items()]}


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

"""What a network is made of, without its weights: one record a layer, for drawings and reports."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import InputError
from ..nn.describe import describe
from ..nn.grid import Grid
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
    if not isinstance(grids, Mapping):
        raise InputError(f"expected networks by name, got {type(grids).__name__}", where="networks")
    for model_id, grid in grids.items():
        if not isinstance(grid, Grid):
            raise InputError(f"expected a network, got {type(grid).__name__}", where=f"networks[{model_id!r}]")
    return {"models": [blueprint(grid, model_id) for model_id, grid in grids.items()]}

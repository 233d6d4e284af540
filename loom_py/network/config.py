"""JSON configuration ↔ layers in a grid. Every error names its path in the JSON."""

from __future__ import annotations

from ..errors import ConfigError
from ..nn import Layer, build_chain
from ..nn.grid import Grid
from ..schema.fields import Fields, Json

MAX_LAYERS = 100_000


def parse_config(value: object, path: str = "") -> tuple[list[Layer], tuple[int, int, int], Json]:
    """The layers, the grid and the other top-level values of a configuration object at `path`."""
    f = Fields(value, path)
    top = {
        "id": f.string("id", default=""),
        "batch_size": f.integer("batch_size", default=1, minimum=0) or 1,  # 0 is the original's way of saying nothing
        "seed": f.integer("seed", default=None, minimum=0, maximum=2**63 - 1),
    }
    size = f.integer("input_size", default=None)
    items = f.objects("layers", required=True)
    if not items:
        raise ConfigError("a network needs at least one layer", where=f.at("layers"))
    rows, cols = f.integer("grid_rows", default=1), f.integer("grid_cols", default=1)
    per_cell = f.integer("layers_per_cell", default=max(1, len(items) // (rows * cols)))
    f.finish()
    if rows * cols * per_cell != len(items):
        raise ConfigError(
            f"layer count mismatch: expected {rows * cols * per_cell} "
            f"(rows={rows} × cols={cols} × layers_per_cell={per_cell}), got {len(items)}",
            where=f.at("layers"),
        )
    if len(items) > MAX_LAYERS:
        raise ConfigError(f"{len(items)} layers; the limit is {MAX_LAYERS}", where=f.at("layers"))
    return build_chain(items, size), (rows, cols, per_cell), top


def grid_config(grid: Grid, model_id: str) -> Json:
    """The configuration that rebuilds a grid, in the original's field names."""
    grid.check_sizes()
    size = {} if grid.input_size is None else {"input_size": grid.input_size}
    return {
        "id": model_id,
        **size,
        "seed": grid.seed,
        "batch_size": grid.batch_size,
        "grid_rows": grid.grid_rows,
        "grid_cols": grid.grid_cols,
        "layers_per_cell": grid.layers_per_cell,
        "layers": [layer.to_json() for layer in grid.layers],
    }

"""JSON configuration → `Network`. Every error names its path in the JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError
from ..nn import Layer, build_chain
from ..schema.fields import Fields, Json
from ..schema.strict import parse_json
from .network import Network

MAX_LAYERS = 100_000


def build_network_from_json(config: str | bytes | Mapping[str, Any], *, seed: int | None = None) -> Network:
    """A network with fresh weights from a configuration, or with its own weights from a saved bundle.

    **Arguments:**

    - `config`: JSON text or the parsed object. Keys: `layers` (in grid order), `grid_rows`, `grid_cols`,
      `layers_per_cell` (default: one cell with all layers), `batch_size` (1), `input_size`, `seed`, `id`.
    - `seed`: overrides the configuration's.

    Raises `ConfigError` (or `FormatError` for text that is not JSON) with the JSON path.
    """
    value = parse_json(config, where="config") if isinstance(config, (str, bytes)) else config
    if isinstance(value, Mapping) and value.get("type") == "modelhost/bundle":
        from .bundle import load_first_model

        return load_first_model(value)
    layers, grid, top = parse_config(value)
    return Network(
        layers,
        grid=grid,
        batch_size=top["batch_size"],
        seed=top["seed"] if seed is None else seed,
        model_id=top["id"],
    )


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


def network_config(network: Network, model_id: str) -> Json:
    """The configuration that rebuilds a network, in the original's field names."""
    network.check_sizes()
    size = {} if network.input_size is None else {"input_size": network.input_size}
    return {
        "id": model_id,
        **size,
        "seed": network.seed,
        "batch_size": network.batch_size,
        "grid_rows": network.grid_rows,
        "grid_cols": network.grid_cols,
        "layers_per_cell": network.layers_per_cell,
        "layers": [layer.to_json() for layer in network.layers],
    }

"""One layer of the grid in detail: what it is, and the distribution of its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nn.describe import describe
from ..nn.grid import Grid
from ..nn.layer import Array, leaves
from ..schema.fields import Json
from ..values import whole

MAX_BINS = 256


def inspect_layer(network: Grid, index: int, bins: int, output: Array | None, gradient: Array | None) -> Json:
    """`describe` of the layer, its place, and a `spread` of its weights, its output and the gradient at it.

    **Arguments:**

    - `output`, `gradient`: its last output and the last gradient at it; None is reported as null.
    - `bins`: of the histograms, 1 … 256.
    """
    whole(bins, "bins", 1, MAX_BINS)
    layer, params = network.layers[index], network.params[index]
    row, col, cell_layer = network.cell(index)
    tensors = [(name, a) for name, a in leaves(params)]
    joined = np.concatenate([a.ravel() for _, a in tensors]) if tensors else None
    return {
        "index": index,
        "grid_row": row,
        "grid_col": col,
        "cell_layer": cell_layer,
        **describe(layer, params),
        "tensors": [{"name": name, "shape": list(a.shape)} for name, a in tensors],
        "weights": spread(joined, bins),
        "output": spread(output, bins),
        "gradient": spread(gradient, bins),
    }


def spread(values: Array | None, bins: int) -> dict[str, Any] | None:
    """Count, mean, standard deviation, smallest, largest, share of zeros, and a histogram between the last two.

    Values that are not finite are counted in `not_finite` and left out of the rest. None for nothing.
    """
    if values is None or values.size == 0:
        return None
    flat = values.astype(np.float64).ravel()
    finite = flat[np.isfinite(flat)]
    record: dict[str, Any] = {"count": int(flat.size), "not_finite": int(flat.size - finite.size)}
    if finite.size == 0:
        return record | {"mean": 0.0, "std": 0.0, "min": 0.0, "max": 0.0, "zeros": 0.0, "histogram": [0] * bins}
    low, high = float(finite.min()), float(finite.max())
    if high > low:
        counts, _ = np.histogram(finite, bins, (low, high))
    else:
        counts = np.zeros(bins, np.int64)
        counts[bins // 2] = finite.size
    return record | {
        "mean": float(finite.mean()),
        "std": float(finite.std()),
        "min": low,
        "max": high,
        "zeros": float((finite == 0).mean()),
        "histogram": [int(c) for c in counts],
    }

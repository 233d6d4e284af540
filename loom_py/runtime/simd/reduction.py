"""Words of `simd/reduction.c`."""

from __future__ import annotations

import numpy as np

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("sum")
def sum_axis(e: Encoder, d: Dispatch) -> None:
    x = d.arguments["x"]
    shape = e.shape(x)
    axis: int = d.arguments["axis"] % len(shape)
    outer, inner = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    e.emit("sum", e.at(d.outputs[0]), e.at(x), outer, shape[axis], inner)

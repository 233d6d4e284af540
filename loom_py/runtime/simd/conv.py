"""Words of `simd/conv.c`: convolution as matrix products over unfolded windows."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, Scratch, encodes
from .matmul import BIAS_PER_ROW, product


def _windows(e: Encoder, d: Dispatch) -> tuple[tuple[int, ...], tuple[int, int, int, int]]:
    """(words of the shape, (B, F, C·KH·KW, OH·OW))."""
    batch, channels, height, width = e.shape(d.arguments["x"])
    filters, _, tall, broad = e.shape(d.arguments["kernel"])
    stride, padding = d.arguments["stride"], d.arguments["padding"]
    high = (height + 2 * padding[0] - tall) // stride[0] + 1
    wide = (width + 2 * padding[1] - broad) // stride[1] + 1
    shape = (batch, channels, height, width, tall, broad, *stride, *padding, high, wide)
    return shape, (batch, filters, channels * tall * broad, high * wide)


@encodes("conv2d")
def conv2d(e: Encoder, d: Dispatch) -> None:
    """Windows as columns, then kernel (F, C·KH·KW) times columns for each sample."""
    shape, (batch, filters, taps, places) = _windows(e, d)
    columns = e.scratch(4 * batch * taps * places)
    e.emit("unfold", columns, e.at(d.arguments["x"]), *shape)
    kernel, bias = e.at(d.arguments["kernel"]), e.at(d.arguments["bias"])
    product(
        e, e.at(d.outputs[0]), kernel, columns, (filters, places, taps), left=(taps, 1), right=(places, 1), bias=bias,
        flags=BIAS_PER_ROW, offsets=[(b * filters * places, 0, b * taps * places) for b in range(batch)],
    )  # fmt: skip


@encodes("conv2d_grad")
def conv2d_grad(e: Encoder, d: Dispatch) -> None:
    """gkernel = Σ_b gy_b columns_bᵀ; gcolumns = kernelᵀ gy, folded back; gbias sums gy over samples and places."""
    shape, (batch, filters, taps, places) = _windows(e, d)
    kernel, gy = e.at(d.arguments["kernel"]), e.at(d.arguments["gy"])
    gx, gkernel, gbias = map(e.at, d.outputs)
    nbytes = 4 * batch * taps * places
    columns: Scratch = e.scratch(nbytes)
    totals = e.scratch(4 * batch * filters, nbytes)
    e.emit("sum", totals, gy, batch * filters, places, 1)
    e.emit("sum", gbias, totals, 1, batch, filters)
    e.emit("unfold", columns, e.at(d.arguments["x"]), *shape)
    product(
        e, gkernel, gy, columns, (filters, taps, places), left=(places, 1), right=(1, places),
        offsets=[(0, b * filters * places, b * taps * places) for b in range(batch)], chain=batch,
    )  # fmt: skip
    if not e.wanted(d.outputs[0]):
        return
    product(
        e, columns, kernel, gy, (taps, places, filters), left=(1, taps), right=(places, 1),
        offsets=[(b * taps * places, 0, b * filters * places) for b in range(batch)],
    )  # fmt: skip
    e.emit("fold", gx, columns, *shape)

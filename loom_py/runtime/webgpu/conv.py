"""Dispatches of `wgsl/conv*.wgsl`: products whose windows exist in tiles only."""

from __future__ import annotations

from typing import Any

from ..program import Dispatch
from .encode import MAX_GROUPS, Encoder, encodes
from .matmul import gathered, split


def _numbers(e: Encoder, d: Dispatch) -> dict[str, Any]:
    """The sizes of `wgsl/conv_shape.wgsl`."""
    a = d.arguments
    batch, channels, height, width = e.shape(a["x"])
    filters, _, tall, broad = e.shape(a["kernel"])
    _, _, high, wide = e.shape(a["gy"] if "gy" in a else d.outputs[0])
    (stride_y, stride_x), (padding_y, padding_x) = a["stride"], a["padding"]
    return {
        "batch": batch, "channels": channels, "height": height, "width": width, "filters": filters,
        "tall": tall, "broad": broad, "stride_y": stride_y, "stride_x": stride_x,
        "padding_y": padding_y, "padding_x": padding_x, "high": high, "wide": wide, "run": 0, "splits": 1,
    }  # fmt: skip


@encodes("conv2d")
def conv2d(e: Encoder, d: Dispatch) -> None:
    n = _numbers(e, d)
    constants, groups = gathered(n["filters"], n["batch"] * n["high"] * n["wide"])
    operands = {name: d.arguments[name] for name in ("x", "kernel", "bias")}
    e.run("conv", "forward", groups, constants, **n, **operands, out=d.outputs[0])


@encodes("conv2d_grad")
def conv2d_grad(e: Encoder, d: Dispatch) -> None:
    n, a, (gx, gkernel, gbias) = _numbers(e, d), d.arguments, d.outputs
    filters, columns = n["filters"], e.size(gkernel) // n["filters"] + 1
    constants, (across, down) = gathered(filters, columns)
    splits, run = split(across * down, n["batch"] * n["high"] * n["wide"])
    numbers = n | {"run": run, "splits": splits}
    parts = e.temporary((splits, filters, columns))
    e.run("conv_kernel", "partial", (across, down, splits), constants, **numbers, x=a["x"], gy=a["gy"], parts=parts)
    groups = e.elements(filters * columns, 64)
    e.run("conv_kernel", "total", groups, constants, **numbers, partials=parts, gkernel=gkernel, gbias=gbias)
    if not e.wanted(gx):
        return
    down_, right = min(n["stride_y"], n["height"]), min(n["stride_x"], n["width"])
    most = n["batch"] * -(-n["height"] // n["stride_y"]) * -(-n["width"] // n["stride_x"])
    constants, (across, down) = gathered(n["channels"], most)
    groups = (across, down, min(down_ * right, MAX_GROUPS))
    e.run("conv_input", "input", groups, constants, **n, kernel=a["kernel"], gy=a["gy"], gx=gx)

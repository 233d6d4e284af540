"""Convolution over one or two axes, as cross-correlation (no kernel flip)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import activation
from .layer import Layer, Params, State
from .registry import register

MAX_VALUES = 2**28


@dataclass(frozen=True, kw_only=True)
class Conv(Layer):
    """(B, C·H·W) → f(conv + bias) (B, F·OH·OW), channels first; OH = ⌊(H + 2·padding − K) / stride⌋ + 1."""

    dimensions: ClassVar[int]
    in_size: int
    out_size: int
    channels: int
    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    size: tuple[int, int]
    out: tuple[int, int]
    activation: str = "relu"

    @classmethod
    def _make(cls, f: Fields, size: tuple[int, int], channels: int, in_size: int | None) -> Self:
        """From the fields that both kinds share; a one-dimensional kernel is one row high."""
        k, stride = f.integer("kernel_size"), f.integer("stride", default=1)
        padding = f.integer("padding", default=0, minimum=0)
        flat = cls.dimensions == 1
        if channels * (size[0] + 2 * padding * (not flat)) * (size[1] + 2 * padding) > MAX_VALUES:
            raise ConfigError(f"the padded input has more than {MAX_VALUES} values", where=f.at("padding"))
        kernel, strides, pads = (k, k), (stride, stride), (padding, padding)
        if flat:
            kernel, strides, pads = (1, k), (1, stride), (0, padding)
        out = tuple((n + 2 * p - q) // s + 1 for n, q, s, p in zip(size, kernel, strides, pads, strict=True))
        if min(n + 2 * p - q for n, q, p in zip(size, kernel, pads, strict=True)) < 0:
            shown = size[1] if flat else f"{size[0]} × {size[1]}"
            raise ConfigError(f"{k} is larger than the padded input of {shown}", where=f.at("kernel_size"))
        if in_size is not None and channels * size[0] * size[1] != in_size:
            raise ConfigError(
                f"{channels} channels of {size[0]} × {size[1]} are {channels * size[0] * size[1]} values, "
                f"the layer before gives {in_size}",
                where=f.at("input_channels"),
            )
        filters = f.integer("filters")
        return cls(
            in_size=channels * size[0] * size[1],
            out_size=filters * out[0] * out[1],
            channels=channels,
            filters=filters,
            kernel=kernel,
            stride=strides,
            padding=pads,
            size=size,
            out=(out[0], out[1]),
            activation=activation.resolve(f.any("activation"), f.at("activation")),
        )

    def init(self, rng: np.random.Generator) -> Params:
        """Kernel ~ U(±1/(C·KH·KW)), bias ~ U(0, 0.01): LOOM's `InitializeWeights`."""
        shape = (self.filters, self.channels, *self.kernel)
        bound = 1 / np.prod(shape[1:])
        kernel = rng.uniform(-bound, bound, shape).astype(np.float32)
        return {"kernel": kernel, "bias": rng.uniform(0, 0.01, self.filters).astype(np.float32)}

    @property
    def weight_fields(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        shape = (self.filters, self.channels, *self.kernel)
        return {"kernel": ("kernel", shape), "bias": ("conv_bias", (self.filters,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State) -> tuple[Tensor, Any]:
        planes = ops.reshape(x, (-1, self.channels, *self.size))
        z = ops.conv2d(planes, p["kernel"], p["bias"], stride=self.stride, padding=self.padding)
        z = ops.reshape(z, (-1, self.out_size))
        y = activation.activate(ops, self.activation, z)
        return y, (planes, z, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        planes, z, y = cache
        gz = ops.reshape(activation.activate_grad(ops, self.activation, z, y, gy), (-1, self.filters, *self.out))
        gx, gk, gb = ops.conv2d_grad(planes, p["kernel"], gz, stride=self.stride, padding=self.padding)
        return ops.reshape(gx, (-1, self.in_size)), {"kernel": gk, "bias": gb}


@register
@dataclass(frozen=True, kw_only=True)
class Conv2D(Conv):
    """Square kernels over images.

    JSON: `input_channels`, `input_height`, `input_width`, `filters`, `kernel_size`, `stride` (1), `padding` (0),
    `activation`. One of the three input sizes may be left out where the layer before says how many values come; a
    square is assumed where height and width are both left out. `output_height`, `output_width` are checked if given.
    """

    kind = "conv2d"
    dimensions = 2

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        channels = f.integer("input_channels", default=None)
        high, wide = f.integer("input_height", default=None), f.integer("input_width", default=None)
        if in_size is not None:
            if channels is None:
                channels = in_size // (high * wide) if high and wide else 1
            if high is None and wide is None:
                high = wide = int(np.sqrt(in_size // channels))
            high = high or in_size // (channels * (wide or 1))
            wide = wide or in_size // (channels * high)
        if not high or not wide:
            raise ConfigError("missing: the input size is not known here", where=f.at("input_height"))
        layer = cls._make(f, (high, wide), channels or 1, in_size)
        for name, value in zip(("output_height", "output_width"), layer.out, strict=True):
            if f.integer(name, default=value) != value:
                raise ConfigError(f"{f.any(name)} given, but it is {value}", where=f.at(name))
        return layer

    def to_json(self) -> Json:
        return {
            "type": self.kind,
            "activation": self.activation,
            "input_channels": self.channels,
            "filters": self.filters,
            "kernel_size": self.kernel[1],
            "stride": self.stride[1],
            "padding": self.padding[1],
            "input_height": self.size[0],
            "input_width": self.size[1],
            "output_height": self.out[0],
            "output_width": self.out[1],
        }


@register
@dataclass(frozen=True, kw_only=True)
class Conv1D(Conv):
    """Kernels along one axis: (B, C·L) → (B, F·OL).

    JSON: `input_channels` (1), `input_length` (or `seq_length`, `input_height`; inferred), `filters`, `kernel_size`,
    `stride` (1), `padding` (0), `activation`.
    """

    kind = "conv1d"
    dimensions = 1

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        channels = f.integer("input_channels", default=1)
        inferred = ... if in_size is None else max(1, in_size // channels)
        length = f.integer("input_length", "seq_length", "input_height", default=inferred)
        return cls._make(f, (1, length), channels, in_size)

    def to_json(self) -> Json:
        return {
            "type": self.kind,
            "activation": self.activation,
            "input_channels": self.channels,
            "input_length": self.size[1],
            "filters": self.filters,
            "kernel_size": self.kernel[1],
            "stride": self.stride[1],
            "padding": self.padding[1],
        }

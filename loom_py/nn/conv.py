"""Convolution over one or two axes, as cross-correlation (no kernel flip)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from .activation import Logits, activate, activate_grad, activation_option, logits_of
from .layer import Layer, Params, Shape, State, WeightFields, uniform
from .options import integer
from .registry import register

MAX_VALUES = 2**28


@dataclass(frozen=True, kw_only=True)
class Conv(Layer):
    """(B, C·H·W) → f(conv + bias) (B, F·OH·OW), channels first; OH = ⌊(H + 2·padding − K) / stride⌋ + 1.

    A kernel over one axis is one row high.
    """

    axes: ClassVar[int]
    in_size: int
    out_size: int
    activation: str = activation_option("relu")
    channels: int = integer("input_channels", default=1)
    filters: int = integer()
    kernel_size: int = integer()
    stride: int = integer(default=1)
    padding: int = integer(default=0, minimum=0)

    @property
    @abstractmethod
    def plane(self) -> tuple[int, int]:
        """(H, W)."""

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """(F, C, KH, KW)."""
        return self.filters, self.channels, *self._per_axis(self.kernel_size, 1)

    @property
    def strides(self) -> tuple[int, int]:
        return self._per_axis(self.stride, 1)

    @property
    def paddings(self) -> tuple[int, int]:
        return self._per_axis(self.padding, 0)

    @property
    def out_plane(self) -> tuple[int, int]:
        """(OH, OW)."""
        high, wide = (
            (n + 2 * p - k) // s + 1
            for n, k, s, p in zip(self.plane, self.kernel_shape[2:], self.strides, self.paddings, strict=True)
        )
        return high, wide

    @property
    def in_shape(self) -> Shape:
        return self.channels, *self.plane[-self.axes :]

    @property
    def out_shape(self) -> Shape:
        return self.filters, *self.out_plane[-self.axes :]

    def _per_axis(self, value: int, flat: int) -> tuple[int, int]:
        """(vertical, horizontal); `flat` is the vertical one of a kernel over one axis."""
        return (value if self.axes == 2 else flat), value

    def _sized(self, f: Fields) -> Self:
        """With the sizes that follow; `ConfigError` if the layer before gives another number of values."""
        inputs = self.given_size
        padded = tuple(n + 2 * p for n, p in zip(self.plane, self.paddings, strict=True))
        if self.channels * prod(padded) > MAX_VALUES:
            raise ConfigError(f"the padded input has more than {MAX_VALUES} values", where=f.at("padding"))
        if min(n - k for n, k in zip(padded, self.kernel_shape[2:], strict=True)) < 0:
            size = " × ".join(map(str, self.plane[-self.axes :]))
            raise ConfigError(
                f"{self.kernel_size} is larger than the padded input of {size}", where=f.at("kernel_size")
            )
        values = self.channels * prod(self.plane)
        if inputs not in (None, values):
            high, wide = self.plane
            raise ConfigError(
                f"{self.channels} channels of {high} × {wide} are {values} values, the layer before gives {inputs}",
                where=f.at("input_channels"),
            )
        return replace(self, in_size=values, out_size=self.filters * prod(self.out_plane))

    def init(self, rng: np.random.Generator) -> Params:
        """Kernel ~ U(±1/(C·KH·KW)), bias ~ U(0, 0.01): LOOM's `InitializeWeights`."""
        kernel = uniform(rng, 1 / prod(self.kernel_shape[1:]), self.kernel_shape)
        return {"kernel": kernel, "bias": rng.uniform(0, 0.01, self.filters).astype(np.float32)}

    @property
    def weight_fields(self) -> WeightFields:
        return {"kernel": ("kernel", self.kernel_shape), "bias": ("conv_bias", (self.filters,))}

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        planes = ops.reshape(x, (-1, self.channels, *self.plane))
        z = ops.conv2d(planes, p["kernel"], p["bias"], stride=self.strides, padding=self.paddings)
        z = ops.reshape(z, (-1, self.out_size))
        y = activate(ops, self.activation, z)
        return y, (planes, z, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gz = gy ⊙ f′(z);  gb_f = Σ gz_f;  gK_f,c[u, v] = Σ_{i,j} gz_f[i, j] x_c[i s + u, j s + v];

        gx_c[i s + u, j s + v] += Σ_f gz_f[i, j] K_f,c[u, v], over the padded plane with stride s.
        """
        _, z, y = cache
        return self.backward_logits(ops, p, cache, activate_grad(ops, self.activation, z, y, gy))

    def logits(self, cache: Any) -> Logits | None:
        return logits_of(self.activation, cache[1])

    def backward_logits(self, ops: Ops, p: Params, cache: Any, gz: Tensor) -> tuple[Tensor, Params]:
        gz = ops.reshape(gz, (-1, self.filters, *self.out_plane))
        gx, gk, gb = ops.conv2d_grad(cache[0], p["kernel"], gz, stride=self.strides, padding=self.paddings)
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
    number = 1
    axes = 2
    channels: int = integer("input_channels", default=0)
    height: int = integer("input_height", default=0)
    width: int = integer("input_width", default=0)

    @property
    def plane(self) -> tuple[int, int]:
        return self.height, self.width

    def fitted(self, f: Fields) -> Self:
        inputs = self.given_size
        channels, high, wide = self.channels, self.height, self.width
        if inputs is not None:
            channels = channels or (inputs // (high * wide) if high and wide else 1)
            if not high and not wide:
                high = wide = int(np.sqrt(inputs // channels))
            high = high or inputs // (channels * (wide or 1))
            wide = wide or inputs // (channels * high)
        if not high or not wide:
            raise ConfigError(
                "missing: no earlier layer fixes this size",
                where=f.at("input_height"),
                remedy="Give input_height and input_width.",
            )
        layer = replace(self, channels=channels or 1, height=high, width=wide)._sized(f)
        for name, value in zip(("output_height", "output_width"), layer.out_plane, strict=True):
            if f.integer(name, default=value) != value:
                raise ConfigError(f"{f.any(name)} given, but it is {value}", where=f.at(name))
        return layer

    def to_json(self) -> Json:
        return super().to_json() | dict(zip(("output_height", "output_width"), self.out_plane, strict=True))


@register
@dataclass(frozen=True, kw_only=True)
class Conv1D(Conv):
    """Kernels along one axis: (B, C·L) → (B, F·OL).

    JSON: `input_channels` (1), `input_length` (or `seq_length`, `input_height`; inferred), `filters`, `kernel_size`,
    `stride` (1), `padding` (0), `activation`.
    """

    kind = "conv1d"
    number = 12
    axes = 1
    length: int = integer("input_length", "seq_length", "input_height", default=0)

    @property
    def plane(self) -> tuple[int, int]:
        return 1, self.length

    def fitted(self, f: Fields) -> Self:
        inputs = self.given_size
        if not self.length and inputs is None:
            raise ConfigError(
                "missing: no earlier layer fixes this size", where=f.at("input_length"), remedy="Give input_length."
            )
        return replace(self, length=self.length or max(1, (inputs or 0) // self.channels))._sized(f)

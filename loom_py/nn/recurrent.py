"""What RNN and LSTM share: sizes, JSON fields, and the input product for all time steps at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields
from .activation import ignored_activation
from .affine import affine_grad
from .layer import Layer, Params, Shape, State, uniform
from .options import boolean, integer


@dataclass(frozen=True, kw_only=True)
class Recurrent(Layer):
    """(B, T·I) → (B, T·H): all steps in, all steps out.

    JSON: `hidden_size`; `input_size` and `seq_length` are inferred from each other and the layer before
    (one step when nothing says otherwise); `stateful` starts each call from where the last one ended instead of from
    zero (gradients stay within a call, Williams & Peng 1990).
    """

    gates: ClassVar[int]
    state_names: ClassVar[tuple[str, ...]]
    in_size: int
    out_size: int
    activation: str = ignored_activation("tanh")  # the gates have their own
    input_size: int = integer(default=0)
    hidden_size: int = integer()
    seq_length: int = integer(default=0)
    stateful: bool = boolean()

    def fitted(self, f: Fields) -> Self:
        total = self.given_size
        size, steps = self.input_size, self.seq_length
        if total is not None:
            steps = steps or (total // size if size and total % size == 0 else 1)
            if total % steps:
                raise ConfigError(f"{steps} steps do not divide the {total} inputs", where=f.at("seq_length"))
            size = size or total // steps
        if not size:
            raise ConfigError(
                "missing: no earlier layer fixes this size", where=f.at("input_size"), remedy="Give input_size."
            )
        steps = steps or 1
        sizes = {"in_size": size * steps, "out_size": self.hidden_size * steps}
        return replace(self, input_size=size, seq_length=steps, **sizes)

    @property
    def in_shape(self) -> Shape:
        return self.seq_length, self.input_size

    @property
    def out_shape(self) -> Shape:
        return self.seq_length, self.hidden_size

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), bias 0: LOOM's `InitializeWeights`. Gates are stacked along the first axis."""
        rows = self.gates * self.hidden_size
        return {
            "weight_ih": uniform(rng, 0.1, (rows, self.input_size)),
            "weight_hh": uniform(rng, 0.1, (rows, self.hidden_size)),
            "bias": np.zeros(rows, np.float32),
        }

    def init_state(self, batch: int, dtype: Any) -> State:
        names = self.state_names if self.stateful else ()
        return {name: np.zeros((batch, self.hidden_size), dtype) for name in names}

    def _inputs(self, ops: Ops, p: Params, x: Tensor) -> tuple[Tensor, Tensor]:
        """x as (B·T, I), and zx = x W_ihᵀ + b as (B, T, gates·H)."""
        rows = ops.reshape(x, (x.shape[0] * self.seq_length, self.input_size))
        zx = ops.matmul(rows, p["weight_ih"], p["bias"], transpose_b=True)
        return rows, ops.reshape(zx, (x.shape[0], self.seq_length, self.gates * self.hidden_size))

    def _grads(self, ops: Ops, p: Params, rows: Tensor, gz: Tensor, g_hh: Tensor) -> tuple[Tensor, Params]:
        """From gz (B, T, gates·H) back through the input product."""
        flat = ops.reshape(gz, (rows.shape[0], self.gates * self.hidden_size))
        gx, g_ih, g_bias = affine_grad(ops, rows, p["weight_ih"], flat, transposed=True)
        return ops.reshape(gx, (gz.shape[0], self.in_size)), {"weight_ih": g_ih, "weight_hh": g_hh, "bias": g_bias}

    def _start(self, ops: Ops, x: Tensor, s: State, name: str) -> Tensor:
        """The state to start from (B, H): a copy of what is carried, or zero."""
        return ops.scale(s[name], 1.0) if s else ops.zeros((x.shape[0], self.hidden_size), like=x)

    def _carry(self, ops: Ops, s: State, name: str, sequence: Tensor) -> None:
        """Keep the last step of (B, T, H) for the next call."""
        if s:
            last = ops.narrow(sequence, 1, self.seq_length - 1, 1)
            ops.assign(s[name], ops.reshape(last, s[name].shape))

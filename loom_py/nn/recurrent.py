"""What RNN and LSTM share: sizes, JSON fields, and the input product for all time steps at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json
from . import activation
from .layer import Layer, Params, State


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
    input_size: int
    hidden_size: int
    seq_length: int
    stateful: bool = False

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        hidden = f.integer("hidden_size")
        stateful = f.boolean("stateful")
        given, steps = f.integer("input_size", default=None), f.integer("seq_length", default=None)
        activation.resolve(f.any("activation"), f.at("activation"))  # checked, not used: gates have their own
        if in_size is not None:
            if steps is None:
                steps = in_size // given if given and in_size % given == 0 else 1
            if in_size % steps:
                raise ConfigError(f"{steps} steps do not divide the {in_size} inputs", where=f.at("seq_length"))
            given = given or in_size // steps
        if given is None:
            raise ConfigError(
                "missing: the input size is not known here", where=f.at("input_size"), remedy="Give input_size."
            )
        steps = steps or 1
        sizes = {"in_size": given * steps, "out_size": hidden * steps}
        return cls(input_size=given, hidden_size=hidden, seq_length=steps, stateful=stateful, **sizes)

    def to_json(self) -> Json:
        sizes = {"input_size": self.input_size, "hidden_size": self.hidden_size, "seq_length": self.seq_length}
        flags = {"stateful": True} if self.stateful else {}
        return {"type": self.kind, "activation": "tanh", **sizes, **flags}

    def init(self, rng: np.random.Generator) -> Params:
        """Weights ~ U(±0.1), bias 0: LOOM's `InitializeWeights`. Gates are stacked along the first axis."""
        rows = self.gates * self.hidden_size
        return {
            "weight_ih": rng.uniform(-0.1, 0.1, (rows, self.input_size)).astype(np.float32),
            "weight_hh": rng.uniform(-0.1, 0.1, (rows, self.hidden_size)).astype(np.float32),
            "bias": np.zeros(rows, np.float32),
        }

    def init_state(self, batch: int, dtype: Any) -> State:
        names = self.state_names if self.stateful else ()
        return {name: np.zeros((batch, self.hidden_size), dtype) for name in names}

    def _inputs(self, ops: Ops, p: Params, x: Tensor) -> tuple[Tensor, Tensor]:
        """x as (B·T, I), and zx = W_ih x + b as (B, T, gates·H)."""
        rows = ops.reshape(x, (x.shape[0] * self.seq_length, self.input_size))
        zx = ops.matmul(rows, p["weight_ih"], p["bias"], transpose_b=True)
        return rows, ops.reshape(zx, (x.shape[0], self.seq_length, self.gates * self.hidden_size))

    def _grads(self, ops: Ops, p: Params, rows: Tensor, gz: Tensor, g_hh: Tensor) -> tuple[Tensor, Params]:
        """From gz (B, T, gates·H) back through the input product."""
        flat = ops.reshape(gz, (rows.shape[0], self.gates * self.hidden_size))
        grads = {
            "weight_ih": ops.matmul(flat, rows, transpose_a=True),
            "weight_hh": g_hh,
            "bias": ops.sum(flat, axis=0),
        }
        gx = ops.matmul(flat, p["weight_ih"])
        return ops.reshape(gx, (gz.shape[0], self.in_size)), grads

    def _start(self, ops: Ops, x: Tensor, s: State, name: str) -> Tensor:
        """The state to start from (B, H): a copy of what is carried, or zero."""
        return ops.scale(s[name], 1.0) if s else ops.zeros((x.shape[0], self.hidden_size), like=x)

    def _carry(self, ops: Ops, s: State, name: str, sequence: Tensor) -> None:
        """Keep the last step of (B, T, H) for the next call."""
        if s:
            last = ops.narrow(sequence, 1, self.seq_length - 1, 1)
            ops.assign(s[name], ops.reshape(last, s[name].shape))

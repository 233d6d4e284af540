"""A skip connection: y = f(x + the input of the layer `skip` places before)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..runtime.ops import Ops, Tensor
from .activation import Logits, activate, activate_grad, activation_option, logits_of
from .layer import Layer, Params, State
from .options import integer
from .registry import register


@register
@dataclass(frozen=True, kw_only=True)
class Residual(Layer):
    """Closes a connection around the `skip` layers before it (He et al. 2015); sizes must be equal.

    The chain of layers adds the earlier tensor (see `nn.chain`), this layer applies the activation.
    JSON: `skip` (default 1: around the layer just before), `activation` (default linear).
    """

    kind = "residual"
    number = 7
    residual = "skip"
    skip: int = integer(default=1)
    activation: str = activation_option("linear")

    def source(self, index: int, stream: int | None) -> int | None:
        return index - self.skip if self.skip <= index else None

    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        y = activate(ops, self.activation, x)
        return y, (x, y)

    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """gx = gy ⊙ f′(x); the chain passes the same to the tensor that was added."""
        x, y = cache
        return activate_grad(ops, self.activation, x, y, gy), {}

    def logits(self, cache: Any) -> Logits | None:
        return logits_of(self.activation, cache[0])

    def backward_logits(self, ops: Ops, p: Params, cache: Any, gz: Tensor) -> tuple[Tensor, Params]:
        return gz, {}

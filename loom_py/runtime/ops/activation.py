"""Activations and their derivatives, elementwise on the pre-activation `z`."""

from __future__ import annotations

from .tensor import Tensor


class ActivationOps:
    def activate(self, name: str, z: Tensor) -> Tensor:
        """`f(z)` for an activation of the list below."""
        raise NotImplementedError

    def activate_grad(self, name: str, z: Tensor, g: Tensor) -> Tensor:
        """`g · f′(z)`."""
        raise NotImplementedError

    def silu_mul(self, gate: Tensor, up: Tensor) -> Tensor:
        """`gate · σ(gate) · up` (SwiGLU, Shazeer 2020)."""
        raise NotImplementedError

    def silu_mul_grad(self, gate: Tensor, up: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """→ (ggate, gup)."""
        raise NotImplementedError

"""Gradient clipping and parameter updates, in place. Optimiser state comes in as tensors that start at zero."""

from __future__ import annotations

from collections.abc import Sequence

from .tensor import Tensor


class OptimiserOps:
    def clip_by_norm(self, grads: Sequence[Tensor], max_norm: float) -> Tensor:
        """`g ← g · min(1, max_norm / ‖grads‖₂)`, one norm of all (Pascanu et al. 2013) → the norm before. *In
        place*: `grads`.
        """
        raise NotImplementedError

    def clip_by_value(self, grads: Sequence[Tensor], limit: float) -> None:
        """Every value into `−limit … limit`. *In place*: `grads`."""
        raise NotImplementedError

    def sgd_step(self, w: Tensor, g: Tensor, learning_rate: float) -> None:
        """`w ← w − lr · g`. *In place*: `w`. *Dynamic*: `learning_rate`."""
        raise NotImplementedError

    def sgd_momentum_step(
        self,
        w: Tensor,
        g: Tensor,
        velocity: Tensor,
        learning_rate: float,
        momentum: float,
        dampening: float,
        nesterov: bool,
    ) -> None:
        """`v ← μ v + (1 − dampening) g`, `w ← w − lr · v`, or with Nesterov `w ← w − lr · (g + μ v)`. *In place*:
        `w`, `velocity`. *Dynamic*: `learning_rate`.
        """
        raise NotImplementedError

    def adamw_step(
        self,
        w: Tensor,
        g: Tensor,
        m: Tensor,
        v: Tensor,
        learning_rate: float,
        step: int,
        beta1: float,
        beta2: float,
        epsilon: float,
        weight_decay: float,
    ) -> None:
        """`w ← w − lr · (m̂ / (√v̂ + ε) + decay · w)` after updating both moments; `step` counts from 1. *In
        place*: `w`, `m`, `v`. *Dynamic*: `learning_rate`, `step`.
        """
        raise NotImplementedError

    def rmsprop_step(
        self,
        w: Tensor,
        g: Tensor,
        v: Tensor,
        buffer: Tensor | None,
        learning_rate: float,
        alpha: float,
        epsilon: float,
        momentum: float,
    ) -> None:
        """`v ← α v + (1 − α) g²`, `u = g / √(v + ε)`, `b ← μ b + u` if given, `w ← w − lr · (b or u)`. *In place*:
        `w`, `v`, `buffer`. *Dynamic*: `learning_rate`.
        """
        raise NotImplementedError

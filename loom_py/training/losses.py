"""The losses by name, as `runtime/kernels/loss.py` declares them; every one is a mean over all n values of the output.

`mse`, `mae` and `huber` are for regression, the last two robust; `cross_entropy` (after a softmax, one-hot or soft
targets) and `bce` (after a sigmoid) take probabilities, `cross_entropy_logits` and `bce_logits` raw outputs. The two on
probabilities clamp y to [10⁻⁷, 1 − 10⁻⁷]. Inside, the gradient is the true one; beyond, where that would be zero, it
keeps the value at the clamp, so that a saturated wrong answer can still be unlearned.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from ..runtime.kernels.loss import LOSSES as DECLARED
from ..runtime.ops import Ops, Tensor
from ..schema.fields import suggest

TARGETS: dict[str, tuple[float, float]] = {name: declared.targets for name, declared in DECLARED.items()}
"""Name → the smallest and the largest target that makes sense."""
LOSSES = tuple(DECLARED)
ALIASES = {alias: name for name, declared in DECLARED.items() for alias in declared.aliases}


@dataclass(frozen=True)
class Loss:
    """One loss: `value` and `gradient` for outputs y and targets t of one shape; `delta` is Huber's."""

    name: str = "mse"
    delta: float = 1.0

    def value(self, ops: Ops, y: Tensor, target: Tensor) -> Tensor:
        """The mean loss, a scalar."""
        return ops.loss(self.name, y, target, self.delta)

    def gradient(self, ops: Ops, y: Tensor, target: Tensor) -> Tensor:
        """dloss/dy."""
        return ops.loss_grad(self.name, y, target, self.delta)


def resolve_loss(name: str, where: str) -> str:
    """The name of a loss by any of its spellings; `ConfigError` that lists the known ones."""
    canonical = ALIASES.get(name.lower(), name.lower())
    if canonical not in LOSSES:
        raise ConfigError(f"unknown loss {name!r}", where=where, remedy=suggest(canonical, LOSSES))
    return canonical

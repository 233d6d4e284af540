"""The losses by name, as `runtime/kernels/loss.py` declares them; every one is a mean over all n values of the output.

`mse`, `mae` and `huber` are for regression, the last two robust; `cross_entropy` (after a softmax, one-hot or soft
targets) and `bce` (after a sigmoid) take probabilities, `cross_entropy_logits` and `bce_logits` raw outputs. Training
computes the first two from the input of the softmax or sigmoid where the network ends with one. Elsewhere they clamp y
to [10⁻⁷, 1 − 10⁻⁷]. Inside, the gradient is the true one; beyond, where that would be zero, it keeps the value at the
clamp, so that a saturated wrong answer can still be unlearned.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from ..nn.activation import Logits
from ..runtime.kernels.loss import LOSSES as DECLARED
from ..runtime.ops import Ops, Tensor
from ..schema.fields import suggest

TARGETS: dict[str, tuple[float, float]] = {name: declared.targets for name, declared in DECLARED.items()}
"""Name → the smallest and the largest target that makes sense."""
LOSSES = tuple(DECLARED)
ALIASES = {alias: name for name, declared in DECLARED.items() for alias in declared.aliases}


ON_PROBABILITIES = ("cross_entropy", "bce")
ON_LOGITS = {("cross_entropy", "softmax"): "cross_entropy_logits", ("bce", "sigmoid"): "bce_logits"}
"""(Loss on probabilities, the function that made them) → the same loss on that function's input."""


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

    def at(self, ops: Ops, y: Tensor, logits: Logits | None, target: Tensor) -> tuple[Loss, Tensor, Tensor, bool]:
        """Where to compute this loss: at a softmax's or sigmoid's input where that fits, else at the output y.

        Returns the loss there, what it is computed from, the target of that shape, and whether those are logits.

        Probabilities of float32 hold nothing of logits that are far apart: softmax(0, 104) is (0, 1).
        """
        name = None if logits is None else ON_LOGITS.get((self.name, logits.function))
        if logits is None or name is None:
            return self, y, target, False
        z = logits.z
        return Loss(name), z, target if target.shape == z.shape else ops.reshape(target, z.shape), True


def resolve_loss(name: str, where: str) -> str:
    """The name of a loss by any of its spellings; `ConfigError` that lists the known ones."""
    canonical = ALIASES.get(name.lower(), name.lower())
    if canonical not in LOSSES:
        raise ConfigError(f"unknown loss {name!r}", where=where, remedy=suggest(canonical, LOSSES))
    return canonical

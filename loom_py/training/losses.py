"""The losses by name. The code is in `runtime.kernels.loss`; every one is a mean over all n values of the output.

| name | loss | gradient · n | for |
|---|---|---|---|
| `mse` | (y − t)² | 2 (y − t) | regression |
| `mae` | abs(y − t) | sign(y − t) | regression, robust |
| `huber` | e²/2 up to δ, δ (abs(e) − δ/2) beyond, e = y − t | e cut to ±δ | regression, robust (Huber 1964) |
| `cross_entropy` | −t ln y where t > 0 | −t / y | probabilities (after a softmax), one-hot or soft targets |
| `cross_entropy_logits` | −t ln softmax(y) over each sample | softmax(y) Σt − t | raw outputs |
| `bce` | −t ln y − (1 − t) ln(1 − y) | (y − t) / (y (1 − y)) | independent probabilities (after a sigmoid) |
| `bce_logits` | the same of σ(y) | σ(y) − t | raw outputs |

The two on probabilities clamp y to [10⁻⁷, 1 − 10⁻⁷]. Inside, the gradient is the true one; beyond, where that would be
zero, it keeps the value at the clamp, so that a saturated wrong answer can still be unlearned.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import suggest

TARGETS: dict[str, tuple[float, float]] = {
    # name: smallest and largest target that makes sense
    "mse": (-float("inf"), float("inf")),
    "mae": (-float("inf"), float("inf")),
    "huber": (-float("inf"), float("inf")),
    "cross_entropy": (0.0, float("inf")),
    "cross_entropy_logits": (0.0, float("inf")),
    "bce": (0.0, 1.0),
    "bce_logits": (0.0, 1.0),
}
LOSSES = tuple(TARGETS)
ALIASES = {
    "": "mse",
    "l2": "mse",
    "l1": "mae",
    "binary_cross_entropy": "bce",
    "binary_cross_entropy_logits": "bce_logits",
    "cross_entropy_with_logits": "cross_entropy_logits",
    "bce_with_logits": "bce_logits",
}


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
    found = ALIASES.get(name.lower(), name.lower())
    if found not in LOSSES:
        raise ConfigError(f"unknown loss {name!r}", where=where, remedy=suggest(found, LOSSES))
    return found

"""Parameter updates, in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def clip_by_norm(grads: Sequence[Array], max_norm: float) -> Array:
    """g ← g · min(1, max_norm / ‖all g‖₂) → the norm before   (Pascanu et al. 2013)."""
    norm = np.sqrt(sum(float(np.vdot(g, g)) for g in grads))
    if norm > max_norm:
        for g in grads:
            g *= g.dtype.type(max_norm / norm)
    return norm


def sgd_step(w: Array, g: Array, learning_rate: float) -> None:
    """w ← w − lr · g."""
    w -= w.dtype.type(learning_rate) * g

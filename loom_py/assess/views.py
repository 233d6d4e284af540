"""Four views of one sample, for the methods that learn from all of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
NOISE, SCALE, MASK = 0.05, 0.1, 0.1


def views(x: Array, rng: np.random.Generator) -> Array:
    """(4, I), float32: `x`; x + N(0, 0.05); x · U(0.9, 1.1); `x` with each value set to 0 with probability 0.1."""
    noisy = x + rng.normal(0, NOISE, x.shape)
    scaled = x * rng.uniform(1 - SCALE, 1 + SCALE)
    masked = x * (rng.random(x.shape) >= MASK)
    return np.stack([x, noisy, scaled, masked]).astype(np.float32)

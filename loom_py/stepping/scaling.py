"""The original's rescaling of step gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nn.layer import Array, Params


def softmax_scaled(tree: Params) -> Params:
    """G ← G · softmax(|G|) · N, for the N kernel values of a layer together, and for its bias values together.

    Large gradients grow, small ones shrink, equal ones stay. The result is no longer a gradient: its direction differs
    from the chain rule's. Layers inside a layer are scaled separately.
    """
    scaled: Params = {}
    for wanted in (False, True):
        names = [n for n, value in tree.items() if not isinstance(value, list) and is_bias(n) is wanted]
        if names:
            factor = _softmax(np.concatenate([np.abs(tree[n]).ravel() for n in names]))
            factor *= factor.size
            parts = np.split(factor, np.cumsum([tree[n].size for n in names])[:-1])
            scaled |= {n: tree[n] * part.reshape(tree[n].shape) for n, part in zip(names, parts, strict=True)}
    result: Params = {}
    for name, value in tree.items():
        result[name] = [softmax_scaled(child) for child in value] if isinstance(value, list) else scaled[name]
    return result


def is_bias(name: str) -> bool:
    """Whether a parameter is an offset: `bias`, `q_bias`, `beta`."""
    return name == "beta" or name.endswith("bias")


def _softmax(x: Array) -> Any:
    e = np.exp(x - x.max())
    return e / e.sum()

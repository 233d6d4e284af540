"""The kernel vocabulary on NumPy: eager, any shape, float32 or float64. The oracle for every other device."""

from __future__ import annotations

from . import kernels  # noqa: F401  # pyright: ignore[reportUnusedImport]  (declares the vocabulary)
from .kernel import KERNELS
from .ops import Ops


class NumpyOps(Ops):
    """`Ops` on `ndarray`s: the declared functions themselves."""


for _kernel in KERNELS.values():
    setattr(NumpyOps, _kernel.name, staticmethod(_kernel.function))

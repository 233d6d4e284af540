"""Kernels, programs recorded from them, transforms of programs, and the devices that replay them.

Layers and models see only `Ops`.
"""

from .numpy_ops import NumpyOps
from .ops import Ops, Tensor

numpy_ops = NumpyOps()

__all__ = ["NumpyOps", "Ops", "Tensor", "numpy_ops"]

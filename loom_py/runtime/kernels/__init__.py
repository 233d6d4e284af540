"""NumPy kernels, one family a file; names and shapes as in `runtime.ops`."""

from . import activation, attention, conv, fused, linear, loss, norm, optimiser, recurrent, sampling, shape, softmax

__all__ = [
    "activation", "attention", "conv", "fused", "linear", "loss", "norm", "optimiser", "recurrent", "sampling", "shape",
    "softmax",
]  # fmt: skip

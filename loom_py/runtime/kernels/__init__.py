"""NumPy kernels, one family a file; names and shapes as in `runtime.ops`."""

from . import activation, attention, conv, linear, loss, norm, optimiser, recurrent, shape, softmax

__all__ = ["activation", "attention", "conv", "linear", "loss", "norm", "optimiser", "recurrent", "shape", "softmax"]

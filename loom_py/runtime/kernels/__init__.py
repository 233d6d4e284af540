"""NumPy kernels, one family a file; names and shapes as in `runtime.ops`."""

from . import activation, attention, linear, loss, norm, optimiser, recurrent, shape, softmax

__all__ = ["activation", "attention", "linear", "loss", "norm", "optimiser", "recurrent", "shape", "softmax"]

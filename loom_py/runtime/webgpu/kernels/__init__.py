"""Which dispatches each kernel of the vocabulary takes, one family a file, each with its `wgsl/<family>.wgsl`."""

from . import elementwise, linear, matmul, shape, training, transformer

__all__ = ["elementwise", "linear", "matmul", "shape", "training", "transformer"]

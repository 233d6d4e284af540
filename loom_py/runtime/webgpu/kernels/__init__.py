"""Which dispatches each kernel of the vocabulary takes, one family a file, each with its `wgsl/<family>.wgsl`."""

from . import elementwise, matmul, shape, training, transformer

__all__ = ["elementwise", "matmul", "shape", "training", "transformer"]

"""Layers, one a file. Importing this module makes every kind known to the registry."""

from .attention import MultiHeadAttention
from .conv import Conv1D, Conv2D
from .dense import Dense
from .embedding import Embedding
from .layer import Layer
from .lstm import LSTM
from .norm import LayerNorm, RMSNorm
from .parallel import Parallel
from .registry import KINDS, build_chain, build_layer
from .residual import Residual
from .rnn import RNN
from .sequential import Sequential
from .softmax import Softmax
from .swiglu import SwiGLU

__all__ = [
    "KINDS",
    "LSTM",
    "RNN",
    "Conv1D",
    "Conv2D",
    "Dense",
    "Embedding",
    "Layer",
    "LayerNorm",
    "MultiHeadAttention",
    "Parallel",
    "RMSNorm",
    "Residual",
    "Sequential",
    "Softmax",
    "SwiGLU",
    "build_chain",
    "build_layer",
]

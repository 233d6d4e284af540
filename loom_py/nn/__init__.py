"""Layers, one a file. Importing this module makes every kind known to the registry."""

from .dense import Dense
from .layer import Layer
from .lstm import LSTM
from .parallel import Parallel
from .registry import KINDS, build_layer
from .rnn import RNN

__all__ = ["KINDS", "LSTM", "RNN", "Dense", "Layer", "Parallel", "build_layer"]

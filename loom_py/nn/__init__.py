"""Layers, one a file. Importing this package registers every kind that has a file here."""

from importlib import import_module
from pkgutil import iter_modules

from .layer import Layer
from .registry import KINDS, build_chain, build_layer

for _module in iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)

__all__ = ["KINDS", "Layer", "build_chain", "build_layer"]

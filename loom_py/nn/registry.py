"""Layer kinds by their JSON `type`."""

from __future__ import annotations

from typing import TypeVar

from ..errors import ConfigError
from .fields import Fields, suggest
from .layer import Layer

KINDS: dict[str, type[Layer]] = {}
L = TypeVar("L", bound=type[Layer])


def register(cls: L) -> L:
    """Class decorator: make a layer known under its `kind` and `aliases`."""
    for name in (cls.kind, *cls.aliases):
        KINDS[name] = cls
    return cls


def build_layer(f: Fields, in_size: int | None) -> Layer:
    """The layer that a JSON object describes; `ConfigError` with its path if it describes none."""
    kind = f.string("type")
    if kind not in KINDS:
        raise ConfigError(f"unknown layer type: {kind}", where=f.at("type"), remedy=suggest(kind, KINDS))
    layer = KINDS[kind].from_fields(f, in_size)
    f.finish()
    if in_size is not None and layer.in_size is not None and layer.in_size != in_size:
        raise ConfigError(f"{kind} takes {layer.in_size} values but the layer before gives {in_size}", where=f.path)
    return layer

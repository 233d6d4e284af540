"""Layer kinds by their JSON `type`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..errors import ConfigError
from ..schema.fields import Fields, suggest
from ..schema.names import plain, spellings
from .layer import Layer

KINDS: dict[str, type[Layer]] = {}
"""Name or alias → class, of all files in this folder."""
NUMBERS: dict[int, type[Layer]] = {}
"""The original's number → class."""
L = TypeVar("L", bound=type[Layer])


def register(cls: L) -> L:
    """Class decorator: make a layer known under its `kind`, `aliases` and the original's `number`."""
    for name in (cls.kind, *cls.aliases):
        KINDS[name] = cls
    if cls.number >= 0:
        NUMBERS[cls.number] = cls
    return cls


MAX_DEPTH = 32


def layer_class(kind: object, where: str) -> type[Layer]:
    """The class of a JSON `type` in any spelling (`Conv2D`); `ConfigError` at `where` for an unknown one."""
    if kind is None:
        raise ConfigError("missing: a layer type is required here", where=where, remedy=f"Known: {', '.join(KINDS)}.")
    name = spellings(KINDS).get(plain(kind)) if isinstance(kind, str) and kind not in KINDS else kind
    if not isinstance(name, str):
        remedy = suggest(str(kind), KINDS)
        raise ConfigError(f"unknown layer type: {kind}", where=where, remedy=remedy)
    return KINDS[name]


def build_chain(items: Sequence[Fields], in_size: int | None) -> list[Layer]:
    """Layers that follow one another, each told what the one before gives."""
    layers: list[Layer] = []
    for f in items:
        layer = build_layer(f, layers[-1].out_size if layers else in_size)
        if layer.residual == "skip":
            check_skip(layer, layers, in_size, f.at("skip"))
        layers.append(layer)
    return layers


def check_skip(layer: Layer, before: Sequence[Layer], in_size: int | None, where: str) -> None:
    """A residual layer after the layers `before`: is there what it skips back to, and has it the same size?"""
    start = layer.source(len(before), None)
    if start is None:
        raise ConfigError(f"there are only {len(before)} layers before this one", where=where)
    size = before[start].in_size if start else in_size or before[0].in_size
    given = before[-1].out_size
    if None not in (size, given) and size != given:
        raise ConfigError(f"the layer before gives {given} values, but the skipped input has {size}", where=where)


def build_layer(f: Fields, in_size: int | None) -> Layer:
    """The layer that a JSON object describes; `ConfigError` with its path if it describes none."""
    cls = layer_class(f.string("type"), f.at("type"))
    if f.path.count("[") > MAX_DEPTH:
        raise ConfigError(f"layers nested deeper than {MAX_DEPTH}", where=f.path)
    layer = cls.from_fields(f, in_size)
    f.finish()
    if in_size is not None and layer.in_size is not None and layer.in_size != in_size:
        raise ConfigError(
            f"{layer.kind} takes {layer.in_size} values but the layer before gives {in_size}", where=f.path
        )
    return layer

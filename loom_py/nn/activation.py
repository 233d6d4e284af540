"""Activation functions by name and id.

`runtime/kernels/activation.py` declares them; an id is the place there, except that 17 is `softmax` over the outputs of
a layer, which is a kernel of its own. Ids 0 to 5 are the original's; -1 for linear, which it writes in Go code, is
accepted too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from ..runtime.kernels.activation import ACTIVATIONS
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, json_type, suggest
from ..schema.names import plain, spellings
from .options import option

SOFTMAX_ID = 17
NAMES: tuple[str, ...] = (*[*ACTIVATIONS][:SOFTMAX_ID], "softmax", *[*ACTIVATIONS][SOFTMAX_ID:])
ALIASES = {alias: name for name, activation in ACTIVATIONS.items() for alias in activation.aliases}
SPELLINGS = spellings(NAMES, ALIASES)


def resolve(value: object, where: str, default: str = "relu") -> str:
    """The canonical name for a name in any spelling (`LeakyReLU`), an alias or an id.

    Raises `ConfigError` that lists the known ones.
    """
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ConfigError(f"expected an activation name or id, got {json_type(value)}", where=where)
    if isinstance(value, int):
        if value == -1:
            return "linear"
        if not 0 <= value < len(NAMES):
            raise ConfigError(f"unknown activation id {value}", where=where, remedy=f"Known: 0 to {len(NAMES) - 1}.")
        return NAMES[value]
    name = SPELLINGS.get(plain(value))
    if name is None:
        raise ConfigError(f"unknown activation {value!r}", where=where, remedy=suggest(value, {*NAMES, *ALIASES}))
    return name


def activation_option(default: str) -> Any:
    """The option `activation` of a layer that applies one."""

    def read(f: Fields, names: tuple[str, ...], in_size: int | None) -> str:
        return resolve(f.any(*names), f.at(names[0]), default)

    return option(read, type="str", default=default)


def ignored_activation(saved: str) -> Any:
    """The option `activation` of a layer without one: the original writes it for every layer, so it is checked,
    not used, and `saved` as the original does."""

    def read(f: Fields, names: tuple[str, ...], in_size: int | None) -> str:
        resolve(f.any(*names), f.at(names[0]))
        return "linear"

    return option(read, type="str", default="linear", write=lambda _: saved, used=False)


@dataclass(frozen=True, slots=True)
class Logits:
    """The input `z` of a function at a layer's end: `softmax`, over the last axis, or `sigmoid`."""

    function: str
    z: Tensor


def logits_of(name: str, z: Tensor) -> Logits | None:
    """Those of a layer that ends with the activation `name` of z (B, O)."""
    return Logits(name, z) if name in ("softmax", "sigmoid") else None


def activate(ops: Ops, name: str, z: Tensor) -> Tensor:
    """f(z), z (B, O)."""
    return ops.softmax(z) if name == "softmax" else ops.activate(name, z)


def activate_grad(ops: Ops, name: str, z: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """Gradient with respect to z, given y = f(z) and the gradient g with respect to y."""
    return ops.softmax_grad(y, g) if name == "softmax" else ops.activate_grad(name, z, g)

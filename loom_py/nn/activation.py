"""Activation functions by name and id.

| id | name | f(z) | also known as |
|---|---|---|---|
| 0 | relu | max(0, 1.1 z) (LOOM's scaled ReLU) | scaled_relu |
| 1 | sigmoid | 1 / (1 + e^−z) | logistic |
| 2 | tanh | tanh z | |
| 3 | softplus | ln(1 + e^z) | |
| 4 | leaky_relu | z if z ≥ 0 else 0.1 z | |
| 5 | linear | z | identity, none |
| 6 | plain_relu | max(0, z) | |
| 7 | relu6 | min(max(0, z), 6) | |
| 8 | gelu | z Φ(z), Φ by erf | |
| 9 | gelu_tanh | GELU's tanh approximation | gelu_new |
| 10 | silu | z σ(z) | swish |
| 11 | elu | z if z ≥ 0 else e^z − 1 | |
| 12 | selu | λ (z if z ≥ 0 else α (e^z − 1)) | |
| 13 | mish | z tanh(softplus z) | |
| 14 | hard_sigmoid | clip(z/6 + 1/2, 0, 1) | |
| 15 | hard_swish | z hard_sigmoid(z) | |
| 16 | softsign | z / (1 + abs z) | |
| 17 | softmax | e^z_i / Σ_j e^z_j over the layer's outputs | |

Ids 0 to 5 are the original's; the original writes -1 for linear in Go code, which is accepted.
"""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, json_type, suggest
from .options import option

NAMES: tuple[str, ...] = (
    *("relu", "sigmoid", "tanh", "softplus", "leaky_relu", "linear", "plain_relu", "relu6", "gelu", "gelu_tanh"),
    *("silu", "elu", "selu", "mish", "hard_sigmoid", "hard_swish", "softsign", "softmax"),
)
ALIASES = {
    "scaled_relu": "relu",
    "logistic": "sigmoid",
    "identity": "linear",
    "none": "linear",
    "gelu_new": "gelu_tanh",
    "swish": "silu",
}


def resolve(value: object, where: str, default: str = "relu") -> str:
    """The canonical name for a name, alias or id; `ConfigError` naming the known ones otherwise."""
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
    name = ALIASES.get(value, value)
    if name not in NAMES:
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


def activate(ops: Ops, name: str, z: Tensor) -> Tensor:
    """f(z), z (B, O)."""
    return ops.softmax(z) if name == "softmax" else ops.activate(name, z)


def activate_grad(ops: Ops, name: str, z: Tensor, y: Tensor, g: Tensor) -> Tensor:
    """Gradient with respect to z, given y = f(z) and the gradient g with respect to y."""
    return ops.softmax_grad(y, g) if name == "softmax" else ops.activate_grad(name, z, g)

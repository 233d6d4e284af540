"""A layer with its weights as one object in the original's field names (`LayerConfig`), both ways.

`{"Type": 0, "TypeName": "dense", "Activation": 1, "InputHeight": 8, "OutputHeight": 4, "Kernel": […], "Bias": […]}`:
the JSON fields of the configuration and of the weight record, each written like a Go field. Keys are read in any case,
with or without underscores; a missing weight is initialised.
"""

from __future__ import annotations

from ..errors import ConfigError
from ..nn.activation import NAMES
from ..nn.dense import Dense
from ..nn.layer import Layer, Params, initial_params
from ..nn.registry import NUMBERS, layer_class
from ..schema.fields import FILE, LOOSE, Fields, Json, suggest
from ..schema.names import fold

_WEIGHT_NAMES = {"biases": "Bias", "conv_bias": "Bias", "branch_weights": "BranchWeights"}
_UPPER = {"ih": "IH", "hh": "HH", "id": "ID", **{a + b: (a + b).upper() for a in "ih" for b in "ifgo"}}


def go_name(name: str) -> str:
    """`input_height` → `InputHeight`, `weight_ih` → `WeightIH`."""
    return "".join(_UPPER.get(word, word[:1].upper() + word[1:]) for word in name.split("_"))


def to_config(layer: Layer, params: Params) -> Json:
    """One layer and its weights as a `LayerConfig`."""
    fields = layer.to_json()
    name = fields.pop("type")
    activation = fields.pop("activation", "linear")
    config: Json = {"Type": layer.number, "TypeName": name, "Activation": NAMES.index(activation)}
    config |= {go_name(key): value for key, value in fields.items()}
    weights = layer.weights_to_json(params)
    return config | {_WEIGHT_NAMES.get(key, go_name(key)): value for key, value in weights.items()}


def from_config(config: object, where: str = "config", seed: int = 0) -> tuple[Layer, Params]:
    """The layer and its weights. Raises `ConfigError` or `FormatError` with the path."""
    f = Fields(config, where, rules=LOOSE)
    number, kind = f.any("Type"), f.any("TypeName")
    if kind is None and isinstance(number, int) and not isinstance(number, bool):
        if number not in NUMBERS:
            kinds = ", ".join(f"{i} {cls.kind}" for i, cls in sorted(NUMBERS.items()))
            raise ConfigError(f"unknown layer type {number}", where=f.at("Type"), remedy=f"Known: {kinds}.")
        kind = NUMBERS[number].kind
    cls = layer_class(kind if kind is not None else number, f.at("Type"))
    if cls is Dense:
        f = Fields({**_dense_sizes(f), **f.values}, where, rules=LOOSE)
        f.any("Type", "TypeName")
    layer = cls.from_fields(f, None)
    record = layer.weights_to_json(initial_params([layer], seed)[0])
    keys = {fold(_WEIGHT_NAMES.get(key, key)): key for key in record}
    for name, value in f.rest().items():
        if name not in keys:
            raise ConfigError(f"a {layer.kind} layer has no field {name!r}", where=where, remedy=suggest(name, keys))
        if value is not None:
            record[keys[name]] = value
    return layer, layer.weights_from_json(Fields(record, where, rules=FILE))


def _dense_sizes(f: Fields) -> Json:
    """The sizes that a dense layer's weights imply where none are given: one output a bias, inputs the rest."""
    kernel, bias = f.any("Kernel"), f.any("Bias")
    sizes = ("InputSize", "InputHeight", "Width", "OutputSize", "OutputHeight", "Height")
    if f.has(*sizes) or not isinstance(kernel, list) or not isinstance(bias, list):
        return {}
    if not kernel or not bias or len(kernel) % len(bias):
        return {}
    return {"InputSize": len(kernel) // len(bias), "OutputSize": len(bias)}

"""A layer with its weights as one object in the original's field names (`LayerConfig`), both ways.

`{"Type": 0, "TypeName": "dense", "Activation": 1, "InputHeight": 8, "OutputHeight": 4, "Kernel": […], "Bias": […]}`:
the JSON fields of the configuration and of the weight record, each written like a Go field. Keys are read in any case,
with or without underscores; a missing weight is initialised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import ConfigError
from .nn import Layer, build_layer
from .nn.activation import NAMES
from .nn.fields import Fields, Json, json_type
from .nn.layer import Params

TYPES = (
    *("dense", "conv2d", "multi_head_attention", "rnn", "lstm", "softmax", "layer_norm", "residual"),
    *("rms_norm", "swiglu", "parallel", "embedding", "conv1d", "sequential"),
)
"""Layer kinds by the original's number."""
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
    config: Json = {"Type": TYPES.index(name), "TypeName": name, "Activation": NAMES.index(activation)}
    config |= {go_name(key): value for key, value in fields.items()}
    weights = layer.weights_to_json(params)
    return config | {_WEIGHT_NAMES.get(key, go_name(key)): value for key, value in weights.items()}


def from_config(config: object, where: str = "config", seed: int = 0) -> tuple[Layer, Params]:
    """The layer and its weights. Raises `ConfigError` or `FormatError` with the path."""
    if not isinstance(config, Mapping):
        raise ConfigError(f"expected an object, got {json_type(config)}", where=where)
    given = {_plain(str(key)): value for key, value in config.items()}
    kind = given.pop("typename", None) or given.pop("type", None)
    given.pop("type", None)
    if isinstance(kind, int) and not isinstance(kind, bool):
        if not 0 <= kind < len(TYPES):
            raise ConfigError(
                f"unknown layer type {kind}", where=f"{where}.Type", remedy=f"Known: {dict(enumerate(TYPES))}."
            )
        kind = TYPES[kind]
    fields, weights = _split(kind, given)
    if kind == "dense":
        fields = _dense_sizes(weights) | fields
    layer = build_layer(Fields({"type": kind, **fields}, where), None)
    fresh = layer.weights_to_json(layer.init(np.random.Generator(np.random.Philox(seed))))
    by_plain = {_plain(_WEIGHT_NAMES.get(key, key)): key for key in fresh}
    for name, value in weights.items():
        if name not in by_plain:
            raise ConfigError(f"a {kind} layer has no field {name!r}", where=where)
        if value is not None:
            fresh[by_plain[name]] = value
    return layer, layer.weights_from_json(fresh, where)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


_WEIGHT_KEYS = {
    *("kernel", "bias", "weightih", "weighthh", "biash", "gamma", "beta", "branchweights", "gateweights", "upweights"),
    *("downweights", "gatebias", "upbias", "downbias", "embeddingweights", "outputweight", "outputbias"),
    *(f"{n}{what}" for n in "qkv" for what in ("weights", "bias")),
    *(f"{w}{g}" for w in ("weighti", "weighth", "bias") for g in "ifgo"),
}
_FIELD_KEYS = {
    _plain(name): name
    for name in (
        *("activation", "input_size", "output_size", "input_height", "output_height", "input_width", "output_width"),
        *("width", "height", "input_channels", "filters", "kernel_size", "stride", "padding", "input_length"),
        *("d_model", "num_heads", "num_kv_heads", "head_dim", "seq_length", "causal", "rope", "rope_theta"),
        *("cache_length", "hidden_size", "stateful", "norm_size", "epsilon", "skip", "vocab_size", "embedding_dim"),
        *("softmax_variant", "softmax_rows", "softmax_cols", "temperature", "gumbel_noise", "mask", "seed"),
        *("hierarchy_levels", "adaptive_clusters", "cluster_logits", "mixture_weights", "mixture_components"),
        *("entmax_alpha", "combine_mode", "branches", "grid_output_rows", "grid_output_cols", "grid_output_layers"),
        *("grid_positions", "filter_gate", "filter_softmax", "filter_temperature"),
    )
}


def _dense_sizes(weights: Json) -> Json:
    """The sizes that a dense layer's weights imply: outputs are biases, inputs the rest of the kernel."""
    kernel, bias = weights.get("kernel"), weights.get("bias")
    if isinstance(kernel, list) and isinstance(bias, list) and bias and len(kernel) % len(bias) == 0 and kernel:
        return {"input_size": len(kernel) // len(bias), "output_size": len(bias)}
    return {}


def _split(kind: Any, given: dict[str, Any]) -> tuple[Json, Json]:
    """Configuration fields under their JSON names, and weights."""
    weights = {name: value for name, value in given.items() if name in _WEIGHT_KEYS}
    rest = {_FIELD_KEYS.get(name, name): value for name, value in given.items() if name not in _WEIGHT_KEYS}
    return {name: value for name, value in rest.items() if value is not None}, weights

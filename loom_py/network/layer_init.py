"""Layers made by name: `call_layer_init("InitDenseLayer", [784, 392, 0])` gives a `LayerConfig` with fresh weights."""

from __future__ import annotations

import dataclasses
import inspect
import math
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..nn import KINDS, Layer, build_layer
from ..nn.activation import NAMES, resolve
from ..nn.layer import Params
from ..nn.options import options
from ..nn.softmax import MAX_LEAVES
from ..schema.fields import Fields, Json, json_type, shown, suggest
from ..values import whole
from .layer_config import to_config


def _make(config: Json, spread: dict[str, float] | None = None, where: str = "") -> Json:
    """A `LayerConfig` of the layer, weights normal with the given standard deviations where there are any."""
    layer = build_layer(Fields({k: v for k, v in config.items() if v is not None}, where), None)
    rng = np.random.Generator(np.random.Philox(secrets.randbits(64)))
    params: Params = layer.init(rng)
    for name, deviation in (spread or {}).items():
        params[name] = rng.normal(0, deviation, params[name].shape).astype(np.float32)
    if spread and "bias" in params:
        params["bias"] = np.zeros_like(params["bias"])
        if layer.kind == "lstm":
            size = len(params["bias"]) // 4
            params["bias"][size : 2 * size] = 1  # forget gates start open (Gers et al. 2000)
    return to_config(layer, params)


def init_dense_layer(input_size: int, output_size: int, activation: int) -> Json:
    """W ~ N(0, 2/in) (He et al. 2015), b = 0."""
    config = {"type": "dense", "input_size": input_size, "output_size": output_size, "activation": activation}
    return _make(config, {"kernel": math.sqrt(2 / max(input_size, 1))}, "InitDenseLayer")


def init_conv2d_layer(
    input_height: int,
    input_width: int,
    input_channels: int,
    kernel_size: int,
    stride: int,
    padding: int,
    filters: int,
    activation: int,
) -> Json:
    """Kernel ~ N(0, 2/(C·K²)), b = 0."""
    spread = {"kernel": math.sqrt(2 / max(input_channels * kernel_size**2, 1))}
    return _make({"type": "conv2d", **locals_without(locals(), "spread")}, spread, "InitConv2DLayer")


def init_conv1d_layer(
    input_length: int, input_channels: int, kernel_size: int, stride: int, padding: int, filters: int, activation: int
) -> Json:
    """Kernel ~ N(0, 2/(C·K)), b = 0."""
    spread = {"kernel": math.sqrt(2 / max(input_channels * kernel_size, 1))}
    return _make({"type": "conv1d", **locals_without(locals(), "spread")}, spread, "InitConv1DLayer")


def init_multi_head_attention_layer(d_model: int, num_heads: int, seq_length: int, activation: int = 0) -> Json:
    """Xavier: weights ~ N(0, 2/(fan in + fan out)), biases 0.

    Also takes (d_model, num_heads, batch_size, seq_length): a fourth number that is no activation id is the length.
    """
    if activation >= len(NAMES):  # no activation has that id
        seq_length, activation = activation, 0
    config = {"type": "multi_head_attention", "d_model": d_model, "num_heads": num_heads, "seq_length": seq_length}
    deviation = math.sqrt(1 / max(d_model, 1))
    return _make({**config, "activation": activation}, dict.fromkeys("qkvo", deviation), "InitMultiHeadAttentionLayer")


def _recurrent(kind: str, input_size: int, hidden_size: int, seq_length: int, where: str) -> Json:
    config = {"type": kind, "input_size": input_size, "hidden_size": hidden_size, "seq_length": seq_length}
    ih = math.sqrt(2 / max(input_size + hidden_size, 1))
    return _make(config, {"weight_ih": ih, "weight_hh": math.sqrt(1 / max(hidden_size, 1))}, where)


def init_rnn_layer(input_size: int, hidden_size: int, batch_size: int, seq_length: int) -> Json:
    """W_ih ~ N(0, 2/(I+H)), W_hh ~ N(0, 1/H), b = 0; the batch size is whatever comes."""
    return _recurrent("rnn", input_size, hidden_size, seq_length, "InitRNNLayer")


def init_lstm_layer(input_size: int, hidden_size: int, batch_size: int, seq_length: int) -> Json:
    """As the RNN's, and forget biases 1."""
    return _recurrent("lstm", input_size, hidden_size, seq_length, "InitLSTMLayer")


def init_layer_norm_layer(norm_size: int, epsilon: float = 1e-5) -> Json:
    """gamma = 1, beta = 0."""
    return _make({"type": "layer_norm", "norm_size": norm_size, "epsilon": epsilon}, where="InitLayerNormLayer")


def init_rms_norm_layer(norm_size: int, epsilon: float = 1e-5) -> Json:
    """gamma = 1."""
    return _make({"type": "rms_norm", "norm_size": norm_size, "epsilon": epsilon}, where="InitRMSNormLayer")


def init_swiglu_layer(hidden_size: int, intermediate_size: int) -> Json:
    """Xavier."""
    deviation = math.sqrt(2 / max(hidden_size + intermediate_size, 1))
    config = {"type": "swiglu", "input_size": hidden_size, "output_size": intermediate_size}
    return _make(config, dict.fromkeys(("gate", "up", "down"), deviation), "InitSwiGLULayer")


def init_embedding_layer(vocab_size: int, embedding_dim: int) -> Json:
    """~ U(±1/√E)."""
    config = {"type": "embedding", "vocab_size": vocab_size, "embedding_dim": embedding_dim}
    return _make(config, where="InitEmbeddingLayer")


def init_residual_layer(skip: int = 1, activation: int = 5) -> Json:
    """No weights."""
    return _make({"type": "residual", "skip": skip, "activation": activation}, where="InitResidualLayer")


def _softmax(where: str, **fields: Any) -> Json:
    return _make({"type": "softmax", **fields}, where=where)


def init_softmax_layer() -> Json:
    """Standard softmax."""
    return _softmax("InitSoftmaxLayer")


def init_grid_softmax_layer(rows: int, cols: int) -> Json:
    """One softmax a row."""
    return _softmax("InitGridSoftmaxLayer", softmax_variant="grid", softmax_rows=rows, softmax_cols=cols)


def init_hierarchical_softmax_layer(levels: list[int]) -> Json:
    """A tree with so many children on each level."""
    return _softmax("InitHierarchicalSoftmaxLayer", softmax_variant="hierarchical", hierarchy_levels=levels)


def init_temperature_softmax_layer(temperature: float) -> Json:
    """softmax(x / T)."""
    return _softmax("InitTemperatureSoftmaxLayer", softmax_variant="temperature", temperature=temperature)


def init_gumbel_softmax_layer(temperature: float) -> Json:
    """softmax((x + G) / T)."""
    return _softmax("InitGumbelSoftmaxLayer", softmax_variant="gumbel", temperature=temperature)


def init_masked_softmax_layer(size: int) -> Json:
    """A mask of `size` entries, all true."""
    whole(size, "InitMaskedSoftmaxLayer.size", 1, MAX_LEAVES)
    return _softmax("InitMaskedSoftmaxLayer", softmax_variant="masked", mask=[True] * size)


def init_sparsemax_layer() -> Json:
    """Projection onto the simplex."""
    return _softmax("InitSparsemaxLayer", softmax_variant="sparse")


def init_entmax_layer(alpha: float) -> Json:
    """α-entmax."""
    return _softmax("InitEntmaxLayer", softmax_variant="entmax", entmax_alpha=alpha)


def init_adaptive_softmax_layer(clusters: list[list[int]]) -> Json:
    """A two-level tree."""
    return _softmax("InitAdaptiveSoftmaxLayer", softmax_variant="adaptive", adaptive_clusters=clusters)


def init_mixture_softmax_layer(weights: list[float]) -> Json:
    """A mixture with fixed weights."""
    return _softmax("InitMixtureSoftmaxLayer", softmax_variant="mixture", mixture_weights=weights)


def _composite(where: str, kind: str, key: str, layers: list[Json], **fields: Any) -> Json:
    return _make({"type": kind, key: layers, **fields}, where=where)


def init_parallel_layer(branches: list[Json], combine_mode: str = "concat") -> Json:
    """Branches given as configurations (`{"type": "dense", …}`)."""
    return _composite("InitParallelLayer", "parallel", "branches", branches, combine_mode=combine_mode)


def init_filtered_parallel_layer(
    branches: list[Json], gate_input_size: int, softmax_variant: str = "standard", temperature: float = 1.0
) -> Json:
    """Branches mixed by a trained dense gate."""
    gate = {"type": "dense", "input_size": gate_input_size, "output_size": len(branches), "activation": "linear"}
    options = {"filter_gate": gate, "filter_softmax": softmax_variant, "filter_temperature": temperature}
    where = "InitFilteredParallelLayer"
    return _composite(where, "parallel", "branches", branches, combine_mode="filter", **options)


def init_sequential_layer(layers: list[Json]) -> Json:
    """Layers given as configurations."""
    return _composite("InitSequentialLayer", "sequential", "layers", layers)


def locals_without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """A function's arguments as a dict."""
    return {name: value for name, value in values.items() if name not in names}


def _derived(cls: type[Layer]) -> Callable[..., Json]:
    """The init function of a kind without one above: its options in order, weights as its `init` gives them."""
    name = f"Init{cls.__name__}Layer"

    def function(*values: Any) -> Json:
        return _make({"type": cls.kind, **dict(zip(signature.parameters, values, strict=False))}, where=name)

    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    parameters = [
        inspect.Parameter(
            option.names[0],
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if defaults[key] is dataclasses.MISSING else defaults[key],
            annotation=option.type,
        )
        for key, option in options(cls).items()
        if option.used
    ]
    parameters.sort(key=lambda p: p.default is not inspect.Parameter.empty)
    signature = inspect.Signature(parameters)
    function.__doc__ = (inspect.getdoc(cls) or "").split("\n", 1)[0]
    vars(function)["__signature__"] = signature
    return function


_UPPER = {
    "conv2d": "Conv2D",
    "conv1d": "Conv1D",
    "rnn": "RNN",
    "lstm": "LSTM",
    "qrnn": "QRNN",
    "sru": "SRU",
    "rms": "RMS",
    "swiglu": "SwiGLU",
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "".join(_UPPER.get(word, word.capitalize()) for word in name.split("_")): function
    for name, function in list(globals().items())
    if name.startswith("init_") and callable(function)
}
FUNCTIONS |= {name: _derived(cls) for cls in KINDS.values() if (name := f"Init{cls.__name__}Layer") not in FUNCTIONS}
_GO_TYPES = {
    "int": "int",
    "float": "float32",
    "str": "string",
    "bool": "bool",
    "list[int]": "[]int",
    "list[float]": "[]float32",
}

_PLAIN = {"str": str, "bool": bool}


def list_layer_init_functions() -> list[Json]:
    """`{Name, NumArgs, ArgTypes, ArgNames, Doc}` of every function, sorted by name."""
    records = []
    for name, function in sorted(FUNCTIONS.items()):
        parameters = inspect.signature(function).parameters.values()
        types = [_GO_TYPES.get(str(p.annotation), str(p.annotation)) for p in parameters]
        names = [p.name for p in parameters]
        doc = inspect.getdoc(function) or ""
        records.append({"Name": name, "NumArgs": len(names), "ArgTypes": types, "ArgNames": names, "Doc": doc})
    return records


def call_layer_init(name: str, arguments: Sequence[Any]) -> Json:
    """Call one of them; `InputError` for an unknown name or a wrong number of arguments."""
    if not isinstance(name, str):
        raise InputError(f"expected the name of a layer init function, got {json_type(name)}", where="name")
    if name not in FUNCTIONS:
        raise InputError(f"layer init function {name} not found", remedy=suggest(name, FUNCTIONS))
    function = FUNCTIONS[name]
    parameters = list(inspect.signature(function).parameters.values())
    required = sum(p.default is inspect.Parameter.empty for p in parameters)
    if not required <= len(arguments) <= len(parameters):
        wanted = str(required) if required == len(parameters) else f"{required} to {len(parameters)}"
        raise InputError(f"{name} expects {wanted} arguments, got {len(arguments)}")
    values = []
    for p, value in zip(parameters, arguments, strict=False):
        if p.name == "activation" and isinstance(value, str):
            value = NAMES.index(resolve(value, f"{name}.activation"))
        elif str(p.annotation) in ("int", "float"):
            most = sys.float_info.max
            wrong = isinstance(value, bool) or not isinstance(value, (int, float)) or not -most <= value <= most
            if wrong or (str(p.annotation) == "int" and value != int(value)):
                raise InputError(f"expected {p.annotation}, got {shown(value)}", where=f"{name}.{p.name}")
            value = int(value) if str(p.annotation) == "int" else float(value)
        elif not isinstance(value, _PLAIN.get(str(p.annotation), list)):
            kind = {"str": "a string", "bool": "true or false"}.get(str(p.annotation), "an array")
            raise InputError(f"expected {kind}, got {json_type(value)}", where=f"{name}.{p.name}")
        values.append(value)
    return function(*values)

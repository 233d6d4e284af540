"""Pieces of models as layers of `nn`: each a configuration and its parameters, for `Layered.layers`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..nn.layer import Params
from ..runtime.kernels.activation import ACTIVATIONS
from ..schema.fields import Json

Described = tuple[Json, Params]
Weights = Mapping[str, NDArray[Any]]
Projection = tuple[NDArray[Any], NDArray[Any]]


def matrix_and_bias(weights: Weights, module: str) -> Projection:
    """The weights of `blocks.linear`."""
    return weights[f"{module}.weight"], weights[f"{module}.bias"]


def norm_layer(weights: Weights, module: str, eps: float) -> Described:
    """The layer norm `<module>.weight` and `<module>.bias` of each position."""
    gamma = weights[f"{module}.weight"]
    config: Json = {"type": "layer_norm", "norm_size": len(gamma), "epsilon": eps}
    return config, {"gamma": gamma, "beta": weights[f"{module}.bias"]}


def attention_layer(projections: Mapping[str, Projection], heads: int, *, causal: bool) -> Described:
    """Attention by learned positions: the matrices `q`, `k`, `v` and `o`, (out, in), each with its bias."""
    width = projections["q"][0].shape[1]
    config: Json = {"type": "mha", "d_model": width, "num_heads": heads, "causal": causal, "rope": False}
    matrices = {name: weight.T for name, (weight, _) in projections.items()}
    return config, matrices | {f"{name}_bias": bias for name, (_, bias) in projections.items()}


def pointwise(weights: Weights, module: str, activation: str) -> Described:
    """`f(x @ weightᵀ + bias)` of each position, `<module>.weight` (out, in); without a bias it is 0."""
    if activation not in ACTIVATIONS:
        raise ModelError(f"the activation {activation} has no layer", where=module)
    weight = weights[f"{module}.weight"]
    outputs, inputs = weight.shape
    config: Json = {"type": "pointwise_dense", "input_size": inputs, "output_size": outputs, "activation": activation}
    bias = weights.get(f"{module}.bias")
    return config, {"kernel": weight.T, "bias": np.zeros(outputs, np.float32) if bias is None else bias}


def sequential(layers: Sequence[Described]) -> Described:
    """Layers one after another, as one layer; the residual stream of the network around it does not enter."""
    return {"type": "sequential", "layers": [config for config, _ in layers]}, {"layers": [p for _, p in layers]}

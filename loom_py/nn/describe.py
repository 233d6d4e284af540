"""One layer in words and numbers, for drawings and reports."""

from __future__ import annotations

from ..schema.fields import Json
from .layer import Layer, Params, leaves
from .parallel import Parallel


def describe(layer: Layer, p: Params) -> Json:
    """type, activation, parameters, input_shape, output_shape; for layers of layers what is inside.

    `branches` holds the layers inside; a parallel layer has its combine_mode too, and a filter its `gate`.
    """
    inside = [(child.key, describe(child.layer, child.part(p))) for child in layer.children()]
    record: Json = {
        "type": layer.kind,
        "activation": layer.activation,
        "parameters": sum(a.size for _, a in leaves(p)),
        "input_shape": list(layer.in_shape),
        "output_shape": list(layer.out_shape),
    }
    if inside:
        record["branches"] = [description for key, description in inside if key != "gate"]
        record |= {key: description for key, description in inside if key == "gate"}
    if isinstance(layer, Parallel):
        record["combine_mode"] = layer.combine_mode
    return record

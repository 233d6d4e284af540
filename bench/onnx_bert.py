"""A BERT as an ONNX file with the weights of a checkpoint, for rivals that read only those.

The graph is what Hugging Face's exports become once ONNX Runtime's optimiser for transformers has fused them: one node
for attention, one for a residual with its norm, one for a bias with GELU (the domain com.microsoft). The format of ONNX
is protocol buffers, of which this needs numbers, texts, and messages within messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT, INT32, INT64 = 1, 6, 7
"""Types of elements in ONNX."""
DTYPES = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
IR_VERSION = 8
OPSETS = {"": 17, "com.microsoft": 1}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def message(*fields: tuple[int, int | float | str | bytes]) -> bytes:
    """A message of numbered fields: whole numbers, float32, texts, and what is bytes already."""
    out: list[bytes] = []
    for number, value in fields:
        if isinstance(value, int):
            out += [_varint(number << 3), _varint(value)]
        elif isinstance(value, float):
            out += [_varint(number << 3 | 5), struct.pack("<f", value)]
        else:
            data = value.encode() if isinstance(value, str) else value
            out += [_varint(number << 3 | 2), _varint(len(data)), data]
    return b"".join(out)


def _tensor(name: str, values: NDArray[Any]) -> bytes:
    shape = [(1, size) for size in values.shape]
    return message(*shape, (2, DTYPES[values.dtype]), (8, name), (9, np.ascontiguousarray(values).tobytes()))


def _value(name: str, element: int, shape: Iterable[int | str]) -> bytes:
    dims = [(1, message((1 if isinstance(size, int) else 2, size))) for size in shape]
    return message((1, name), (2, message((1, message((1, element), (2, message(*dims)))))))


def _attribute(name: str, value: float) -> bytes:
    return (
        message((1, name), (2, value), (20, 1)) if isinstance(value, float) else message((1, name), (3, value), (20, 2))
    )


class Graph:
    """Nodes in order, and the tensors that they read."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.tensors: dict[str, bytes] = {}

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.tensors.setdefault(name, _tensor(name, values))
        return name

    def node(
        self, kind: str, inputs: Iterable[str], output: str, domain: str = "", *, unread: str = "", **attributes: float
    ) -> str:
        """Add a node and return its first output; `unread` is another that it must have."""
        outputs = [(2, name) for name in (output, unread) if name]
        parts = [*((1, name) for name in inputs), *outputs, (3, output), (4, kind)]
        parts += [(5, _attribute(name, value)) for name, value in attributes.items()]
        self.nodes.append(message(*parts, (7, domain)))
        return output

    def model(self, inputs: Iterable[bytes], outputs: Iterable[bytes]) -> bytes:
        parts = [(1, node) for node in self.nodes] + [(2, "bert")] + [(5, tensor) for tensor in self.tensors.values()]
        graph = message(*parts, *((11, value) for value in inputs), *((12, value) for value in outputs))
        opsets = [(8, message((1, domain), (2, version))) for domain, version in OPSETS.items()]
        return message((1, IR_VERSION), (2, "loom-bench"), (7, graph), *opsets)


def write(target: Path, config: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> None:
    """A model of `INPUTS` (batch, sequence) int64 → `last_hidden_state` (batch, sequence, width).

    **Arguments:**

    - `config`: of `config.json`.
    - `weights`: by the checkpoint's names, without a prefix; float32.
    """
    g, width, eps = Graph(), int(config["hidden_size"]), float(config["layer_norm_eps"])

    def weight(name: str, values: NDArray[Any] | None = None) -> str:
        return g.constant(name, weights[name] if values is None else values)

    def transposed(name: str) -> str:
        return weight(f"{name}.weight.T", weights[f"{name}.weight"].T)

    def skip_norm(x: str, more: str, module: str, bias: str, output: str) -> str:
        inputs = (x, more, weight(f"{module}.weight"), weight(f"{module}.bias"), weight(bias))
        return g.node("SkipLayerNormalization", inputs, output, "com.microsoft", epsilon=eps)

    mask = g.node("Cast", ["attention_mask"], "mask", to=INT32)
    tables = [weight(f"embeddings.{name}_embeddings.weight") for name in ("word", "position", "token_type")]
    norm = [weight(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    ids, types = (g.node("Cast", [name], f"{name}.int32", to=INT32) for name in ("input_ids", "token_type_ids"))
    x = g.node(
        "EmbedLayerNormalization",
        [ids, types, *tables, *norm],
        "embedded",
        "com.microsoft",
        unread="lengths",
        epsilon=eps,
    )
    for i in range(config["num_hidden_layers"]):
        part = f"encoder.layer.{i}"
        heads = [f"{part}.attention.self.{name}" for name in ("query", "key", "value")]
        matrix = weight(f"{part}.qkv", np.concatenate([weights[f"{name}.weight"].T for name in heads], 1))
        bias = weight(f"{part}.qkv.bias", np.concatenate([weights[f"{name}.bias"] for name in heads]))
        count = config["num_attention_heads"]
        mixed = g.node("Attention", [x, matrix, bias, mask], f"{part}.mixed", "com.microsoft", num_heads=count)
        out = f"{part}.attention.output"
        mixed = g.node("MatMul", [mixed, transposed(f"{out}.dense")], f"{part}.projected")
        x = skip_norm(mixed, x, f"{out}.LayerNorm", f"{out}.dense.bias", f"{part}.attended")
        up, down = f"{part}.intermediate.dense", f"{part}.output.dense"
        h = g.node("MatMul", [x, transposed(up)], f"{part}.up")
        h = g.node("BiasGelu", [h, weight(f"{up}.bias")], f"{part}.gelu", "com.microsoft")
        h = g.node("MatMul", [h, transposed(down)], f"{part}.down")
        x = skip_norm(h, x, f"{part}.output.LayerNorm", f"{down}.bias", f"{part}.hidden")
    g.node("Identity", [x], "last_hidden_state")
    shape = ("batch", "sequence")
    model = g.model(
        [_value(name, INT64, shape) for name in INPUTS], [_value("last_hidden_state", FLOAT, (*shape, width))]
    )
    target.write_bytes(model)

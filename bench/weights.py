"""The demo's language model in other formats: the same weights as an f32, Q8_0 or Q4_0 GGUF, written once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import console, files, paths

from . import random_models
from .random_models import SHAPES

FILE_TYPES = {"f32": "ALL_F32", "q8_0": "MOSTLY_Q8_0", "q4_0": "MOSTLY_Q4_0"}
KEPT = ("general.architecture", "general.file_type")
"""Metadata that the writer sets by itself, or that changes."""


@dataclass(frozen=True)
class ModelFile:
    """A GGUF file and the figures that the roofline needs; counts are of weights, `weight_bytes` without norms."""

    format: str
    path: Path
    weight_bytes: int
    head_weights: int
    block_weights: int
    blocks: int
    attention_width: int
    key_width: int


def demo_model() -> Path:
    """The GGUF file of the demo page. Raises `console.Failure` if the site has none."""
    models = sorted((paths.SITE / "models").rglob("*.gguf"))
    if not models:
        raise console.Failure(
            "the site has no language model; build without LOOM_MODEL=none, or use --only with a training case."
        )
    return models[0]


def provide(source: Path, format: str) -> Path:
    """`source` itself for its own format, else the copy in the cache, written if it is missing."""
    if format == "q4_1":
        return source
    if format in SHAPES:
        return random_models.provide(format, source)
    target = paths.cache("bench", f"{source.stem.rsplit('.', 1)[0]}.{format}.gguf")
    if not target.is_file():
        console.detail(f"{target.name}: the weights of {source.name} as {format}")
        with files.replacing(target) as part:
            _convert(source, part, format)
    return target


def _convert(source: Path, target: Path, format: str) -> None:
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, quants

    reader = GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = GGUFWriter(target, architecture)
    writer.add_file_type(LlamaFileType[FILE_TYPES[format]])
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in KEPT:
            continue
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    storage = GGMLQuantizationType[format.upper()]
    for tensor in reader.tensors:
        values = quants.dequantize(tensor.data, tensor.tensor_type)
        if values.ndim > 1:
            # The head stays at 8 bits if it has 8 in the source, as in llama.cpp.
            wide = tensor.name == "token_embd.weight" and format == "q4_0"
            kind = GGMLQuantizationType.Q8_0 if wide else storage
            writer.add_tensor(tensor.name, quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(tensor.name, values, raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def describe(path: Path, format: str) -> ModelFile:
    """The figures of a file, from its header."""
    from gguf import GGUFReader

    reader = GGUFReader(path)

    architecture = reader.fields["general.architecture"].contents()

    def number(name: str) -> Any:
        return reader.fields[f"{architecture}.{name}"].contents()

    matrices = [t for t in reader.tensors if len(t.shape) > 1]
    head = sum(int(t.n_elements) for t in matrices if t.name == "token_embd.weight")
    heads, width = number("attention.head_count"), number("embedding_length")
    own = f"{architecture}.attention.key_length" in reader.fields
    size = number("attention.key_length") if own else width // heads
    return ModelFile(
        format=format,
        path=path,
        weight_bytes=sum(int(t.n_bytes) for t in matrices),
        head_weights=head,
        block_weights=sum(int(t.n_elements) for t in matrices) - head,
        blocks=number("block_count"),
        attention_width=size * heads,
        key_width=size * number("attention.head_count_kv"),
    )

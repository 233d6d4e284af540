"""Models of well-known shapes with random weights in Q4_0 and the demo's tokenizer, for the speed of larger ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools import console, files, paths

SEED = 1
KEPT = "tokenizer."
"""Beginning of the metadata that the demo's file gives."""
BLOCK, BLOCK_BYTES = 32, 18
ROWS = 4096
"""Rows of random blocks that are made at once."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder with a tied head; `norms`: whether each head of queries and keys has a norm."""

    architecture: str
    vocab: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    inner: int
    theta: float
    eps: float
    norms: bool


SHAPES = {
    "qwen3-0.6b": Shape("qwen3", 151_936, 1024, 28, 16, 8, 128, 3072, 1e6, 1e-6, norms=True),
    "llama-3.2-1b": Shape("llama", 128_256, 2048, 16, 32, 8, 64, 8192, 5e5, 1e-5, norms=False),
}


def provide(key: str, demo: Path) -> Path:
    """The GGUF file of a shape in the cache, written if it is missing."""
    target = paths.cache("bench", f"random-{key}.gguf")
    if not target.is_file():
        console.detail(f"{target.name}: random weights, the tokenizer of {demo.name}")
        with files.replacing(target) as part:
            _write(part, SHAPES[key], demo)
    return target


def _write(target: Path, s: Shape, demo: Path) -> None:
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, TokenType

    writer = GGUFWriter(target, s.architecture)
    writer.add_file_type(LlamaFileType.MOSTLY_Q4_0)
    for name, field in GGUFReader(demo).fields.items():
        if not name.startswith(KEPT):
            continue
        inner = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
        values = field.contents()
        if name == "tokenizer.ggml.tokens":
            values = [*values, *(f"<unused {i}>" for i in range(len(values), s.vocab))]
        elif name == "tokenizer.ggml.token_type":
            values = [*values, *[int(TokenType.UNUSED)] * (s.vocab - len(values))]
        writer.add_key_value(name, values, field.types[0], sub_type=inner)
    writer.add_context_length(8192)
    writer.add_embedding_length(s.width)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.inner)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.kv_heads)
    writer.add_key_length(s.head)
    writer.add_value_length(s.head)
    writer.add_rope_dimension_count(s.head)
    writer.add_rope_freq_base(s.theta)
    writer.add_layer_norm_rms_eps(s.eps)
    rng = np.random.default_rng(SEED)

    def matrix(name: str, rows: int, columns: int) -> None:
        kind = GGMLQuantizationType.Q4_0
        writer.add_tensor(f"{name}.weight", _blocks(rng, rows, columns), raw_dtype=kind)

    def norm(name: str, size: int) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(size, np.float32))

    matrix("token_embd", s.vocab, s.width)
    for i in range(s.layers):
        block = f"blk.{i}"
        for name in ("attn_norm", "ffn_norm"):
            norm(f"{block}.{name}", s.width)
        for name in ("attn_q_norm", "attn_k_norm") if s.norms else ():
            norm(f"{block}.{name}", s.head)
        matrix(f"{block}.attn_q", s.heads * s.head, s.width)
        matrix(f"{block}.attn_k", s.kv_heads * s.head, s.width)
        matrix(f"{block}.attn_v", s.kv_heads * s.head, s.width)
        matrix(f"{block}.attn_output", s.width, s.heads * s.head)
        matrix(f"{block}.ffn_gate", s.inner, s.width)
        matrix(f"{block}.ffn_up", s.inner, s.width)
        matrix(f"{block}.ffn_down", s.width, s.inner)
    norm("output_norm", s.width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _blocks(rng: np.random.Generator, rows: int, columns: int) -> NDArray[Any]:
    """(rows, bytes): blocks of Q4_0 whose values have about the variance 1 / columns."""
    out = np.empty((rows, columns // BLOCK, BLOCK_BYTES), np.uint8)
    for start in range(0, rows, ROWS):
        part = out[start : start + ROWS]
        scale = rng.uniform(0.8, 1.2, (*part.shape[:2], 1)) / (4.6 * columns**0.5)  # 4.6: of a nibble less 8
        part[..., :2] = scale.astype(np.float16).view(np.uint8)
        part[..., 2:] = rng.integers(0, 256, (*part.shape[:2], BLOCK_BYTES - 2), dtype=np.uint8)
    return out.reshape(rows, -1)

"""A whole Llama GGUF in a few kilobytes, written by the `gguf` package as llama.cpp's converter writes one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray

from loom_py.text.byte_level import to_byte_characters
from tests.models.chain import Chain

HIDDEN, MIDDLE, HEADS, KV_HEADS, HEAD_DIM, LAYERS = 64, 96, 4, 2, 16, 2
MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d", "Ġwor ld"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


@dataclass(frozen=True)
class TinyGGUF:
    """The file, and the expected float32 values by Hugging Face name."""

    path: Path
    weights: dict[str, NDArray[np.float32]]
    tokens: list[str]


def permute(weight: NDArray[Any], heads: int) -> NDArray[Any]:
    """Hugging Face's query and key rows in GGUF's order: element i + D/2 of a head moves next to element i."""
    rows = weight.shape[0]
    order = [h * (rows // heads) + half * (rows // heads // 2) + i
             for h in range(heads) for i in range(rows // heads // 2) for half in (0, 1)]  # fmt: skip
    return weight[order]


def write_tiny_gguf(path: Path, *, kind: str = "Q8_0", tied: bool = False, pre: str = "smollm", seed: int = 0,
                    **metadata: Any) -> TinyGGUF:  # fmt: skip
    """Writes the file.

    - `metadata`: `theta`, `add_bos`, `template`, `extra` (tensors), `specials` (more control tokens), `follows` (which
      token the model draws behind which, see `Chain`), and `fields` (metadata by key, the last word on each).
    """
    rng = np.random.default_rng(seed)
    specials = [*SPECIALS, *metadata.get("specials", ())]
    tokens = [*specials, *to_byte_characters("".join(map(chr, range(128)))), *_high_bytes()]
    tokens += [merge.replace(" ", "") for merge in MERGES]
    weights: dict[str, NDArray[np.float32]] = {}
    follows = metadata.get("follows")
    chain = None if follows is None else Chain({tokens.index(a): tokens.index(b) for a, b in follows.items()})
    writer = gguf.GGUFWriter(path, "llama", split_max_tensors=metadata.get("tensors_a_part", 0))
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(MIDDLE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(metadata.get("theta", 10000.0))
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL] * len(specials) + [gguf.TokenType.NORMAL] * (len(tokens) - len(specials))
    )
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    if metadata.get("add_bos"):
        writer.add_add_bos_token(True)
    writer.add_chat_template(metadata.get("template", TEMPLATE))
    kinds = {bool: "BOOL", int: "INT64", float: "FLOAT32", str: "STRING", list: "ARRAY"}
    for key, value in metadata.get("fields", {}).items():
        writer.kv_data[0].pop(key, None)
        writer.add_key_value(key, value, gguf.GGUFValueType[kinds[type(value)]])

    def add(ours: str, theirs: str, shape: tuple[int, ...], heads: int = 0) -> None:
        value = rng.normal(0, 0.5, shape).astype(np.float32)
        value = value if chain is None else chain.weight(ours, value)
        qtype = gguf.GGMLQuantizationType[kind if len(shape) == 2 else "F32"]
        stored = quantize(value, qtype)
        weights[ours] = dequantize(stored, qtype)
        writer.add_tensor(theirs, permute(stored, heads) if heads else stored, raw_dtype=qtype)

    add("model.embed_tokens.weight", "token_embd.weight", (len(tokens), HIDDEN))
    for i in range(LAYERS):
        ours, theirs = f"model.layers.{i}", f"blk.{i}"
        add(f"{ours}.input_layernorm.weight", f"{theirs}.attn_norm.weight", (HIDDEN,))
        add(f"{ours}.self_attn.q_proj.weight", f"{theirs}.attn_q.weight", (HEADS * HEAD_DIM, HIDDEN), HEADS)
        add(f"{ours}.self_attn.k_proj.weight", f"{theirs}.attn_k.weight", (KV_HEADS * HEAD_DIM, HIDDEN), KV_HEADS)
        add(f"{ours}.self_attn.v_proj.weight", f"{theirs}.attn_v.weight", (KV_HEADS * HEAD_DIM, HIDDEN))
        add(f"{ours}.self_attn.o_proj.weight", f"{theirs}.attn_output.weight", (HIDDEN, HEADS * HEAD_DIM))
        add(f"{ours}.post_attention_layernorm.weight", f"{theirs}.ffn_norm.weight", (HIDDEN,))
        add(f"{ours}.mlp.gate_proj.weight", f"{theirs}.ffn_gate.weight", (MIDDLE, HIDDEN))
        add(f"{ours}.mlp.up_proj.weight", f"{theirs}.ffn_up.weight", (MIDDLE, HIDDEN))
        add(f"{ours}.mlp.down_proj.weight", f"{theirs}.ffn_down.weight", (HIDDEN, MIDDLE))
    add("model.norm.weight", "output_norm.weight", (HIDDEN,))
    if not tied:
        add("lm_head.weight", "output.weight", (len(tokens), HIDDEN))
    for name, value in metadata.get("extra", {}).items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return TinyGGUF(path, weights, tokens)


def _high_bytes() -> list[str]:
    """The characters that represent bytes 128 … 255."""
    printable = [*range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable and not 33 <= b <= 126]
    return [chr(b) for b in printable] + [chr(256 + i) for i, b in enumerate(others) if b >= 128]

"""Llama-family models in GGUF, in Hugging Face terms: tensor names, order of query and key rows, configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..formats.checkpoint import Checkpoint
from ..schema.file_fields import Fields

_OUTER = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
_BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_OUTER_BACK = {value: key for key, value in _OUTER.items()}
_BLOCK_BACK = {value: key for key, value in _BLOCK.items()}
ROPE_FREQUENCIES = "rope_freqs.weight"

Scalar = TypeVar("Scalar", bound=np.generic)


def gguf_name(name: str) -> str:
    """`model.layers.3.self_attn.q_proj.weight` → `blk.3.attn_q.weight`. Raises `InputError` for an unknown name."""
    stem, _, kind = name.rpartition(".")
    if stem in _OUTER:
        return f"{_OUTER[stem]}.{kind}"
    match = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", stem)
    if match is None or match[2] not in _BLOCK:
        raise InputError("is not a weight of a Llama-family model", where=name)
    return f"blk.{match[1]}.{_BLOCK[match[2]]}.{kind}"


def hugging_face_name(name: str) -> str | None:
    """The reverse of `gguf_name`; `None` for a tensor that is no weight, such as `rope_freqs.weight`."""
    stem, _, kind = name.rpartition(".")
    if kind not in ("weight", "bias"):
        return None
    if stem in _OUTER_BACK:
        return f"{_OUTER_BACK[stem]}.{kind}"
    match = re.fullmatch(r"blk\.(\d+)\.(.+)", stem)
    if match is None or match[2] not in _BLOCK_BACK:
        return None
    return f"model.layers.{match[1]}.{_BLOCK_BACK[match[2]]}.{kind}"


def unpermute_rope_rows(rows: NDArray[Scalar], heads: int) -> NDArray[Scalar]:
    """Query or key rows from GGUF's order to Hugging Face's.

    Rotary embeddings turn pairs of elements of a head. GGUF lays the two of a pair side by side (2i, 2i+1), Hugging
    Face half a head apart (i, i + D/2). Only whole rows move, so that numbers and raw blocks are treated alike.

    **Arguments:**

    - `rows`: (heads · D, …): weights (out, in), a bias (out,), or the stored bytes of rows (`Checkpoint.raw_rows`).
    - `heads`: query heads for `q_proj`, key/value heads for `k_proj`.

    **Returns:** a new array of the same shape. Raises `InputError` when the rows do not divide into heads of even size.
    """
    if heads < 1 or rows.ndim < 1 or rows.shape[0] % (2 * heads):
        raise InputError(f"rows of shape {rows.shape} do not divide into {heads} heads of even size", where="rows")
    paired = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return np.ascontiguousarray(paired.swapaxes(1, 2)).reshape(rows.shape)


def config_from_gguf(metadata: Mapping[str, Any], checkpoint: Checkpoint | None = None) -> dict[str, Any]:
    """The `config.json` of the model in a GGUF file, as transformers would have written it.

    **Arguments:**

    - `metadata`: the file's metadata.
    - `checkpoint`: the file itself, which alone says whether the head is tied (no `output.weight`), whether there are
      biases, and Llama 3.1's rotary frequencies; without it: tied, none, none.

    Raises `ModelError` for another architecture or a mixture of experts, `FormatError` for a missing or wrong key.
    """
    where = checkpoint.name if checkpoint is not None else "GGUF metadata"
    fields = Fields(metadata, where)
    arch = fields.text("general.architecture")
    if arch != "llama":
        raise ModelError(
            f"the architecture {arch[:60]!r} is not supported",
            where=f"{where} at general.architecture",
            remedy="Use a GGUF file of a Llama-family model.",
        )
    if fields.integer("llama.expert_count", 0):
        raise ModelError("mixtures of experts are not supported", where=f"{where} at llama.expert_count")
    hidden = fields.integer("llama.embedding_length", low=1)
    heads = _per_layer(fields, "llama.attention.head_count")
    kv_heads = _per_layer(fields, "llama.attention.head_count_kv", heads)
    head_dim = fields.integer("llama.attention.key_length", hidden // heads, low=1)
    if fields.integer("llama.attention.value_length", head_dim, low=1) != head_dim:
        raise ModelError("values of another size than keys are not supported", where=f"{where} at llama.attention")
    if fields.integer("llama.rope.dimension_count", head_dim, low=1) != head_dim:
        raise ModelError(
            "rotary embeddings over part of a head are not supported", where=f"{where} at llama.rope.dimension_count"
        )
    context = fields.integer("llama.context_length", 2048, low=1)
    names = set(checkpoint.names()) if checkpoint is not None else set()
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "vocab_size": _vocab_size(fields),
        "hidden_size": hidden,
        "intermediate_size": _per_layer(fields, "llama.feed_forward_length"),
        "num_hidden_layers": fields.integer("llama.block_count", low=1),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "max_position_embeddings": context,
        "rms_norm_eps": _decimal(fields.number("llama.attention.layer_norm_rms_epsilon", 1e-6, high=1.0)),
        "rope_theta": _decimal(fields.number("llama.rope.freq_base", 10000.0, high=1e12)),
        "rope_scaling": _rope_scaling(fields, checkpoint, context, head_dim),
        "tie_word_embeddings": "output.weight" not in names,
        "attention_bias": "blk.0.attn_q.bias" in names,
        "mlp_bias": "blk.0.ffn_up.bias" in names,
        "bos_token_id": fields.integer("tokenizer.ggml.bos_token_id", None),
        "eos_token_id": fields.integer("tokenizer.ggml.eos_token_id", None),
    }
    if fields.has("tokenizer.ggml.padding_token_id"):
        config["pad_token_id"] = fields.integer("tokenizer.ggml.padding_token_id")
    return config


def _per_layer(fields: Fields, key: str, default: int | None = None) -> int:
    """A number that some files give once a layer; layers that differ are not supported."""
    value = fields.mapping.get(key)
    if isinstance(value, list):
        if not value or any(item != value[0] for item in value):
            raise ModelError("layers of different shapes are not supported", where=f"{fields.where} at {key}")
        fields = Fields({key: value[0]}, fields.where)
    return fields.integer(key, low=1) if default is None else fields.integer(key, default, low=1)


def _vocab_size(fields: Fields) -> int:
    tokens = fields.array("tokenizer.ggml.tokens", None)
    if tokens is None:
        return fields.integer("llama.vocab_size", low=1)
    return fields.integer("llama.vocab_size", len(tokens), low=1)


def _decimal(value: float) -> float:
    """The shortest decimal with the same float32: 9.99999974e-06 is 1e-05 as its author wrote it."""
    return float(str(np.float32(value)))


def _rope_scaling(fields: Fields, checkpoint: Checkpoint | None, context: int, head_dim: int) -> dict[str, Any] | None:
    kind = fields.text("llama.rope.scaling.type", "none")
    if kind == "linear":
        return {"rope_type": "linear", "factor": _decimal(fields.number("llama.rope.scaling.factor", high=1e6))}
    if kind != "none":
        raise ModelError(
            f"the rotary scaling {kind[:60]!r} is not supported", where=f"{fields.where} at llama.rope.scaling.type"
        )
    if checkpoint is None or ROPE_FREQUENCIES not in checkpoint:
        return None
    divisors = checkpoint.load(ROPE_FREQUENCIES)
    theta = _decimal(fields.number("llama.rope.freq_base", 10000.0, high=1e12))
    scaling = {
        "rope_type": "llama3",
        "factor": _decimal(divisors.max(initial=1.0)),
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    expected = _llama3_divisors(theta, head_dim, scaling)
    if divisors.shape != expected.shape or not np.allclose(divisors, expected, rtol=1e-4):
        raise ModelError(
            "the rotary frequencies are scaled in a way that is not Llama 3.1's",
            where=checkpoint.info(ROPE_FREQUENCIES).where,
        )
    return None if scaling["factor"] == 1.0 else scaling


def _llama3_divisors(theta: float, head_dim: int, scaling: Mapping[str, Any]) -> NDArray[np.float64]:
    """What Llama 3.1 divides each rotary frequency by: 1 for short wavelengths, `factor` for long ones."""
    wavelength = 2 * math.pi * theta ** (np.arange(0, head_dim, 2) / head_dim)
    turns = scaling["original_max_position_embeddings"] / wavelength
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    keep = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return 1 / (keep + (1 - keep) / scaling["factor"])

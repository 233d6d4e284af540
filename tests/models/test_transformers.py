"""Every family against transformers in torch, where these are installed: two random configurations each."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.formats.safetensors import SafetensorsFile
from loom_py.formats.source import FileSource
from loom_py.models.registry import families, read_decoder_file

from .families import SHAPE, on_numpy

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WIDE = {"hidden_size": 64}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 5000.0}
LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 5000.0,
    "original_max_position_embeddings": 16,
    "short_factor": [1.0, 1.5, 2.0],
    "long_factor": [1.5, 4.0, 9.0],
}
DYNAMIC = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 5000.0}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "llama": ({}, {"tie_word_embeddings": True, "attention_bias": True, "rope_parameters": YARN}),
    "mistral": ({"sliding_window": 5}, {"sliding_window": None, "head_dim": 8}),
    "qwen2": ({}, {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1}),
    "qwen3": ({"head_dim": 16}, {"attention_bias": True, "head_dim": 8, "rope_parameters": YARN}),
    "smollm3": ({}, {"no_rope_layer_interval": 2, "tie_word_embeddings": False}),
    "phi3": (
        {"sliding_window": 7, "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
        {"original_max_position_embeddings": 16, "rope_parameters": LONGROPE | {"partial_rotary_factor": 0.5}},
    ),
    "gemma": ({"head_dim": 16}, {"head_dim": 12, "num_key_value_heads": 1}),
    "gemma2": (
        {"head_dim": 16, "sliding_window": 6},
        {"head_dim": 16, "query_pre_attn_scalar": 40, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    ),
    "gemma3_text": (
        {"head_dim": 16, "sliding_window": 6},
        {"head_dim": 16, "query_pre_attn_scalar": 40, "sliding_window": 4, "sliding_window_pattern": 3}
        | {"final_logit_softcapping": 3.0},
    ),
    "olmo2": ({}, {"tie_word_embeddings": True, "num_key_value_heads": 4}),
    "olmo3": ({"sliding_window": 6}, {"sliding_window": 5, "rope_parameters": YARN}),
    "granite": (
        {},
        {"embedding_multiplier": 3.0, "attention_multiplier": 0.5, "residual_multiplier": 0.3, "logits_scaling": 2.0},
    ),
    "starcoder2": ({}, {"use_bias": False, "sliding_window": 6, "tie_word_embeddings": False}),
    "stablelm": (
        WIDE | {"qk_layernorm": True},
        WIDE | {"use_qkv_bias": True, "use_parallel_residual": True, "tie_word_embeddings": True},
    ),
    "phi": (WIDE, WIDE | {"num_key_value_heads": 1, "partial_rotary_factor": 0.25, "qk_layernorm": True}),
    "helium": ({"head_dim": 12}, {"head_dim": 12, "attention_bias": True, "mlp_bias": True}),
    "ernie4_5": ({"head_dim": 12}, {"head_dim": 16, "use_bias": True, "rope_parameters": DYNAMIC}),
    "nanochat": ({}, {"attention_bias": True, "final_logit_softcapping": 3.0, "rope_parameters": YARN}),
    "lfm2": (
        {"full_attn_idxs": [1]},
        {"layer_types": ["conv", "full_attention", "conv"], "conv_bias": True, "conv_L_cache": 4}
        | {"block_auto_adjust_ff_dim": False, "block_ff_dim": 40, "tie_embedding": False},
    ),
    "mixtral": ({}, {"num_local_experts": 5, "num_experts_per_tok": 3, "sliding_window": 6}),
    "qwen3_moe": (
        {"head_dim": 16, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
        {"head_dim": 8, "num_experts": 6, "num_experts_per_tok": 6, "moe_intermediate_size": 40, "norm_topk_prob": True}
        | {"mlp_only_layers": [0], "decoder_sparse_step": 2},
    ),
    "olmoe": (
        {"num_experts": 8, "num_experts_per_tok": 3},
        {"num_experts": 4, "num_experts_per_tok": 1, "norm_topk_prob": True, "clip_qkv": 0.7},
    ),
    "gpt2": (
        {"n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 64},
        {"n_embd": 40, "n_layer": 2, "n_head": 2, "n_positions": 64, "n_inner": 56, "activation_function": "relu"}
        | {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True},
    ),
    "gpt_neox": (
        WIDE | {"rotary_emb_base": 500},
        WIDE | {"use_parallel_residual": False, "attention_bias": False, "tie_word_embeddings": True},
    ),
}
"""Changes of `SHAPE` by family, twice."""


def test_every_family_is_compared() -> None:
    assert sorted(CASES) == sorted(name for family in families() if family.decoder for name in family.model_types)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("family", CASES)
def test_logits(family: str, number: int, tmp_path: Path) -> None:
    shape = {key: SHAPE[key] for key in ("vocab_size", "bos_token_id", "eos_token_id")} if family == "gpt2" else SHAPE
    torch.manual_seed(number)
    changes = deepcopy(CASES[family][number])  # transformers writes into what it is given
    config = transformers.AutoConfig.for_model(family, **{**shape, **changes})
    config._attn_implementation = "eager"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim > 1 else 0.5)
        model.save_pretrained(tmp_path)
    decoder = read_decoder_file(FileSource(tmp_path / "config.json"))
    ours = on_numpy(decoder, SafetensorsFile(FileSource(tmp_path / "model.safetensors")), "hugging_face")
    for length in (9, 23):  # within the original context of the cases above, and beyond it
        ids = torch.randint(3, 90, (1, length))
        with torch.no_grad():
            expected = model(ids).logits[0].numpy()
        logits = ours.forward(ids[0].numpy(), ours.new_cache(), every=True)
        assert np.linalg.norm(logits - expected) < 2e-4 * np.linalg.norm(expected)

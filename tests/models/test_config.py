"""config.json: defaults, both generations of transformers' layout, and refusals with their JSON path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loom_py.errors import FormatError, LoomError, ModelError
from loom_py.formats.source import BytesSource
from loom_py.models.llama import LlamaConfig
from loom_py.models.registry import gguf_config, read_decoder, read_decoder_file
from loom_py.models.rope import RopeScaling
from loom_py.schema.fields import FILE, Fields

LONGROPE = {
    "type": "su",
    "original_max_position_embeddings": 128,
    "short_factor": [1] * 8,
    "long_factor": [2] * 8,
}
BASE = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
SMOLLM2 = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536, "is_llama_config": True, "max_position_embeddings": 8192, "mlp_bias": False,
    "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
    "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": False, "rope_scaling": None,
    "rope_theta": 100000, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True,
    "vocab_size": 49152,
}  # fmt: skip


def llama(config: Any) -> LlamaConfig:
    return LlamaConfig.read(Fields(config, file="config.json", rules=FILE))


def test_smollm2() -> None:
    config = llama(SMOLLM2)
    assert (config.head_dim, config.rope_theta, config.rms_norm_eps) == (64, 100000.0, 1e-5)
    assert (config.bos_token_id, config.eos_token_ids, config.tie_word_embeddings) == (1, (2,), True)


def test_defaults_are_those_of_transformers() -> None:
    config = llama(BASE | {"something_new": {"x": 1}})
    assert config.num_key_value_heads == 4
    assert config.head_dim == 16
    assert (config.rope_theta, config.rms_norm_eps, config.max_position_embeddings) == (10000.0, 1e-6, 2048)
    assert (config.tie_word_embeddings, config.attention_bias, config.mlp_bias) == (False, False, False)
    assert (config.bos_token_id, config.eos_token_ids, config.rope_scaling) == (None, (), None)


@pytest.mark.parametrize(
    ("fields", "theta", "scaling"),
    [
        ({"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", **LLAMA3}}, 5e5, RopeScaling("llama3", 8.0)),
        ({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}, 5e5, None),
        ({"rope_parameters": {"rope_theta": 3e5, "rope_type": "llama3", **LLAMA3}}, 3e5, RopeScaling("llama3", 8.0)),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, 1e4, RopeScaling("linear", 2.0)),
        ({"rope_scaling": {"type": "dynamic", "factor": 2}}, 1e4, None),
        (
            {"rope_scaling": LONGROPE},
            1e4,
            RopeScaling(
                "longrope",
                16.0,
                original_max_position_embeddings=128,
                attention_factor=(1 + 4 / 7) ** 0.5,
                short_factor=(1.0,) * 8,
                long_factor=(2.0,) * 8,
            ),
        ),
    ],
)
def test_rope(fields: dict[str, Any], theta: float, scaling: RopeScaling | None) -> None:
    config = llama(BASE | fields)
    assert (config.rope_theta, config.rope_scaling) == (theta, scaling)
    if scaling is not None:
        assert llama(BASE | {"rope_theta": theta, "rope_scaling": scaling.to_json()}) == config


def test_from_a_file() -> None:
    source = BytesSource(json.dumps(SMOLLM2 | {"eos_token_id": [2, 0]}).encode(), "config.json")
    facts = read_decoder_file(source).facts
    assert (facts.model_type, facts.hidden_size, facts.num_hidden_layers) == ("llama", 576, 30)
    assert (facts.bos_token_id, facts.eos_token_ids) == (1, (2, 0))


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_families_by_their_name(name: str) -> None:
    assert read_decoder(BASE | {"model_type": name}).facts.model_type == name


@pytest.mark.parametrize("name", ["no-such", "blocks", "../llama", "os", "Llama"])
def test_an_unknown_family_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ModelError, match=r"config\.json at model_type: .*Supported are .*llama, mistral, "):
        read_decoder(BASE | {"model_type": name})
    with pytest.raises(ModelError, match=r"at general\.architecture: .*Supported are .*llama, "):
        gguf_config({"general.architecture": name})


BAD: list[tuple[dict[str, Any], str, type[LoomError]]] = [
    ({"hidden_size": None}, "hidden_size", FormatError),
    ({"hidden_size": "64"}, "hidden_size", FormatError),
    ({"hidden_size": 64.0}, "hidden_size", FormatError),
    ({"hidden_size": True}, "hidden_size", FormatError),
    ({"hidden_size": 0}, "hidden_size", FormatError),
    ({"hidden_size": 10**30}, "hidden_size", FormatError),
    ({"hidden_size": 66}, "hidden_size", FormatError),
    ({"vocab_size": -1}, "vocab_size", FormatError),
    ({"num_hidden_layers": 10**6}, "num_hidden_layers", FormatError),
    ({"num_key_value_heads": 3}, "num_key_value_heads", FormatError),
    ({"num_key_value_heads": 8}, "num_key_value_heads", FormatError),
    ({"head_dim": 15}, "head_dim", FormatError),
    ({"rms_norm_eps": 0}, "rms_norm_eps", FormatError),
    ({"rms_norm_eps": "1e-5"}, "rms_norm_eps", FormatError),
    ({"rope_theta": -1.0}, "rope_theta", FormatError),
    ({"tie_word_embeddings": 1}, "tie_word_embeddings", FormatError),
    ({"bos_token_id": 1.5}, "bos_token_id", FormatError),
    ({"eos_token_id": [1, "2"]}, "eos_token_id[1]", FormatError),
    ({"eos_token_id": [1, None]}, "eos_token_id[1]", FormatError),
    ({"rope_scaling": 3}, "rope_scaling", FormatError),
    ({"rope_scaling": {"rope_type": "llama3"}}, "rope_scaling.factor", FormatError),
    ({"rope_scaling": {"rope_type": "llama3", **LLAMA3, "high_freq_factor": 1}}, "high_freq_factor", FormatError),
    ({"rope_parameters": {"rope_theta": "x"}}, "rope_parameters.rope_theta", FormatError),
    ({"rope_scaling": {"type": "longrope", "factor": 2}}, "rope_scaling.short_factor", FormatError),
    ({"rope_scaling": LONGROPE | {"short_factor": [1, 2]}}, "rope_scaling", FormatError),
    ({"rope_scaling": LONGROPE | {"long_factor": [1, 0] * 4}}, "rope_scaling.long_factor[1]", FormatError),
    ({"rope_scaling": {"type": "ntk"}}, "rope_scaling.type", ModelError),
    ({"rope_scaling": {"rope_type": "yarn"}}, "rope_scaling.factor", FormatError),
    ({"model_type": "gpt3"}, "model_type", ModelError),
    ({"model_type": 7}, "model_type", FormatError),
    ({"hidden_act": "quick_gelu"}, "hidden_act", ModelError),
    ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config", ModelError),
    ({"partial_rotary_factor": 0.01}, "partial_rotary_factor", ModelError),
    ({"partial_rotary_factor": 1.5}, "partial_rotary_factor", FormatError),
    ({"model_type": "mistral", "sliding_window": 0}, "sliding_window", FormatError),
    ({"model_type": "mistral", "sliding_window": 8, "layer_types": ["full_attention"]}, "layer_types", FormatError),
]


@pytest.mark.parametrize(("change", "path", "kind"), BAD)
def test_refused_with_its_path(change: dict[str, Any], path: str, kind: type[LoomError]) -> None:
    with pytest.raises(kind) as caught:
        read_decoder(BASE | change, "my/config.json")
    assert caught.value.where.startswith("my/config.json at ")
    assert path in caught.value.where


@pytest.mark.parametrize("value", [[], None, 3, "x"])
def test_not_an_object(value: Any) -> None:
    with pytest.raises(FormatError, match=r"config\.json at its root: expected an object"):
        read_decoder(value)


def test_missing_field() -> None:
    with pytest.raises(FormatError, match=r"config\.json at intermediate_size: missing: a whole number"):
        read_decoder({k: v for k, v in BASE.items() if k != "intermediate_size"})

"""Models as GGUF: what is written computes the same here, is what `gguf` reads, and has llama.cpp's names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from loom_py.errors import InputError, ModelError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.safetensors import SafetensorsFile
from loom_py.formats.source import FileSource
from loom_py.models.gguf_export import export_gguf
from loom_py.models.gguf_plan import plan_gguf
from loom_py.models.protocols import Decoder, Encoder
from loom_py.models.registry import Family, families, gguf_config, read_decoder, read_encoder, read_model
from loom_py.models.weights import CheckpointWeights, as_gguf

from .families import CASES, SHAPE, Case, on_numpy, open_gguf, random_weights
from .test_families import check

WITHOUT = {"smollm3": r"what it computes would differ"}
"""Cases whose configuration GGUF cannot hold: other layers without rotary embeddings than its readers assume."""
TINY = {**SHAPE, "hidden_size": 64, "query_pre_attn_scalar": 16, "full_attn_idxs": [1], "norm_topk_prob": True}
OWN: dict[str, dict[str, Any]] = {"olmoe": {"norm_topk_prob": False}}
WRITTEN = [family for family in families() if family.architectures or family.written_as]
KEYS = {
    re.sub(r"\{arch\}", "ARCH", key)
    for group in (gguf.Keys.General, gguf.Keys.LLM, gguf.Keys.Attention, gguf.Keys.Rope, gguf.Keys.Tokenizer,
                  gguf.Keys.Classifier, gguf.Keys.ShortConv)
    for key in vars(group).values()
    if isinstance(key, str)
}  # fmt: skip
"""All keys that llama.cpp's own writer knows."""


def export(case: Case, path: Path, **options: Any) -> Path:
    decoder = case.decoder()
    weights = CheckpointWeights(case.checkpoint(), decoder.weights(), "hugging_face")
    export_gguf(case.config, decoder, weights, path, {}, **options)
    return path


@pytest.mark.parametrize("name", [name for name in CASES if name not in WITHOUT])
def test_the_same_logits(name: str, tmp_path: Path) -> None:
    """As torch's, and bit for bit those of the checkpoint."""
    case = Case(name)
    written = on_numpy(*open_gguf(export(case, tmp_path / "m.gguf")), "gguf")
    check(case, written)
    original = on_numpy(case.decoder(), case.checkpoint(), "hugging_face")
    ids = np.array(case.ids[0])
    logits = [model.forward(ids, model.new_cache(), every=True) for model in (written, original)]
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", WITHOUT)
def test_what_gguf_cannot_hold(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=WITHOUT[name]):
        export(Case(name), tmp_path / "m.gguf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "q8_0", "q4_0", "q4_1"])
def test_types(dtype: Any, tmp_path: Path) -> None:
    """Vectors are float32; rows that are no whole blocks are float16 among quantised ones."""
    kinds = {"float16": "F16", "bfloat16": "BF16"}
    case = Case("llama-gqa")
    path = export(case, tmp_path / "m.gguf", dtype=dtype)
    wanted = kinds.get(dtype, dtype.upper())
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for tensor in tensors.values():
        whole = tensor.shape[0] % 32 == 0 or dtype in kinds
        expected = "F32" if len(tensor.shape) == 1 else wanted if whole else "F16"
        assert tensor.tensor_type.name == expected, tensor.name
    assert {tensor.tensor_type.name for tensor in tensors.values()} >= {wanted, "F32"}
    widened = gguf.dequantize(tensors["blk.0.attn_q.weight"].data, tensors["blk.0.attn_q.weight"].tensor_type)
    exact = GGUFFile(FileSource(export(case, tmp_path / "f32.gguf", dtype="float32"))).load("blk.0.attn_q.weight")
    error = np.linalg.norm(widened - exact) / np.linalg.norm(exact)
    assert error < {"float16": 1e-3, "bfloat16": 4e-3, "q8_0": 1e-2}.get(dtype, 0.12)


@pytest.mark.parametrize("family", WRITTEN, ids=lambda family: family.model_types[0])
def test_keys_and_tensors_are_those_of_gguf(family: Family) -> None:
    config = {**TINY, "model_type": family.model_types[0], **OWN.get(family.model_types[0], {})}
    plan = plan_gguf(config, read_model(config), lambda _: "F32", {})
    architecture = plan.metadata["general.architecture"]
    for key in plan.metadata:
        assert key.replace(f"{architecture}.", "ARCH.", 1) in KEYS
    number = next(a for a, word in gguf.MODEL_ARCH_NAMES.items() if word == architecture)
    stems = {gguf.TENSOR_NAMES[tensor].format(bid=i) for tensor in gguf.MODEL_TENSORS[number] for i in range(12)}
    assert {name.rpartition(".")[0] for name in plan.weights} <= stems


@pytest.mark.parametrize("family", WRITTEN, ids=lambda family: family.model_types[0])
def test_rows_find_their_way_back(family: Family) -> None:
    """The order of GGUF's rows, its axes, and the rows that it leaves out."""
    model = read_model({**TINY, "model_type": family.model_types[0]})
    for weight in model.weights():
        numbers = np.random.default_rng(1).normal(size=weight.shape).astype(np.float32)
        rows = as_gguf(weight, numbers).reshape(-1, *weight.shape[1:])
        back = rows if weight.gguf_order is None else weight.gguf_order(rows)
        np.testing.assert_array_equal(back, numbers[weight.gguf_first :])


VARIANTS: dict[str, dict[str, Any]] = {
    "linear": {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "llama3": {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": 8192}, "rope_theta": 500000.0},
    "yarn": {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}},
    "longrope": {"model_type": "phi3", "original_max_position_embeddings": 32,
                 "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
                                  "long_factor": [2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7]}},
    "tied": {"tie_word_embeddings": True},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "granite": {"model_type": "granite", "embedding_multiplier": 12.0, "attention_multiplier": 0.015625,
                "residual_multiplier": 0.22, "logits_scaling": 8.0},
    "stablelm": {"model_type": "stablelm", "qk_layernorm": True, "use_parallel_residual": True, "use_qkv_bias": True},
    "serial neox": {"model_type": "gpt_neox", "use_parallel_residual": False, "rotary_pct": 0.5},
    "windows": {"model_type": "gemma3_text", "sliding_window": 8, "sliding_window_pattern": 2, "head_dim": 16},
    "modern": {"model_type": "modernbert", "local_attention": 8, "global_attn_every_n_layers": 2},
    "labels": {"model_type": "bert", "architectures": ["BertForSequenceClassification"],
               "id2label": {"0": "bad", "1": "good", "2": "mixed"}},
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_variants(name: str, tmp_path: Path) -> None:
    """A model that is read from the file has the weights and the computation of the one that was written."""
    config = {**TINY, "model_type": "llama", **VARIANTS[name]}
    model = read_encoder(config, head="texts") if name == "labels" else read_model(config)
    plan = plan_gguf(config, model, lambda _: "F32", {})  # which compares what they compute
    file = plan.read_back("m.gguf")
    again = gguf_config(file.metadata, file)
    if name == "labels":
        assert [again["id2label"][str(i)] for i in range(3)] == ["bad", "good", "mixed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "helium"}, r"config\.json at model_type: GGUF has no place for the family 'helium'"),
        ({"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
         r"GGUF has no place for (use_sliding_window|sliding_window|max_window_layers)"),
        ({"model_type": "gemma2", "query_pre_attn_scalar": 99}, r"at query_pre_attn_scalar: GGUF has no place"),
        ({"model_type": "qwen3_moe", "norm_topk_prob": False}, r"at norm_topk_prob: GGUF has no place"),
        ({"model_type": "llama", "hidden_act": "gelu"}, r"at hidden_act: GGUF has no place for hidden_act: 'gelu'"),
        ({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True}, r"at scale_attn_by_inverse_layer_idx"),
        ({"model_type": "olmoe", "clip_qkv": 0.5, "norm_topk_prob": False}, r"at clip_qkv: GGUF has no place for"),
        ({"model_type": "modernbert", "architectures": ["ModernBertForMaskedLM"]}, "GGUF has no place for the weight"),
    ],
)  # fmt: skip
def test_refused_with_the_field(change: dict[str, Any], message: str) -> None:
    config = {**TINY, **change}
    model: Decoder | Encoder = (
        read_encoder(config, head="words") if "architectures" in change else read_model(config)
    )  # fmt: skip
    with pytest.raises(ModelError, match=message):
        plan_gguf(config, model, lambda _: "F32", {})


def test_a_file_is_complete_or_absent(tmp_path: Path) -> None:
    case, path = Case("qwen2"), tmp_path / "m.gguf"
    export(case, path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists"):
        export(case, path)

    def stop(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    for target in (path, tmp_path / "new.gguf"):
        with pytest.raises(KeyboardInterrupt):
            export(case, target, overwrite=True, progress=stop)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.gguf"]


def test_progress_and_size(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    path = export(Case("gpt2"), tmp_path / "m.gguf", progress=lambda done, total, _: steps.append((done, total)))
    assert steps[-1] == (path.stat().st_size, path.stat().st_size)
    assert sorted(steps) == steps


@pytest.mark.parametrize(("dtype", "number"), [("float16", 1e6), ("q4_1", 1e9)])
def test_numbers_too_large_for_a_type(dtype: Any, number: float, tmp_path: Path) -> None:
    config = {**TINY, "model_type": "llama", "vocab_size": 8}
    decoder = read_decoder(config)
    weights = random_weights(decoder)
    weights["model.embed_tokens.weight"][0, 0] = number
    save_file(weights, tmp_path / "model.safetensors")
    file = SafetensorsFile(FileSource(tmp_path / "model.safetensors"))
    stored = CheckpointWeights(file, decoder.weights(), "hugging_face")
    with pytest.raises(ModelError, match=r"model\.embed_tokens\.weight holds numbers (beyond|too large)"):
        export_gguf(config, decoder, stored, tmp_path / "m.gguf", {}, dtype=dtype)
    assert not (tmp_path / "m.gguf").exists()

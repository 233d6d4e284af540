"""Kinds guessed from names and shapes of real checkpoints, and no guess beyond what these show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py import build_network_from_json
from loom_py.analysis import CheckpointReport, LayerGuess
from loom_py.cli import main
from loom_py.formats.safetensors import SafetensorsFile
from loom_py.formats.safetensors_writer import write_safetensors
from loom_py.formats.source import BytesSource
from loom_py.models.inspect_checkpoint import inspect_checkpoint
from loom_py.network.bundle import dump_weights

from ..nn.examples import EXAMPLES, network_config


def report(shapes: dict[str, tuple[int, ...]]) -> CheckpointReport:
    data = write_safetensors({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    return inspect_checkpoint(SafetensorsFile(BytesSource(data, "x.safetensors")))


def guesses(shapes: dict[str, tuple[int, ...]]) -> dict[str, LayerGuess]:
    return {f"{layer.name}: {layer.kind}": layer for layer in report(shapes).layers}


def test_llama() -> None:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (100, 16)}
    for i in range(3):
        p = f"model.layers.{i}."
        shapes |= {f"{p}self_attn.{n}_proj.weight": (16, 16) for n in "qo"}
        shapes |= {f"{p}self_attn.{n}_proj.weight": (8, 16) for n in "kv"}
        shapes |= {f"{p}mlp.{n}_proj.weight": (40, 16) for n in ("gate", "up")}
        shapes |= {f"{p}mlp.down_proj.weight": (16, 40), f"{p}input_layernorm.weight": (16,)}
    shapes |= {"model.norm.weight": (16,), "lm_head.weight": (100, 16)}
    r = report(shapes)
    assert r.kinds == {"embedding": 1, "multi_head_attention": 3, "swiglu": 3, "rms_norm": 4, "dense": 1}
    assert r.blocks == {"model.layers": 3}
    assert r.parameters == sum(int(np.prod(s)) for s in shapes.values())
    layers = {layer.name: layer for layer in r.layers}
    attention = layers["model.layers.1.self_attn"]
    assert attention.confidence == "high"
    assert attention.details["queries_per_kv_head"] == 2
    assert attention.details["num_heads"] is None, "it does not follow from the shapes"
    assert layers["model.layers.0.mlp"].details == {"hidden": 16, "intermediate": 40}
    assert layers["lm_head"].kind == "dense"
    json.dumps(r.to_json(), allow_nan=False)


def test_gpt2_and_bert() -> None:
    gpt = guesses(
        {
            **{"wte.weight": (99, 16), "wpe.weight": (32, 16), "h.0.ln_1.weight": (16,), "h.0.ln_1.bias": (16,)},
            **{"h.0.attn.c_attn.weight": (16, 48), "h.0.attn.c_attn.bias": (48,)},
            **{"h.0.attn.c_proj.weight": (16, 16), "h.0.attn.c_proj.bias": (16,)},
            **{"h.0.mlp.c_fc.weight": (16, 64), "h.0.mlp.c_fc.bias": (64,)},
        }
    )
    assert list(gpt) == [
        *("wte: embedding", "wpe: embedding", "h.0.ln_1: layer_norm"),
        *("h.0.attn: multi_head_attention", "h.0.mlp.c_fc: dense"),
    ]
    assert gpt["h.0.mlp.c_fc: dense"].details == {"in": 16, "out": 64}
    assert gpt["h.0.attn: multi_head_attention"].details["d_model"] == 16
    p = "encoder.layer.0.attention."
    bert = guesses(
        {f"{p}self.{n}.weight": (8, 8) for n in ("query", "key", "value")} | {f"{p}output.dense.weight": (8, 8)}
    )
    assert list(bert) == [f"{p}self: multi_head_attention", f"{p}output.dense: dense"]
    assert bert[f"{p}self: multi_head_attention"].confidence == "medium"


def test_torch_modules() -> None:
    kinds = guesses(
        {
            **{"rnn.weight_ih_l0": (20, 3), "rnn.weight_hh_l0": (20, 5), "rnn.bias_ih_l0": (20,)},
            **{"rnn.weight_ih_l0_reverse": (20, 3), "rnn.weight_hh_l0_reverse": (20, 5)},
            **{"gru.weight_ih_l0": (15, 3), "gru.weight_hh_l0": (15, 5)},
            **{"cell.weight_ih": (5, 3), "cell.weight_hh": (5, 5)},
            **{"conv1.weight": (8, 3, 3, 3), "conv1.bias": (8,), "conv_t.weight": (4, 2, 5)},
            **{f"bn1.{n}": (8,) for n in ("weight", "bias", "running_mean", "running_var")},
            **{"mha.in_proj_weight": (24, 8), "mha.in_proj_bias": (24,), "mha.out_proj.weight": (8, 8)},
            **{"fc.weight": (2, 8), "fc.bias": (2,)},
        }
    )
    assert list(kinds) == [
        *("rnn.l0: lstm", "rnn.l0_reverse: lstm", "gru.l0: gru", "cell: rnn", "conv1: conv2d", "conv_t: conv1d"),
        *("bn1: batch_norm", "mha: multi_head_attention", "fc: dense"),
    ]
    assert kinds["rnn.l0: lstm"].details == {"input_size": 3, "hidden_size": 5}
    assert kinds["conv1: conv2d"].details == {"filters": 8, "channels": 3, "kernel_size": [3, 3]}


def test_shapes_alone_are_low_and_name_what_else_fits() -> None:
    kinds = guesses(
        {"a.weight": (100, 4), "b.weight": (4, 4), "c": (7,), "d": (), "e.weight": (3, 3, 3), "f.x": (2, 2, 2, 2, 2)}
    )
    expected = ["a: embedding", "b: dense", "c: rms_norm", "d: tensor", "e: conv1d", "f: tensor"]
    assert list(kinds) == expected
    assert {layer.confidence for layer in kinds.values()} == {"low"}
    assert kinds["a: embedding"].alternatives == ("dense",)
    assert "a bias" in kinds["c: rms_norm"].alternatives


def test_parts_that_do_not_fit_are_no_layer() -> None:
    kinds = guesses(
        {
            **{"x.q_proj.weight": (8, 8), "x.k_proj.weight": (3, 8), "x.v_proj.weight": (4, 8)},
            **{"y.gate_proj.weight": (9, 8), "y.up_proj.weight": (9, 8), "y.down_proj.weight": (8, 8)},
        }
    )
    assert {layer.kind for layer in kinds.values()} == {"dense"}
    assert len(kinds) == 6


LOOKS_LIKE = {"pointwise_dense": "dense"}
"""Kinds whose weights cannot be told from another's."""
OWN = [name for name in EXAMPLES if not name.startswith(("parallel", "sequential"))]


@pytest.mark.parametrize("name", OWN)
def test_our_own_weights(name: str) -> None:
    network = build_network_from_json(network_config(name), seed=1)
    data = dump_weights({"m": network})
    layers = inspect_checkpoint(SafetensorsFile(BytesSource(data))).layers
    pairs = zip(network.layers, network.params, strict=True)
    assert [layer.kind for layer in layers] == [LOOKS_LIKE.get(layer.kind, layer.kind) for layer, p in pairs if p]


WORDS = st.sampled_from(
    ["q_proj", "k_proj", "v_proj", "w1", "w2", "w3", "weight", "bias", "norm", "0", "layers", "gamma"]
)
NAMES = st.lists(WORDS, min_size=1, max_size=4).map(".".join)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, st.lists(st.integers(0, 4), max_size=5).map(tuple), max_size=12))
def test_every_tensor_is_in_one_layer(shapes: dict[str, tuple[int, ...]]) -> None:
    r = report(shapes)
    names = [name for layer in r.layers for name in layer.tensors]
    assert sorted(names) == sorted(shapes)
    assert sum(layer.parameters for layer in r.layers) == r.parameters
    json.dumps(r.to_json())


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(write_safetensors({"fc.weight": np.zeros((2, 3), np.float32), "fc.bias": np.zeros(2, np.float32)}))
    assert main(["inspect", str(path), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["kinds"] == {"dense": 1}
    assert record["layers"][0]["confidence"] == "high"
    assert main(["inspect", str(path)]) == 0
    assert "fc  dense  high" in capsys.readouterr().out

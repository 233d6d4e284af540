"""Checkpoints as networks of LOOM's layers: as torch, on every device, stepped, watched, trained, saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import safetensors.numpy

import loom_py
from loom_py.errors import InputError, ModelError
from loom_py.generation.loading import load_any_model
from loom_py.models.registry import read_encoder
from loom_py.network.from_checkpoint import network_from_checkpoint
from loom_py.observe.observers import CallbackObserver
from loom_py.runtime.choice import use_device

from ..cli.conftest import Run, run  # noqa: F401 (a fixture)
from ..models.families import Case

CASE = Case("gpt2")
BERT = CASE.folder.parent.parent / "encoders" / "bert"
EXPECTED = CASE.folder / "expected.json"


def cosine(a: Any, b: Any) -> float:
    a, b = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def inputs(ids: list[int]) -> Any:
    return np.array([ids], np.float32)


@pytest.mark.parametrize("device", ["numpy", "simd", "webgpu"])
def test_logits_are_torchs(device: str) -> None:
    network = network_from_checkpoint(CASE.folder, head=True)
    use_device(device)
    for ids, logits in zip(CASE.ids, CASE.logits, strict=True):
        y = network.forward(inputs(ids))
        assert np.linalg.norm(y.reshape(logits.shape) - logits) < 2e-4 * np.linalg.norm(logits)


def test_hidden_states_are_the_models() -> None:
    model, network = loom_py.load_model(CASE.folder), network_from_checkpoint(CASE.folder)
    for ids in CASE.ids:
        assert 1 - cosine(network.forward(inputs(ids)), model.hidden(ids)) < 1e-9


def test_from_gguf(tmp_path: Path) -> None:
    path = CASE.write_gguf(tmp_path / "m.gguf", gguf.GGMLQuantizationType.F32)
    network = network_from_checkpoint(path, head=True)
    assert 1 - cosine(network.forward(inputs(CASE.ids[0])), CASE.logits[0]) < 1e-9


def test_it_learns_and_is_saved(tmp_path: Path) -> None:
    """Towards hidden states of its own that are turned by a sign."""
    network = network_from_checkpoint(CASE.folder, model_id="gpt")
    x = inputs(CASE.ids[0])
    batch = [{"Input": x, "Target": -network.forward(x)}]
    result = network.train(batch, {"Epochs": 12, "LearningRate": 0.05})
    assert result.final_loss < 0.5 * result.loss_history[0]
    network.save_model(str(tmp_path / "g.json"), "gpt", "safetensors")
    again = loom_py.load_model(tmp_path / "g.json", "gpt")
    np.testing.assert_array_equal(again.forward(x), network.forward(x))


def test_samples_of_one_length_are_one_batch() -> None:
    network = network_from_checkpoint(CASE.folder)
    ids = [CASE.ids[0][:5], CASE.ids[1][:5]]
    both = network.forward(np.array(ids, np.float32))
    for row, one in zip(both, ids, strict=True):
        np.testing.assert_allclose(row, network.forward(inputs(one))[0], rtol=1e-4, atol=1e-5)


def test_bert(run: Run, tmp_path: Path) -> None:  # noqa: F811
    """Hidden states as torch's, by the command, too."""
    target = tmp_path / "bert.json"
    assert run("convert", BERT, target)[0] == 0
    for model in (BERT, target):
        status, out, _ = run("verify", model, BERT / "expected.json", "--json")
        assert status == 0
        assert min(row["cosine"] for row in json.loads(out)["prompts"]) > 0.9999999
    with pytest.raises(ModelError, match="the head of this family has no layers"):
        network_from_checkpoint(BERT, head=True)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "roberta", "max_position_embeddings": 34, "pad_token_id": 1},
        {"model_type": "distilbert", "dim": 32, "n_heads": 4, "n_layers": 2, "hidden_dim": 48},
    ],
    ids=lambda config: str(config["model_type"]),
)
def test_encoders_like_bert(config: dict[str, Any], tmp_path: Path) -> None:
    shape = json.loads((BERT / "config.json").read_text()) | {"architectures": []} | config
    (tmp_path / "config.json").write_text(json.dumps(shape))
    encoder, rng = read_encoder(shape), np.random.default_rng(1)
    numbers = {w.name: rng.normal(0, 0.3, w.shape).astype(np.float32) for w in encoder.weights()}
    safetensors.numpy.save_file(numbers, tmp_path / "model.safetensors")
    network, model = network_from_checkpoint(tmp_path), load_any_model(tmp_path)
    ids = [5, 9, 7, 30, 2]
    assert 1 - cosine(network.forward(inputs(ids)), model.hidden(ids)) < 1e-9


def test_it_is_stepped_and_watched() -> None:
    """After as many ticks as it has layers it has said what a pass says, and an observer has seen them all."""
    network = network_from_checkpoint(CASE.folder)
    x = np.array(CASE.ids[0], np.float32)
    state = network.init_step_state(len(x))
    state.set_input(x)
    for _ in network.layers:
        network.step_forward(state)
    np.testing.assert_allclose(state.get_output(), network.forward(x[None])[0], rtol=1e-4, atol=1e-5)
    kinds: list[str] = []
    network.add_observer(CallbackObserver(lambda event: kinds.append(event.place.kind)))
    network.forward(x[None])
    assert {"embedding", "position_embedding", "residual", "layer_norm"} < set(kinds)


def test_other_families_are_refused() -> None:
    with pytest.raises(ModelError, match="the family qwen2 is not made of LOOM's layers"):
        network_from_checkpoint(Case("qwen2").folder)


def test_too_many_positions() -> None:
    network = network_from_checkpoint(CASE.folder)
    with pytest.raises(InputError, match=r"input: \d+ positions are more than the \d+ that position_embedding has"):
        network.forward(inputs([1] * (CASE.config["n_positions"] + 1)))


def test_commands(run: Run, tmp_path: Path) -> None:  # noqa: F811
    """`convert` writes a network, `verify` says that it is the model."""
    target = tmp_path / "gpt.json"
    assert run("convert", CASE.folder, target, "--head")[0] == 0
    for model in (CASE.folder, target):
        report = json.loads(run("verify", model, EXPECTED, "--json")[1])
        assert report["passed"]
        assert min(row["cosine"] for row in report["prompts"]) > 0.99999
    assert "exists" in run("convert", CASE.folder, target)[2]
    reference = json.loads(EXPECTED.read_text())
    reference["logits"][1][0][0] += 5.0
    (tmp_path / "wrong.json").write_text(json.dumps(reference))
    status, out, _ = run("verify", target, tmp_path / "wrong.json")
    assert (status, "failed: below 0.99999" in out) == (1, True)

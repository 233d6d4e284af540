"""The examples run and reach the figures the documentation claims."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .report import row

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`run("name")` → the figures of an example's `main`."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def call(name: str, **arguments: Any) -> dict[str, Any]:
        sys.modules.pop(name, None)
        figures = importlib.import_module(name).main(**arguments)
        for key, value in figures.items():
            row("figures of the examples", f"{name:<26}{key.replace('_', ' ')}: {value}")
        return figures

    return call


def test_grid_scatter(run: Any) -> None:
    figures = run("grid_scatter", seeds=3)  # ten seeds run in tests/training
    assert figures["worst_final_loss"] < 0.002
    assert figures["seeds_with_4_of_4"] == "3 of 3"
    assert figures["worst_score"] == 100
    assert figures["reload_difference"] == 0


def test_dense_baseline(run: Any) -> None:
    figures = run("dense_baseline")
    assert figures["loss_reduction_percent"] >= 98.6
    assert figures["accuracy"] == 1


def test_six_layer_stack(run: Any) -> None:
    figures = run("six_layer_stack")
    assert figures["loss_reduction_percent"] >= 93.6
    assert figures["accuracy"] == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_layers_validation(run: Any, tmp_path: Path, seed: int) -> None:
    figures = run("all_layers_validation", seed=seed, folder=tmp_path)
    assert figures["layers"] == 16
    assert figures["loss_reduction_percent"] > 90
    assert figures["accuracy"] == 1
    assert figures["reload_difference"] == 0
    assert figures["parameters_that_did_not_move"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs.txt", "outputs.txt", "test.json"]
    layers = json.loads((tmp_path / "test.json").read_text(encoding="utf-8"))["models"][0]["cfg"]["layers"]
    assert len({layer["type"] for layer in layers} - {"softmax"}) == 6
    assert len({layer["softmax_variant"] for layer in layers if layer["type"] == "softmax"}) == 10


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hierarchical_rl(run: Any, seed: int) -> None:
    figures = run("hierarchical_rl", seed=seed)
    assert figures["share_of_best_reward_before"] < 0.6
    assert figures["share_of_best_reward"] > 0.9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_multi_scale(run: Any, seed: int) -> None:
    figures = run("multi_scale", seed=seed)
    assert figures["outputs_by_scale"] == [32, 6]
    assert figures["accuracy_on_fresh_signals"] > 0.98


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nested_grid_scatter(run: Any, seed: int) -> None:
    figures = run("nested_grid_scatter", seed=seed)
    assert figures["difference_to_separate_agents"] < 1e-6
    assert figures["loss_reduction_percent"] > 90
    assert figures["parameters_that_did_not_move"] == 0


def test_multi_agent_grid_scatter(run: Any) -> None:
    figures = run("multi_agent_grid_scatter")
    assert figures["accuracy"] == 1
    assert figures["loss_reduction_percent"] > 99


def test_moe_grid_softmax(run: Any) -> None:
    figures = run("moe_grid_softmax")
    assert figures["loss_reduction_percent"] >= 97.1
    assert figures["correct"] == "3 of 3"
    assert figures["output_difference_to_separate_experts"] < 1e-6
    assert figures["gradient_difference_to_separate_experts"] < 1e-6
    assert figures["gradient_difference_to_finite_differences"] < 1e-6


def test_mixture_of_experts(run: Any) -> None:
    figures = run("mixture_of_experts")
    assert figures["loss_reduction_percent"] > 99
    assert figures["every_gate_parameter_moved"]
    assert abs(figures["share_of_experts_on_the_left"][0] - figures["share_of_experts_on_the_right"][0]) > 0.9

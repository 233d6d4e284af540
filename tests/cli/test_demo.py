"""`demo`: the original's menu."""

from __future__ import annotations

import json

import pytest

from loom_py.cli.demo import DEMOS, LAYERS

from .conftest import Run


def test_the_list_has_the_originals_numbers(run: Run) -> None:
    status, out, _ = run("demo")
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()] == [[str(n), name] for name, (n, _) in DEMOS.items()]
    assert [record["number"] for record in json.loads(run("demo", "--json")[1])] == [9, 10, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("name", LAYERS)
def test_demos_of_layers_learn(run: Run, name: str) -> None:
    status, out, _ = run("demo", DEMOS[name][0], "--json", "--seed", 1)
    assert status == 0
    figures = json.loads(out)
    assert figures["loss"] < figures["loss_before"] / 4
    assert figures["accuracy"] > 0.9
    assert figures["layers"].endswith(" → dense")


def test_models_and_bundles_come_back(run: Run) -> None:
    figures = json.loads(run("demo", "serialization", "--json")[1])
    assert figures["outputs_equal"] is True
    assert figures["models_in_bundle"] == "dense, conv2d, attention, rnn, lstm"
    assert "outputs equal: True" in run("demo", 15)[1]


def test_the_benchmark_times_every_layer_on_every_device(run: Run) -> None:
    status, out, _ = run("demo", "benchmark", "--scale", 0.001, "--repeats", 1, "--json")
    assert status == 0
    timings = json.loads(out)["timings"]
    assert [t["layer"] for t in timings if t["device"] == "numpy"] == ["dense", "attention", "conv2d", "rnn", "lstm"]
    assert {t["device"] for t in timings} >= {"numpy", "simd"}
    for timing in timings:
        assert timing["reason"] or (timing["forward"] > 0 and timing["backward"] > 0)
        assert not (timing["device"] in ("numpy", "simd") and timing["reason"])
    text = run("demo", 14, "--scale", 0.001, "--repeats", 1, "--layers", "conv2d")[1]
    assert "conv2d: 32 images of 64 × 64" in text
    assert "× NumPy" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dens"], "there is no demo 'dens'. Did you mean 'dense'?"),
        (["16"], "there is no demo '16'"),
        (["14", "--layers", "dense,lsm"], "layers[1]: unknown layer 'lsm'"),
        (["14", "--scale", "0"], "scale"),
    ],
)
def test_wrong_choices(run: Run, arguments: list[str], message: str) -> None:
    status, _, error = run("demo", *arguments)
    assert status == 1
    assert message in error

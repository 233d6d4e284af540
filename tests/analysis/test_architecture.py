"""Random architectures: the documented distributions, networks that learn, files that round-trip."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from loom_py.analysis import (
    ArchConfig,
    ArchOptions,
    build_diverse_network,
    dump_configs,
    generate_configs,
    load_configs,
    load_configs_file,
    save_configs,
)
from loom_py.analysis.architecture import ACTIVATIONS, BRAINS, COMBINE_MODES, GRID_SHAPES
from loom_py.errors import ConfigError, FormatError, InputError
from loom_py.nn.activation import NAMES, resolve


def test_distributions() -> None:
    configs = generate_configs(4000, seed=1)
    o, n = ArchOptions(), len(configs)

    def close(counts: Counter, expected: dict, total: int) -> None:
        for key, p in expected.items():
            assert abs(counts[key] / total - p) < 5 * np.sqrt(p * (1 - p) / total), key

    brains = Counter(BRAINS[b] for c in configs for b in c.brains)
    close(brains, dict(zip(BRAINS, o.brains, strict=True)), sum(brains.values()))
    close(Counter(c.combine_mode for c in configs), dict(zip(COMBINE_MODES, o.combine_modes, strict=True)), n)
    close(Counter(c.activation for c in configs), dict.fromkeys(range(5), 0.2), n)
    close(Counter(c.d_model for c in configs), {64: 0.75, 32: 0.25}, n)
    close(Counter(c.num_heads for c in configs), {4: 0.5, 8: 0.5}, n)
    close(Counter(c.species for c in configs), dict.fromkeys(GRID_SHAPES, 1 / 9), n)
    logs = np.log10([c.learning_rate for c in configs])
    assert logs.min() >= -4
    assert logs.max() <= -2
    assert abs(logs.mean() + 3) < 0.05
    assert abs(np.mean([c.budget_scale for c in configs]) - 0.75) < 0.02
    assert all((c.grid_rows, c.grid_cols) == GRID_SHAPES[c.species] for c in configs)


def test_seeds() -> None:
    assert generate_configs(5, seed=3) == generate_configs(9, seed=3)[:5]
    assert generate_configs(5, seed=3) != generate_configs(5, seed=4)
    assert generate_configs(0) == []
    config = generate_configs(1, seed=3)[0]
    one, two, other = (build_diverse_network(config, 6, seed=s) for s in (1, 1, 2))
    x = np.ones((1, 6))
    np.testing.assert_array_equal(one.forward(x), two.forward(x))
    assert (one.forward(x) != other.forward(x)).any()


def test_activation_numbers_mean_what_the_names_say() -> None:
    names = {"ScaledReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus"}
    for i, name in enumerate(ACTIVATIONS):
        assert NAMES[i] == resolve(names.get(name, "leaky_relu"), "")


def test_every_brain_and_mode_builds_and_learns() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (8, 6)).astype(np.float32)
    base = generate_configs(1, seed=5)[0]
    for mode in (*COMBINE_MODES, "filter"):
        config = dataclasses.replace(
            base, grid_rows=2, grid_cols=3, brains=tuple(range(6)), combine_mode=mode, d_model=16, activation=2
        )
        network = build_diverse_network(config, 6, seed=1)
        assert [b.kind for b in network.layers[1].branches] == [  # type: ignore[attr-defined]
            *("multi_head_attention", "lstm", "rnn", "dense", "swiglu", "sequential")
        ]
        y = network.forward(x)
        assert y.shape == (8, 6)
        assert y.std(axis=0).min() > 0, "every input must reach the output"
        for branch in network.params[1]["branches"]:
            weights = [a for a in (branch.get("q"), branch.get("kernel")) if a is not None]
            assert all(a.std() > 0 for a in weights)
        batches = [{"Input": row, "Target": row} for row in x.tolist()]
        result = network.train(batches, {"Epochs": 60, "LearningRate": 0.5, "GradientClip": 1.0})
        assert result.final_loss < 0.8 * result.loss_history[0]


def test_initial_scale() -> None:
    base = dataclasses.replace(
        generate_configs(1, seed=5)[0], grid_rows=1, grid_cols=3, brains=(4, 5, 1), d_model=64, init_scale=0.5
    )
    network = build_diverse_network(dataclasses.replace(base, combine_mode="concat"), 400, seed=1)
    assert network.params[0]["kernel"].std() == pytest.approx(0.5 * np.sqrt(2 / 400), rel=0.05)
    swiglu, normed, lstm = network.params[1]["branches"]
    assert np.abs(swiglu["gate"]).max() == pytest.approx(0.7 * 0.5 / 8, rel=0.02)
    assert normed["layers"][1]["kernel"].std() == pytest.approx(0.8 * 0.5 * np.sqrt(2 / 64), rel=0.05)
    np.testing.assert_array_equal(lstm["bias"], np.repeat([0, 1, 0, 0], 64))


def test_files(tmp_path: Path) -> None:
    configs = generate_configs(4, seed=2)
    save_configs(tmp_path / "a.json", configs)
    assert load_configs_file(tmp_path / "a.json") == configs
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    record = json.loads(dump_configs(configs))["configs"][0]
    assert list(record) == [
        *("id", "name", "species", "mutationStr", "gridRows", "gridCols", "dModel", "numHeads", "learningRate"),
        *("budgetScale", "activation", "combineMode", "brains", "initScale", "numBrains", "brainNames"),
    ]
    assert ArchConfig.from_json({**record, "dtype": "float32"}) == configs[0]
    c = configs[0]
    name = ACTIVATIONS[c.activation]
    start = f"{c.grid_rows}x{c.grid_cols}_{c.combine_mode}_{name}_D{c.d_model}_LR"
    assert record["mutationStr"] == f"{start}{c.learning_rate:.4f}"


def test_bad_files_and_options() -> None:
    good = json.loads(dump_configs(generate_configs(1, seed=2)))

    def load(**changes: object) -> None:
        load_configs(json.dumps({"version": 1, "configs": [{**good["configs"][0], **changes}]}))

    for changes, match in (
        ({"brains": [9]}, "brains"),
        ({"brains": "MHA"}, "expected an array"),
        ({"gridRows": 0}, "grid_rows"),
        ({"dModel": "64"}, r"configs\[0\].dModel"),
        ({"combineMode": "sum"}, "combine mode"),
        ({"dtype": "int8"}, "dtype"),
        ({"activations": 1}, "unknown key"),
    ):
        with pytest.raises((InputError, ConfigError, FormatError), match=match):
            load(**changes)
    with pytest.raises(FormatError, match="version 2"):
        load_configs('{"version": 2, "configs": []}')
    with pytest.raises(FormatError):
        load_configs("[")
    for options, match in (
        (ArchOptions(num_heads=(5,)), "num_heads"),
        (ArchOptions(brains=(1,)), "brains"),
        (ArchOptions(combine_modes=(0, 0, 0, 0)), "combine_modes"),
        (ArchOptions(learning_rate=(0, 1)), "learning_rate"),
        (ArchOptions(grid_shapes={}), "grid_shapes"),
    ):
        with pytest.raises(InputError, match=match):
            generate_configs(1, options)
    with pytest.raises(InputError, match="count"):
        generate_configs(-1)

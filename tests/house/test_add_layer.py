"""A layer is one file: added to a copy of the package, it is built from JSON, trained, saved and loaded everywhere."""

from __future__ import annotations

import re
from pathlib import Path

from .copy import ROOT, Copy

FILE = "loom_py/nn/low_rank.py"
IMPORTS = """\
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..runtime.ops import Ops, Tensor
from .affine import affine_grad
from .layer import Layer, Params, State, WeightFields, uniform
from .options import INPUTS, integer
from .registry import register


"""
USE = """
import json, sys
import numpy as np
from loom_py import build_network_from_json, load_model_from_string
from loom_py.network.layer_config import from_config
from loom_py.network.layer_init import call_layer_init
from loom_py.runtime.choice import use_device

dense = {"type": "dense", "output_size": 6, "activation": "tanh"}
last = {"type": "dense", "output_size": 2, "activation": "sigmoid"}
branches = [{"type": "low_rank", "output_size": 3, "rank": 2}, dense]
layers = [dense, {"type": "low_rank", "output_size": 5, "rank": 2}, {"type": "parallel", "branches": branches}, last]
rng = np.random.default_rng(0)
x, t = rng.normal(size=(8, 4)).astype("float32"), rng.uniform(0, 1, (8, 2)).astype("float32")
weights, losses, devices = [], [], []
for device in ("numpy", "simd", "webgpu"):
    use_device(device)
    network = build_network_from_json({"input_size": 4, "layers": layers}, seed=3)
    before = network.params[1]["a"].copy()
    result = network.train([{"Input": x, "Target": t}], {"Epochs": 20, "LearningRate": 0.3})
    assert not np.array_equal(network.params[1]["a"], before)
    again = load_model_from_string(network.save_model_to_string("m"), "m")
    assert again.forward(x).tobytes() == network.forward(x).tobytes()
    record = network.get_layer(0, 0, 1)
    layer, params = from_config(json.loads(json.dumps(record)))
    assert (record["Type"], record["TypeName"], layer.rank) == (-1, "low_rank", 2)
    assert params["b"].tobytes() == network.params[1]["b"].tobytes()
    devices.append(network.computed_on.name)
    weights.append(np.concatenate([a.ravel() for a in network.parameters.values()]))
    losses.append([result.loss_history[0], result.final_loss])
config = call_layer_init("InitLowRankLayer", [4, 3, 2])
assert config["TypeName"] == "low_rank" and len(config["A"]) == 8
record = network.get_blueprint()["layers"][1]
assert (record["parameters"], record["input_shape"], record["output_shape"]) == (22, [6], [5])
assert losses[0][1] < losses[0][0]
assert devices == ["numpy", "simd", "webgpu"], devices
for other in weights[1:]:
    assert np.linalg.norm(other - weights[0]) < 1e-5 * np.linalg.norm(weights[0])
"""


def example() -> str:
    """The layer that the guide shows."""
    text = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return block[1]


def test_one_file_adds_a_layer(tmp_path: Path) -> None:
    copy = Copy(tmp_path, compiled=True)
    copy.write(FILE, IMPORTS + example())
    assert copy.changed() == {FILE}
    copy.run(USE)


def test_every_kind_has_its_row_in_the_docs() -> None:
    from loom_py.nn import KINDS

    text = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    named = {name: row for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(named) >= {cls.kind for cls in KINDS.values()}
    for cls in KINDS.values():
        assert f"({'../' + cls.__module__.replace('.', '/')}.py)" in named[cls.kind], cls.kind

"""Programs as text: what comes back prints and computes the same; damaged text is an error that names the place."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import FormatError
from loom_py.formats.program_file import dump_program, load_program
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.training.losses import Loss
from loom_py.training.optimisers import AdamW
from loom_py.training.step import StepPlan
from loom_py.training.trace import trace_training_step

from ..nn.examples import EXAMPLES, IN_SIZE, TOKENS, network_config

TRACEABLE = [name for name in EXAMPLES if "gumbel" not in repr(EXAMPLES[name])]


def step_program(name: str) -> tuple[Program, dict[str, Any], dict[str, Any]]:
    network = build_network_from_json(network_config(name), seed=3)
    rng = np.random.default_rng(4)
    tokens = EXAMPLES[name].get("type") == "embedding"
    x = rng.integers(0, TOKENS, (2, IN_SIZE)) if tokens else rng.normal(size=(2, IN_SIZE))
    x = x.astype(np.float32)
    target = np.zeros_like(network.forward(x))
    program = trace_training_step(network, StepPlan(loss=Loss("mse", 1.0), optimiser=AdamW()), x, target)
    state = {n: a.copy() for n, a in (network.parameters | network.buffers).items()}
    for n, index in program.state.items():
        state.setdefault(n, np.zeros(program.buffers[index].shape, program.buffers[index].dtype))
    return program, {"x": x, "target": target}, state


@pytest.mark.parametrize("name", TRACEABLE)
def test_round_trip(name: str) -> None:
    program, inputs, state = step_program(name)
    text = dump_program(program)
    again = load_program(text)
    assert str(again) == str(program)
    assert dump_program(again) == text
    copies = [{n: a.copy() for n, a in state.items()} for _ in range(2)]
    first, second = (replay(p, inputs, s, lr=0.1, step=1) for p, s in zip((program, again), copies, strict=True))
    assert first["loss"].tobytes() == second["loss"].tobytes()
    assert all(copies[0][n].tobytes() == copies[1][n].tobytes() for n in state)


DAMAGE = {
    "version": lambda r: r.update(version=2),
    "buffers[0].dtype": lambda r: r["buffers"][0].update(dtype="float16x"),
    "buffers[0].shape": lambda r: r["buffers"][0].update(shape=[2**20, 2**20]),
    "buffers[1].source": lambda r: r["buffers"][1].update(source=10**6),
    "buffers[2].source": lambda r: (r["buffers"][1].update(source=2), r["buffers"][2].update(source=1)),
    "buffers[3]": lambda r: r["buffers"][3].update(source=0, offset=10**6),
    "dispatches[0].kernel": lambda r: r["dispatches"][0].update(kernel="__class__"),
    "dispatches[0].arguments.a.ref": lambda r: r["dispatches"][0]["arguments"].update(a={"ref": 10**6}),
    "dispatches[0].outputs[0]": lambda r: r["dispatches"][0].update(outputs=[-1]),
    "inputs.x": lambda r: r["inputs"].update(x=len(r["buffers"]) - 1),
    "outputs.loss": lambda r: r["outputs"].update(loss="one"),
    "dynamics.lr": lambda r: r["dynamics"].update(lr="fast"),
    "constants": lambda r: r.update(constants=[]),
}


@pytest.mark.parametrize("place", DAMAGE)
def test_damage_is_named(place: str) -> None:
    program, _, _ = step_program("dense")
    record = json.loads(dump_program(program))
    DAMAGE[place](record)
    with pytest.raises(FormatError) as caught:
        load_program(json.dumps(record))
    assert place.split("[")[0].split(".")[0].replace("version", "fmt") in str(caught.value)


def test_constants_must_fit() -> None:
    program, _, _ = step_program("parallel, filter")
    record = json.loads(dump_program(program))
    if not record["constants"]:
        record["buffers"].append({"shape": [2], "dtype": "float32", "kind": "constant", "name": "", "source": -1})
        with pytest.raises(FormatError, match="without values"):
            load_program(json.dumps(record))
        return
    key = next(iter(record["constants"]))
    record["constants"][key]["data"] = "AAAA"
    with pytest.raises(FormatError, match="bytes"):
        load_program(json.dumps(record))

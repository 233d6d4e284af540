"""Fusing: fewer dispatches, the same numbers bit for bit, and no fusing across a tensor that another dispatch reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loom_py.generation.on_numpy import OnNumpy
from loom_py.models.trace import SAMPLING, trace_decoder
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.transforms import fuse

from ..models import tiny

MODELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "own head": {"tie_word_embeddings": False},
}


def state(model: OnNumpy, program: Program) -> dict[str, Any]:
    """Weights, and caches with something in them."""
    rng = np.random.default_rng(1)
    vocab_size = model.decoder.facts.vocab_size
    other: dict[str, Any] = {"token": np.array([3]), "seen": (rng.random(vocab_size) < 0.5).astype(np.uint8)}
    caches = {
        name: rng.normal(size=program.buffers[index].shape).astype(np.float32)
        for name, index in program.state.items()
        if name.startswith(("keys.", "values."))
    }
    return {name: (dict(model.weights) | other | caches)[name] for name in program.state}


@pytest.mark.parametrize("want", ["nothing", "logits", "every", "next", "fed"])
@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS.keys())
def test_fused_equals_unfused(changes: dict[str, Any], want: Any) -> None:
    model = tiny.llama(**changes)
    fed = want == "fed"
    steps = 1 if fed else 5
    program = trace_decoder(model.decoder, steps, 16, "next" if fed else want, fed=fed)
    fused = fuse(program)
    assert len(fused.dispatches) < len(program.dispatches)
    counts = fused.count()
    assert counts["silu_mul"] == 0
    assert counts["rope_cache"] == (1 if want == "nothing" else 2)  # the last layer's queries are not read then
    before, after = state(model, program), state(model, program)
    inputs = {} if fed else {"ids": np.array([1, 5, 9, 2, 36])}
    numbers = {**SAMPLING, "temperature": 0.9, "repetition_penalty": 1.2} if want in ("next", "fed") else {}
    one = replay(program, inputs, before, position=4, **numbers)
    two = replay(fused, inputs, after, position=4, **numbers)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].tobytes() == two[name].tobytes(), name
    for name in before:
        assert before[name].tobytes() == after[name].tobytes(), name


def recorded(write: Callable[[Any, dict[str, Any]], dict[str, Any]]) -> Program:
    """A program over x (3, 8), gamma (8,), weights a and b (6, 8) and a cache."""
    ops: Any = TracingOps("test")
    rng = np.random.default_rng(0)
    x = {
        name: ops.tensor(rng.normal(size=shape).astype(np.float32), "input", name)
        for name, shape in {"x": (3, 8), "gamma": (8,), "a": (6, 8), "b": (6, 8), "r": (3, 6)}.items()
    }
    for name, tensor in write(ops, x).items():
        ops.output(name, tensor)
    return ops.program


def norm_is_output(ops: Any, x: dict[str, Any]) -> dict[str, Any]:
    h = ops.rms_norm(x["x"], x["gamma"], 1e-5)
    return {"y": ops.linear(h, x["a"]), "h": h}


def norm_goes_elsewhere(ops: Any, x: dict[str, Any]) -> dict[str, Any]:
    h = ops.rms_norm(x["x"], x["gamma"], 1e-5)
    return {"y": ops.linear(h, x["a"]), "z": ops.scale(h, 2.0)}


def product_is_read_twice(ops: Any, x: dict[str, Any]) -> dict[str, Any]:
    y = ops.linear(x["x"], x["a"])
    return {"y": ops.add(y, x["r"]), "z": ops.scale(y, 2.0)}


def product_with_itself(ops: Any, x: dict[str, Any]) -> dict[str, Any]:
    y = ops.linear(x["x"], x["a"])
    return {"y": ops.add(y, y)}


def weight_changes_in_between(ops: Any, x: dict[str, Any]) -> dict[str, Any]:
    y = ops.linear(x["x"], x["a"])
    ops.assign(x["a"], x["b"])
    return {"y": ops.add(y, x["r"])}


def gate_is_output(ops: Any, x: dict[str, Any]) -> dict[str, Any]:
    h = ops.rms_norm(x["x"], x["gamma"], 1e-5)
    gate = ops.linear(h, x["a"])
    return {"y": ops.silu_mul(gate, ops.linear(h, x["b"])), "gate": gate}


@pytest.mark.parametrize(
    ("write", "kept"),
    [
        (norm_is_output, ["rms_norm", "linear"]),
        (norm_goes_elsewhere, ["rms_norm", "linear", "scale"]),
        (product_is_read_twice, ["linear", "add", "scale"]),
        (product_with_itself, ["linear", "add"]),
        (weight_changes_in_between, ["linear", "assign", "add"]),
        (gate_is_output, ["norm_linear", "silu_mul"]),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_what_others_look_at_stays(write: Any, kept: list[str]) -> None:
    program = recorded(write)
    fused = fuse(program)
    assert [d.kernel for d in fused.dispatches] == kept
    rng = np.random.default_rng(2)
    inputs = {name: rng.normal(size=program.buffers[i].shape).astype(np.float32) for name, i in program.inputs.items()}
    one, two = (replay(p, {k: v.copy() for k, v in inputs.items()}, {}) for p in (program, fused))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


def test_what_nobody_reads_is_dropped() -> None:
    def write(ops: Any, x: dict[str, Any]) -> dict[str, Any]:
        ops.scale(ops.linear(x["x"], x["a"]), 3.0)
        return {"y": ops.linear(x["x"], x["b"])}

    assert [d.kernel for d in fuse(recorded(write)).dispatches] == ["linear"]

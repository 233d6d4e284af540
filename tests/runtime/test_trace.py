"""Programs: a replay equals the run, bit for bit, for any network; memory plans; what cannot be traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py import Network, build_network_from_json
from loom_py.models.trace import trace_decoder
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.trace import TraceError, TracingOps
from loom_py.training.losses import Loss
from loom_py.training.optimisers import SGD, AdamW, Optimiser, RMSprop
from loom_py.training.step import StepPlan, flat, train_step
from loom_py.training.trace import trace_forward, trace_training_step

from ..models import tiny
from ..nn import strategies
from ..nn.examples import EXAMPLES, IN_SIZE, TOKENS, network_config
from ..report import row

OPTIMISERS: list[Optimiser] = [SGD(), SGD(momentum=0.9, nesterov=True), AdamW(), RMSprop(momentum=0.5)]
Config = tuple[dict[str, Any], int]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network(), st.integers(1, 3), st.integers(0, 100))
def test_forward(config: Config, batch: int, seed: int) -> None:
    network = build_network_from_json(config[0], seed=seed)
    rng = np.random.default_rng(seed)
    program = trace_forward(network, np.zeros((batch, config[1])))
    for draw in range(2):
        x = rng.normal(size=(batch, config[1])).astype(np.float32)
        y = replay(program, {"x": x}, network.parameters, draw=draw)["y"]
        assert y.tobytes() == network.forward(x).tobytes()


def check_training(network: Network, plan: StepPlan, data: list[tuple[Any, Any]], *, rate: float = 0.05) -> Program:
    """Ten steps replayed against ten steps run: losses, weights and optimiser state."""
    program = trace_training_step(network, plan, *data[0], lr=1.0, step=99)
    weights = flat(network.params)
    slots = {name: [np.zeros_like(w) for w in weights] for name in plan.optimiser.slots}
    state = {path: a.copy() for path, a in (network.parameters | network.buffers).items()}
    state |= {f"{name}.{i}": np.zeros_like(a) for name, v in slots.items() for i, a in enumerate(v)}
    for name, index in program.state.items():
        if name.startswith("carried."):
            state[name] = np.zeros(program.buffers[index].shape, program.buffers[index].dtype)
    carried = [layer.init_state(len(data[0][0]), network.dtype) for layer in network.layers]

    class Carried:
        def of(self, rows: int) -> Any:
            return carried

    for step, (x, target) in enumerate(data, start=1):
        lr = rate / step
        losses, _, _ = train_step(
            *(network, network.ops, plan, network.params, weights, slots, [(x, target)]),
            lr=lr,
            step=step,
            states=Carried(),  # type: ignore[arg-type]
        )
        loss = replay(program, {"x": x, "target": target}, state, lr=lr, step=step, draw=step - 1)["loss"]
        assert loss.tobytes() == np.asarray(losses[0]).tobytes()
        for path, a in (network.parameters | network.buffers).items():
            assert a.tobytes() == state[path].tobytes(), path
    for name, v in slots.items():
        for i, a in enumerate(v):
            assert a.tobytes() == state[f"{name}.{i}"].tobytes()
    return program


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda o: o.name)
@pytest.mark.parametrize("kind", EXAMPLES)
def test_training_step_of_every_kind(kind: str, optimiser: Optimiser) -> None:
    network = build_network_from_json(network_config(kind), seed=1)
    rng = np.random.default_rng(0)
    data = []
    for _ in range(10):
        x = rng.integers(0, TOKENS, (3, IN_SIZE)) if kind == "embedding" else rng.normal(size=(3, IN_SIZE))
        data.append((x.astype(np.float32), rng.normal(size=(3, 2)).astype(np.float32)))
    plan = StepPlan(loss=Loss("huber"), optimiser=optimiser, clip_norm=0.5, clip_value=0.4)
    program = check_training(network, plan, data)
    if optimiser == OPTIMISERS[0]:
        row(
            "traced training steps (SGD)",
            f"{kind:<24}{len(program.dispatches):>4} dispatches, arena {program.plan()[1]} bytes",
        )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network(), st.sampled_from(OPTIMISERS), st.integers(0, 100))
def test_training_steps_of_random_networks(config: Config, optimiser: Optimiser, seed: int) -> None:
    network = build_network_from_json(config[0], seed=seed)
    rng = np.random.default_rng(seed)
    width = network.forward(np.zeros((2, config[1]))).shape[1]
    network.reset_state()
    data = [
        (rng.normal(size=(2, config[1])).astype(np.float32), rng.normal(size=(2, width)).astype(np.float32))
        for _ in range(3)
    ]
    check_training(network, StepPlan(loss=Loss("mse"), optimiser=optimiser, clip_norm=1.0), data)


def test_carried_state_is_state_of_the_program() -> None:
    layers = [{"type": "lstm", "input_size": 2, "hidden_size": 3, "seq_length": 2, "stateful": True}]
    network = build_network_from_json({"layers": layers}, seed=0)
    program = trace_forward(network, np.zeros((1, 4)))
    state = {
        **network.parameters,
        "carried.0.h": np.zeros((1, 3), np.float32),
        "carried.0.c": np.zeros((1, 3), np.float32),
    }
    assert set(program.state) == set(state)
    for step in range(3):
        x = np.full((1, 4), step, np.float32)
        assert replay(program, {"x": x}, state)["y"].tobytes() == network.forward(x).tobytes()


def test_an_attention_cache_is_state_and_its_length_dynamic() -> None:
    layer = {"type": "mha", "d_model": 4, "num_heads": 2, "cache_length": 3}
    network = build_network_from_json({"layers": [layer], "input_size": 4}, seed=0)
    program = trace_forward(network, np.zeros((1, 4)))
    assert program.dynamics == {"position": 0}
    state = {**network.parameters, **{f"carried.0.{n}": np.zeros((3, 2, 2), np.float32) for n in ("keys", "values")}}
    for position in range(3):
        x = np.full((1, 4), position + 0.5, np.float32)
        assert replay(program, {"x": x}, state, position=position)["y"].tobytes() == network.forward(x).tobytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.network())
def test_buffers_alive_together_never_overlap(config: Config) -> None:
    network = build_network_from_json(config[0], seed=0)
    x = np.zeros((2, config[1]), np.float32)
    target = np.zeros_like(network.forward(x))
    program = trace_training_step(network, StepPlan(loss=Loss("mse"), optimiser=SGD()), x, target)
    offsets, size = program.plan()
    spans = program.lifetimes()
    assert set(offsets) == set(spans)
    for a, (start, end) in spans.items():
        assert offsets[a] % 16 == 0
        assert offsets[a] + program.buffers[a].nbytes <= size
        for b, (first, last) in spans.items():
            if a < b and first <= end and start <= last:
                apart = (
                    offsets[a] + program.buffers[a].nbytes <= offsets[b]
                    or offsets[b] + program.buffers[b].nbytes <= offsets[a]
                )
                assert apart, (a, b)


def test_the_plan_reuses_memory(grid_scatter: dict[str, Any]) -> None:
    layers = [{"type": "dense", "input_size": 64, "output_size": 64, "activation": "tanh"}] * 20
    program = trace_forward(build_network_from_json({"layers": layers}), np.zeros((1, 64)))
    total = sum(b.nbytes for b in program.buffers if b.kind == "temporary")
    assert program.plan()[1] <= total / 10
    text = str(trace_forward(build_network_from_json(grid_scatter["network"]), np.zeros((1, 8))))
    assert "lstm_sequence(" in text
    assert "state layers.0.kernel" in text
    assert program.count() == {"matmul": 20, "activate": 20}


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False}, {"attention_bias": True, "mlp_bias": True}])
def test_decoder(changes: dict[str, Any]) -> None:
    model = tiny.llama(**changes)
    cache = model.new_cache()
    cache.reserve(256)
    state: dict[str, Any] = dict(model.weights)
    state |= {name: np.zeros_like(array) for name, array in cache.arrays.items()}
    prefill, decode = (trace_decoder(model.decoder, steps, 256, "logits") for steps in (5, 1))
    assert decode.count()["attention"] == model.decoder.facts.num_hidden_layers
    for program, ids in (
        (prefill, [3, 1, 4, 1, 5]),
        (decode, [9]),
        (decode, [2]),
        (prefill, [6, 5, 3, 5, 8]),
        (decode, [9]),
    ):
        position = cache.length
        logits = replay(program, {"ids": np.array(ids)}, state, position=position)["logits"]
        assert logits.tobytes() == model.forward(np.array(ids), cache).tobytes()


def test_what_cannot_be_replayed_is_refused() -> None:
    ops: Any = TracingOps("x")
    x = ops.tensor(np.ones(3, np.float32), "input", "x")
    for look in (bool, float, iter, np.asarray, lambda t: t[0], lambda t: t > 0):
        with pytest.raises(TraceError, match=r"looked at a tensor"):
            look(x)
    rate = ops.dynamic("lr", 0.5)
    with pytest.raises(TraceError, match="arithmetic on the dynamic parameter lr"):
        _ = rate * 2
    count = ops.counter("draw", 0)
    with pytest.raises(TraceError, match="called twice in one program"):
        ops.gumbel((3,), 0, count + 1, like=x)
    with pytest.raises(AttributeError):
        _ = ops.no_such_kernel

"""Observers of a network that is stepped: every layer once a tick, with the tick's number."""

from __future__ import annotations

from typing import Any

import numpy as np

from loom_py import build_network_from_json
from loom_py.observe import CallbackObserver, LayerEvent

CONFIG: dict[str, Any] = {
    "input_size": 3,
    "layers": [
        {"type": "dense", "output_size": 4, "activation": "tanh"},
        {"type": "parallel", "branches": [{"type": "rnn", "hidden_size": 2}, {"type": "dense", "output_size": 2}]},
        {"type": "dense", "output_size": 2},
    ],
}


def test_every_tick_is_seen_and_unchanged() -> None:
    plain, seen = (build_network_from_json(CONFIG, seed=1) for _ in range(2))
    events: list[LayerEvent] = []
    seen.add_observer(CallbackObserver(events.append))
    states = [network.init_step_state(3) for network in (plain, seen)]
    for tick in range(4):
        for state in states:
            state.set_input([1.0, tick, -1.0])
            state.step_forward()
        np.testing.assert_array_equal(states[0].get_output(), states[1].get_output())
    assert {e.mode for e in events} == {"step"}
    ticks = [e.step_count for e in events]
    assert ticks == sorted(ticks)
    assert [ticks.count(t) for t in sorted(set(ticks))] == [5] * 4, "three layers and two branches a tick"
    assert sorted(set(ticks)) == list(range(ticks[0], ticks[0] + 4))
    events.clear()
    gradients = [state.step_backward(np.ones(2)) for state in states]
    np.testing.assert_array_equal(gradients[0], gradients[1])
    assert {(e.mode, e.type) for e in events} == {("step", "backward")}

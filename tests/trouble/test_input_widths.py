"""An input of the wrong size before layers of any size: a sentence that names the layer that cannot take it.

Found by an attack on row U5 of the trouble table. A network that begins with a norm or a softmax takes any input, and
the next layer failed untyped ("a fault in LOOM" in the page), or took one sample for two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import loom_py
from loom_py.errors import InputError

Json = dict[str, Any]

DENSE: Json = {"type": "dense", "input_size": 4, "output_size": 4}
FIXED: dict[str, Json] = {
    "dense": DENSE,
    "conv2d": {"type": "conv2d", "input_height": 2, "input_width": 2, "input_channels": 1, "filters": 1,
               "kernel_size": 1, "stride": 1, "padding": 0},
    "conv1d": {"type": "conv1d", "input_length": 4, "input_channels": 1, "filters": 1, "kernel_size": 1},
    "rnn": {"type": "rnn", "input_size": 2, "hidden_size": 2, "seq_length": 2},
    "sru": {"type": "sru", "input_size": 2, "hidden_size": 2, "seq_length": 2},
    "parallel": {"type": "parallel", "combine_mode": "add", "branches": [DENSE, DENSE]},
    "a branch": {"type": "parallel", "combine_mode": "concat", "branches": [{"type": "softmax"}, DENSE]},
    "inside sequential": {"type": "sequential", "layers": [{"type": "softmax"}, DENSE]},
}  # fmt: skip
RUNS: dict[str, Json] = {
    "swiglu": {"type": "swiglu", "input_size": 4, "output_size": 8},
    "layer_norm": {"type": "layer_norm", "norm_size": 4},
    "rms_norm": {"type": "rms_norm", "norm_size": 4},
    "mha": {"type": "mha", "d_model": 4, "num_heads": 2},
}
USES: dict[str, Callable[[loom_py.Network, list[float]], Any]] = {
    "forward": lambda network, x: network.forward_cpu(x),
    "train": lambda network, x: network.train([{"Input": x, "Target": x}], {"Epochs": 1}),
    "evaluate": lambda network, x: network.evaluate_network([x], [0]),
    "stepping": lambda network, x: network.init_step_state(len(x)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", [*FIXED, *RUNS])
@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_size_that_a_later_layer_does_not_take_is_named(use: str, kind: str, size: int) -> None:
    network = loom_py.build_network_from_json({"layers": [{"type": "softmax"}, (FIXED | RUNS)[kind]]}, seed=1)
    with pytest.raises(InputError, match=rf"the layer \w+ takes .*{size}"):
        USES[use](network, [0.5] * size)


@pytest.mark.parametrize("kind", FIXED)
def test_one_sample_never_becomes_two(kind: str) -> None:
    network = loom_py.build_network_from_json({"layers": [{"type": "softmax"}, FIXED[kind]]}, seed=1)
    with pytest.raises(InputError, match="takes 4 values a sample but gets 8"):
        network.forward_cpu([0.5] * 8)
    network.forward_cpu([0.5] * 4)
    assert network.forward([[0.5] * 4, [0.5] * 4]).shape[0] == 2


@pytest.mark.parametrize("kind", RUNS)
def test_whole_runs_are_taken(kind: str) -> None:
    network = loom_py.build_network_from_json({"layers": [{"type": "softmax"}, RUNS[kind]]}, seed=1)
    assert network.forward([[0.5] * 8]).shape == (1, 8)


def test_a_state_of_very_many_samples_is_refused() -> None:
    network = loom_py.build_network_from_json({"layers": [DENSE]}, seed=1)
    with pytest.raises(InputError, match="batch"):
        network.init_step_state(4, batch=10**9)

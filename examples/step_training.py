"""A network learns six samples while it is stepped: dense 4→8, LSTM 8→12, dense 12→3.

Every 20 ticks another sample is drawn. A target waits three ticks, until its input has passed through the three layers.
The last layer gives raw values; the gradient is that of cross-entropy after a softmax, p − t, clipped to norm 1.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from _shared import report
from numpy.typing import NDArray

from loom_py import Network, build_network_from_json
from loom_py.stepping import StepState, TargetQueue

NETWORK = {
    "grid_cols": 3,
    "layers_per_cell": 1,
    "layers": [
        {"type": "dense", "input_size": 4, "output_size": 8, "activation": "relu"},
        {"type": "lstm", "hidden_size": 12},
        {"type": "dense", "output_size": 3, "activation": "linear"},
    ],
}
LOW, HIGH, MIX = 0, 1, 2
SAMPLES: list[tuple[list[float], int]] = [
    ([0.1, 0.2, 0.1, 0.3], LOW),
    ([0.2, 0.1, 0.3, 0.2], LOW),
    ([0.8, 0.9, 0.8, 0.7], HIGH),
    ([0.9, 0.8, 0.7, 0.9], HIGH),
    ([0.1, 0.9, 0.1, 0.9], MIX),
    ([0.9, 0.1, 0.9, 0.1], MIX),
]
HOLD, DELAY, DECAY, LOWEST = 20, 3, 0.99995, 0.001


def probabilities(output: NDArray[Any]) -> NDArray[Any]:
    e = np.exp(output - output.max())
    return e / e.sum()


def learn(network: Network, state: StepState, ticks: int, seed: int) -> list[float]:
    """The cross-entropy of every output, one per tick."""
    rng, queue = np.random.default_rng(seed), TargetQueue(DELAY)
    losses: list[float] = []
    rate, sample = 0.015, SAMPLES[0]
    for tick in range(ticks):
        if tick % HOLD == 0:
            sample = SAMPLES[int(rng.integers(len(SAMPLES)))]
        state.set_input(sample[0])
        state.step_forward()
        due = queue.push(sample[1])
        if due is None:
            continue
        p = probabilities(state.get_output())
        losses.append(-float(np.log(max(float(p[due]), 1e-7))))
        p[due] -= 1
        state.step_backward(p / max(1.0, float(np.linalg.norm(p))))
        network.apply_gradients(rate)
        rate = max(LOWEST, rate * DECAY)
    return losses


def classify(state: StepState, ticks: int = 10) -> list[int]:
    """The class of every sample, its input held for some ticks."""
    classes = []
    for x, _ in SAMPLES:
        state.set_input(x)
        for _ in range(ticks):
            state.step_forward()
        classes.append(int(np.argmax(state.get_output())))
    return classes


def main(ticks: int = 100_000, seeds: int = 3) -> dict[str, Any]:
    correct, losses, start = [], [], time.perf_counter()
    for seed in range(seeds):
        network = build_network_from_json(NETWORK, seed=seed)
        state = network.init_step_state(4)
        history = learn(network, state, ticks, seed)
        losses.append(sum(history[-1000:]) / len(history[-1000:]))
        correct.append(sum(got == c for got, (_, c) in zip(classify(state), SAMPLES, strict=True)))
    return report(
        f"Training by stepping, {ticks} ticks",
        correct_of_6=correct,
        mean_loss_of_the_last_1000_ticks=[round(loss, 4) for loss in losses],
        ticks_per_second=round(seeds * ticks / (time.perf_counter() - start)),
    )


if __name__ == "__main__":
    main()

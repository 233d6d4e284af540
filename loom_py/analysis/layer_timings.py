"""Times of single layers on every open device: the original's comparison of CPU and GPU, with its sizes."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..errors import InputError, LoomError
from ..network.loading import build_network_from_json
from ..network.network import Network
from ..network.on_device import NetworkOnDevice
from ..nn.layer import Array
from ..runtime.choice import NUMPY, devices
from ..runtime.device import Device
from ..runtime.pending import Waiting
from ..schema.fields import Json, suggest
from ..values import number, whole


@dataclass(frozen=True, kw_only=True)
class Case:
    """Layers and how many samples go through them; `sizes` says both in words."""

    sizes: str
    layers: Sequence[Json]
    batch: int

    def network(self) -> Network:
        return build_network_from_json({"layers": self.layers}, seed=1)


RECURRENT = {"input_size": 64, "hidden_size": 64, "seq_length": 64}
CASES: dict[str, Case] = {
    "dense": Case(
        sizes="80 layers of 64 values, 4096 samples",
        layers=[{"type": "dense", "input_size": 64, "output_size": 64, "activation": "tanh"}] * 80,
        batch=4096,
    ),
    "attention": Case(
        sizes="32 sequences of 256 vectors of 512, 8 heads",
        layers=[{"type": "multi_head_attention", "d_model": 512, "num_heads": 8, "seq_length": 256}],
        batch=32,
    ),
    "conv2d": Case(
        sizes="32 images of 64 × 64 in 3 channels, 16 filters of 3 × 3",
        layers=[
            {
                **{"type": "conv2d", "input_channels": 3, "input_height": 64, "input_width": 64},
                **{"filters": 16, "kernel_size": 3, "stride": 1, "padding": 1, "activation": "relu"},
            }
        ],
        batch=32,
    ),
    "rnn": Case(sizes="32 sequences of 64 vectors of 64", layers=[{"type": "rnn", **RECURRENT}], batch=32),
    "lstm": Case(sizes="32 sequences of 64 vectors of 64", layers=[{"type": "lstm", **RECURRENT}], batch=32),
}


@dataclass(frozen=True, kw_only=True)
class LayerTiming:
    """Milliseconds of a forward and of a backward pass, the best of some; `reason` says why there are none.

    A device computes the forward pass again within its backward pass; NumPy does not.
    """

    layer: str
    sizes: str
    device: str
    forward: float | None = None
    backward: float | None = None
    reason: str = ""

    def to_json(self) -> Json:
        return asdict(self)


def timing_steps(
    layers: Sequence[str] | None = None, repeats: int = 3, scale: float = 1.0
) -> Generator[Waiting | LayerTiming, None, list[LayerTiming]]:
    """Time every case on every device: yields each figure as it comes, and `Waiting` where a device answers later.

    **Arguments:**

    - `layers`: names of `CASES`; all of them if None.
    - `repeats`: passes whose best counts, after one that prepares them.
    - `scale`: factor on the number of samples.
    """
    names = list(CASES) if layers is None else list(layers)
    for i, name in enumerate(names):
        if name not in CASES:
            raise InputError(f"unknown layer {name!r}", where=f"layers[{i}]", remedy=suggest(name, CASES))
    whole(repeats, "repeats", 1, 1000)
    number(scale, "scale", above=0, maximum=16)
    timings: list[LayerTiming] = []
    for name in names:
        case = CASES[name]
        network = case.network()
        x = np.random.default_rng(0).standard_normal((max(1, round(case.batch * scale)), network.input_size or 1))
        for device in (None, *devices.open_devices()):
            empty = LayerTiming(layer=name, sizes=case.sizes, device=NUMPY if device is None else device.name)
            try:
                forward, backward = yield from _measured(network, device, x.astype(np.float32), repeats)
                timing = replace(empty, forward=forward, backward=backward)
            except LoomError as error:
                timing = replace(empty, reason=error.message)
            timings.append(timing)
            yield timing
    return timings


def _measured(
    network: Network, device: Device | None, x: Array, repeats: int
) -> Generator[Waiting, None, tuple[float, float]]:
    """The best milliseconds of a forward and of a backward pass."""
    on_device = None if device is None else NetworkOnDevice(network, device)
    best = [float("inf"), float("inf")]
    try:
        for i in range(repeats + 1):
            start = time.perf_counter()
            y = network.forward(x) if on_device is None else (yield from on_device.forward(x))
            middle = time.perf_counter()
            if on_device is None:
                network.backward(np.ones_like(y))
            else:
                yield from on_device.backward(np.ones_like(y))
            passed = (middle - start, time.perf_counter() - middle)
            if i:
                best = [min(a, 1000 * b) for a, b in zip(best, passed, strict=True)]
    finally:
        if on_device is not None:
            on_device.free()
    return best[0], best[1]


def events(steps: Generator[Any, None, list[LayerTiming]]) -> Generator[Any, None, list[Json]]:
    """The same with plain records, for JavaScript."""
    try:
        while True:
            step = next(steps)
            yield step if isinstance(step, Waiting) else step.to_json()
    except StopIteration as stop:
        return [timing.to_json() for timing in stop.value]
    finally:
        steps.close()


def line(timing: LayerTiming) -> str:
    """One figure as text."""
    start = f"  {timing.layer:<10} {timing.device:<8}"
    if timing.forward is None or timing.backward is None:
        return f"{start} {timing.reason}"
    return f"{start} forward {timing.forward:9.2f} ms   backward {timing.backward:9.2f} ms"


def table(timings: Sequence[LayerTiming]) -> str:
    """A line for each figure, with how many times faster than NumPy both passes together are."""
    reference = {t.layer: t.forward + t.backward for t in timings if t.device == NUMPY and t.forward and t.backward}
    rows = []
    for t in timings:
        total = (t.forward or 0) + (t.backward or 0)
        rows.append(
            line(t) + (f"   {reference[t.layer] / total:6.2f} × NumPy" if total and t.layer in reference else "")
        )
    return "\n".join(rows)

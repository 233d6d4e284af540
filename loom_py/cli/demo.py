"""Run one of the original's demos: layers of five kinds, CPU against GPU, saving and loading.

Without a name or number this lists them. A demo of a layer trains it on a small task; the benchmark times layers on
every device that opens (the extras `simd` and `gpu`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..analysis.layer_timings import CASES, LayerTiming, line, table, timing_steps
from ..errors import DeviceError, InputError
from ..network.loading import build_network_from_json, load_model_from_string
from ..network.model_bundle import ModelBundle, load_bundle_from_string
from ..output import print_json
from ..progress import to_end
from ..runtime.choice import NUMPY, devices, use_device
from ..schema.fields import Json, suggest

SEQUENCE = {"input_size": 2, "hidden_size": 8, "seq_length": 4}
LAYERS: dict[str, Json] = {
    "dense": {"type": "dense", "input_size": 8, "output_size": 16, "activation": "tanh"},
    "conv2d": {
        **{"type": "conv2d", "input_channels": 2, "input_height": 2, "input_width": 2, "filters": 4},
        **{"kernel_size": 3, "stride": 1, "padding": 1, "activation": "tanh"},
    },
    "attention": {"type": "multi_head_attention", "d_model": 4, "num_heads": 2, "seq_length": 2},
    "rnn": {"type": "rnn", **SEQUENCE},
    "lstm": {"type": "lstm", **SEQUENCE},
}
DEMOS: dict[str, tuple[int, str]] = {
    "dense": (9, "Dense neural network"),
    "conv2d": (10, "2-D convolution"),
    "attention": (11, "Multi-head attention"),
    "rnn": (12, "RNN"),
    "lstm": (13, "LSTM"),
    "benchmark": (14, "CPU against GPU, layer by layer"),
    "serialization": (15, "Saving and loading models"),
}
"""Name → the original's number, and what it is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("demo", nargs="?", metavar="DEMO", help="name or number; the list if left out")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the data")
    parser.add_argument("--scale", type=float, default=1.0, help="benchmark: factor on the number of samples")
    parser.add_argument("--repeats", type=int, default=3, help="benchmark: passes whose best counts")
    parser.add_argument("--layers", metavar="NAMES", help=f"benchmark: some of {','.join(CASES)}")


def run(args: argparse.Namespace) -> int:
    if args.demo is None:
        return _list(args)
    name = next((n for n, (place, _) in DEMOS.items() if args.demo == str(place)), args.demo)
    if name not in DEMOS:
        raise InputError(f"there is no demo {args.demo!r}", where="DEMO", remedy=suggest(args.demo, DEMOS))
    if name == "benchmark":
        return _benchmark(args)
    figures = serialization(args.seed) if name == "serialization" else layer(name, args.seed)
    if args.json:
        print_json(figures)
    else:
        print(DEMOS[name][1])
        for key, value in figures.items():
            print(f"  {key.replace('_', ' ')}: {f'{value:.6g}' if isinstance(value, float) else value}")
    return 0


def _list(args: argparse.Namespace) -> int:
    if args.json:
        print_json([{"number": place, "name": name, "title": title} for name, (place, title) in DEMOS.items()])
    else:
        print("\n".join(f"{place:>3}  {name:<14} {title}" for name, (place, title) in DEMOS.items()))
    return 0


def layer(name: str, seed: int = 0) -> dict[str, Any]:
    """Train one layer and a dense one behind it to tell which half of eight values is larger."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (64, 8)).astype(np.float32)
    right = x[:, :4].sum(axis=1) > x[:, 4:].sum(axis=1)
    head = {"type": "dense", "output_size": 2, "activation": "sigmoid"}
    network = build_network_from_json({"layers": [LAYERS[name], head]}, seed=seed)
    options = {"Epochs": 400, "LearningRate": 0.02, "Optimizer": "adamw"}
    result = network.train([{"Input": x, "Target": np.stack([right, ~right], axis=1).astype(np.float32)}], options)
    y, nanoseconds = network.forward_cpu(x)
    guessed = np.reshape(y, (64, 2)).argmax(axis=1) == 0
    return {
        "layers": " → ".join(layer.kind for layer in network.layers),
        "values": " → ".join(str(size) for size in (8, network.layers[0].out_size, 2)),
        "parameters": network.get_total_parameters(),
        "loss_before": result.loss_history[0],
        "loss": result.final_loss,
        "accuracy": float((guessed == right).mean()),
        "forward_ms": nanoseconds / 1e6,
    }


def serialization(seed: int = 0) -> dict[str, Any]:
    """Save a model and a bundle as text, load both, and compare outputs bit by bit."""
    networks = {
        name: build_network_from_json({"layers": [config, {"type": "dense", "output_size": 2}]}, seed=seed)
        for name, config in LAYERS.items()
    }
    x = np.random.default_rng(seed).uniform(-1, 1, 8)
    text = networks["dense"].save_model_to_string("dense")
    one = load_model_from_string(text, "dense")
    bundle = ModelBundle(networks).save_to_string()
    again = load_bundle_from_string(bundle)
    pairs = [(one, networks["dense"]), *((again[name], networks[name]) for name in networks)]
    return {
        "model_characters": len(text),
        "bundle_characters": len(bundle),
        "models_in_bundle": ", ".join(again),
        "outputs_equal": all(np.array_equal(a.forward(x), b.forward(x)) for a, b in pairs),
    }


def _benchmark(args: argparse.Namespace) -> int:
    names: Sequence[str] | None = args.layers.split(",") if args.layers else None
    missing = []
    before = devices.preference
    for device in ("simd", "webgpu"):
        try:
            use_device(device)
        except DeviceError as error:
            missing.append(str(error))
    devices.prefer(before)

    def show(step: Any) -> None:
        if isinstance(step, LayerTiming) and not args.json:
            if step.device == NUMPY:
                print(step.layer + ": " + step.sizes + (f", times {args.scale:g}" if args.scale != 1 else ""))
            print(line(step), flush=True)

    timings = to_end(timing_steps(names, args.repeats, args.scale), show)
    if args.json:
        print_json({"timings": [timing.to_json() for timing in timings], "missing": missing})
    else:
        print("\nTogether, against NumPy:")
        print(table(timings))
        for reason in missing:
            print(f"  {reason}")
    return 0

"""Train a network from a JSON file.

CONFIG holds {"network": …, "batches": [{"Input": […], "Target": […]}, …], "training": {"Epochs": …, "LearningRate": …},
"evaluation": {"inputs": …, "expected": …}}; the last two may be left out, and the batches may come from --data.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..config import build_network_from_json
from ..errors import ConfigError, InputError
from ..formats.json_strict import parse_json
from ..nn.fields import Fields
from ..progress import Bar
from ..training.config import as_config
from ..training.loop import training_steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="JSON file, see above")
    parser.add_argument("--data", metavar="FILE", help="JSON array of batches")
    parser.add_argument("--epochs", type=int, help="instead of the file's")
    parser.add_argument("--learning-rate", type=float, help="instead of the file's")
    parser.add_argument("--seed", type=int, help="for the initial weights")
    parser.add_argument("--output", metavar="FILE", help="write the trained network as a LOOM bundle")


def run(args: argparse.Namespace) -> int:
    value = _read(args.config)
    if not isinstance(value, dict) or "network" not in value:
        value = {"network": value}
    unknown = set(value) - {"network", "batches", "training", "evaluation"}
    if unknown:
        raise ConfigError("unknown key", where=f"{args.config}: {min(unknown)}")
    batches = _read(args.data) if args.data else value.get("batches")
    if not isinstance(batches, list):
        raise InputError(
            "there are no batches", where=args.data or args.config, remedy='Give "batches" in the file, or --data.'
        )
    training = dict(value.get("training") or {})
    for key, given in (("Epochs", args.epochs), ("LearningRate", args.learning_rate)):
        if given is not None:
            training = {k: v for k, v in training.items() if k.lower() != key.lower()} | {key: given}
    config = as_config(training)
    network = build_network_from_json(value["network"], seed=args.seed)
    with Bar("training", config.epochs, "epoch") as bar:
        steps = training_steps(network, batches, config)
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                result = stop.value
                break
            bar.to(progress.epoch, f"loss {progress.loss:.6f}")
    report: dict[str, Any] = {**result.to_json(), "seed": network.seed}
    if value.get("evaluation") is not None:
        evaluation = Fields(value["evaluation"], "evaluation")
        metrics = network.evaluate_network(evaluation.any("inputs") or [], evaluation.any("expected") or [])
        evaluation.finish()
        report["evaluation"] = metrics.to_json()
        if not args.json:
            print(metrics.summary())
    if args.output:
        network.save_model(args.output, network.model_id or "model")
    if args.json:
        print(json.dumps(report))
    else:
        first, last = result.loss_history[0], result.final_loss
        print(f"loss {first:.6f} → {last:.6f} in {result.total_time / 1e9:.2f} s ({config.epochs} epochs)")
        if args.output:
            print(f"written to {args.output}", file=sys.stderr)
    return 0


def _read(path: str) -> Any:
    return parse_json(Path(path).read_bytes(), where=path)

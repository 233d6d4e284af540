"""Train a network from a JSON file.

CONFIG holds {"network": …, "batches": [{"Input": […], "Target": […]}, …], "training": {"Epochs": …, "LearningRate": …},
"evaluation": {"inputs": …, "expected": …}}; the last two may be left out, and the batches may come from --data.
Ctrl-C ends the training after the update at hand and writes --output as the network is then.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, LoomError
from ..formats.files import read_file
from ..network.loading import build_network_from_json
from ..network.network import Network
from ..nn.layer import Array
from ..output import print_json
from ..progress import Bar
from ..runtime.choice import NUMPY
from ..schema.fields import Fields, range_fault
from ..schema.names import fold
from ..schema.strict import parse_json
from ..training.config import TrainingConfig
from ..training.data import check_input
from ..training.evaluation import evaluate, samples
from ..training.loop import training_steps
from ..training.result import TrainingProgress, TrainingResult
from .device import add_device, chosen
from .interrupt import Interrupt
from .places import within

MAX_SEED = 2**63 - 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="JSON file, see above")
    parser.add_argument("--data", metavar="FILE", help="JSON array of batches")
    parser.add_argument("--epochs", type=int, help="instead of the file's")
    parser.add_argument("--learning-rate", type=float, help="instead of the file's")
    parser.add_argument("--seed", type=int, help="for the initial weights")
    parser.add_argument("--output", metavar="FILE", help="write the trained network as a LOOM bundle")
    add_device(parser)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """The job that the command line and the files ask for, checked."""

    file: str
    data: str | None
    wrapped: bool
    network: Network
    batches: list[Any]
    config: TrainingConfig
    evaluation: tuple[list[Array], list[float]] | None


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    job = _read_job(args)
    # the library prints its own lines on standard output, where --json allows nothing else
    quiet = contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext()
    with quiet, chosen(args):
        progress, result = _train(job)
    if result is None:
        return _interrupted(args, job, progress)
    device = job.network.get_device()
    report: dict[str, Any] = {**result.to_json(), "seed": job.network.seed, **device}
    if job.evaluation is not None:
        metrics = evaluate(job.network, *job.evaluation)
        report["evaluation"] = metrics.to_json()
        if not args.json:
            print(metrics.summary())
    if args.output:
        job.network.save_model(args.output, job.network.model_id or "model")
    if args.json:
        print_json(report)
    else:
        first, last = result.loss_history[0], result.final_loss
        print(f"loss {first:.6f} → {last:.6f} in {result.total_time / 1e9:.2f} s ({job.config.epochs} epochs)")
        if args.device != NUMPY:
            print(f"on {device['device']}: {device['reason']}", file=sys.stderr)
        if args.output:
            print(f"written to {args.output}", file=sys.stderr)
    return 0


def _check_arguments(args: argparse.Namespace) -> None:
    """Check early what would otherwise fail after the training, or under another name."""
    if args.epochs is not None and (fault := range_fault(args.epochs, minimum=1)):
        raise InputError(fault, where="--epochs")
    if args.learning_rate is not None:
        if not math.isfinite(args.learning_rate):
            raise InputError(f"expected a finite number, got {args.learning_rate}", where="--learning-rate")
        if fault := range_fault(args.learning_rate, minimum=0):
            raise InputError(fault, where="--learning-rate")
    if args.seed is not None and (fault := range_fault(args.seed, minimum=0, maximum=MAX_SEED)):
        raise InputError(fault, where="--seed")
    if args.output is not None:
        path = Path(args.output)
        if not args.output or path.is_dir():
            raise InputError("is a directory" if args.output else "no file name", where=f"--output {args.output}")
        folder = path.resolve().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            problem = "cannot be written" if folder.is_dir() else "does not exist"
            raise InputError(f"the directory {folder} {problem}", where=f"--output {args.output}")


def _read_job(args: argparse.Namespace) -> _Job:
    file = args.config
    with within(file):
        document = Fields(_read(file))
        wrapped = "network" in document.values
        config = document.object("network").values if wrapped else document.values
        f = document if wrapped else Fields({})
        training, evaluation = _config(f, args), f.object("evaluation") if f.has("evaluation") else None
        batches = f.array("batches", default=None)
        f.finish()
    if args.data:
        with within(args.data, root="batches"):
            batches = Fields({"batches": _read(args.data)}).array("batches")
    if batches is None:
        raise InputError("there are no batches", where=file, remedy='Give "batches" in the file, or --data.')
    with within(file, "network" if wrapped else ""):
        network = build_network_from_json(config, seed=args.seed)
    with within(file):
        checked = None if evaluation is None else _evaluation(network, evaluation)
    return _Job(
        file=file,
        data=args.data,
        wrapped=wrapped,
        network=network,
        batches=batches,
        config=training,
        evaluation=checked,
    )


def _config(f: Fields, args: argparse.Namespace) -> TrainingConfig:
    """The file's options, overridden by those of the command line however the file spells their keys."""
    training = dict(f.object("training").values) if f.has("training") else {}
    for key, given in (("Epochs", args.epochs), ("LearningRate", args.learning_rate)):
        if given is not None:
            training = {k: v for k, v in training.items() if fold(k) != fold(key)} | {key: given}
    return TrainingConfig.from_json(training, "training")


def _evaluation(network: Network, f: Fields) -> tuple[list[Array], list[float]]:
    """The samples to evaluate after the training, checked before it."""
    inputs, expected = (f.array(name, default=()) for name in ("inputs", "expected"))
    f.finish()
    rows, wanted = samples(network, inputs, expected, ("evaluation.inputs", "evaluation.expected"))
    for i, row in enumerate(rows):
        check_input(network, row, f"evaluation.inputs[{i}]")
    return rows, wanted


def _train(job: _Job) -> tuple[TrainingProgress | None, TrainingResult | None]:
    """The last update, and the result unless Ctrl-C came first; the network is then as that update left it."""
    progress: TrainingProgress | None = None
    steps = training_steps(job.network, job.batches, job.config, every_step=True)
    with Bar("training", job.config.epochs, "epoch") as bar, Interrupt() as interrupt:
        try:
            while not interrupt.asked:
                progress = next(steps)
                bar.to(progress.epoch - (not progress.epoch_done), f"loss {progress.loss:.6f}")
        except StopIteration as stop:
            return progress, stop.value
        except LoomError as error:
            raise _placed(job, error) from error
        steps.close()
    return progress, None


def _placed(job: _Job, error: LoomError) -> LoomError:
    """An error of the training with the place in the file that it is about."""
    root = error.where.partition(".")[0].partition("[")[0]
    file, prefix = {
        "batches": (job.data, "") if job.data else (job.file, "batches"),
        "config": (job.file, "training"),
        "layers": (job.file, "network.layers" if job.wrapped else "layers"),
    }.get(root, (None, ""))
    if file is None:
        return error
    try:
        with within(file, prefix, root):
            raise error
    except LoomError as placed:
        return placed


def _interrupted(args: argparse.Namespace, job: _Job, progress: TrainingProgress | None) -> int:
    """Save the network as it is and say so; the exit status of a program ended by Ctrl-C."""
    saved = bool(args.output and progress)
    if saved:
        job.network.save_model(args.output, job.network.model_id or "model")
    if args.json:
        record = {} if progress is None else progress.to_json()
        print_json({"interrupted": True, **record, "seed": job.network.seed, "output": args.output if saved else None})
    done = f"after update {progress.step}, in epoch {progress.epoch} of {progress.epochs}" if progress else "at once"
    print(f"interrupted {done}; " + (f"written to {args.output}" if saved else "nothing was written"), file=sys.stderr)
    return 130


def _read(path: str) -> Any:
    return parse_json(read_file(path), where=path)

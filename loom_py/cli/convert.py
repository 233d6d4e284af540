"""Write a GGUF file in the Hugging Face layout, or a checkpoint as a network of LOOM's layers."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ..errors import InputError
from ..formats.files import checked_path
from ..formats.source import FileSource
from ..generation.opening import model_files
from ..models.convert import convert_gguf
from ..network.from_checkpoint import network_from_checkpoint
from ..output import print_json
from ..progress import Bar

MAX_JSON = 5_000_000
"""Weights beyond so many numbers go into a file beside the bundle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .gguf or one part of it; for a network also a directory")
    parser.add_argument(
        "target", metavar="TARGET", help="a directory to write, which must not exist or be a conversion; or NAME.json"
    )
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), help="of a directory's weights")
    parser.add_argument("--head", action="store_true", help="let a network give logits in place of hidden states")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def run(args: argparse.Namespace) -> int:
    target = checked_path(args.target, "TARGET")
    return _network(args, target) if target.suffix.lower() == ".json" else _directory(args, target)


def _directory(args: argparse.Namespace, target: Path) -> int:
    if args.head:
        raise InputError("is for networks", where="--head", remedy="Give a target that ends in .json.")
    path = checked_path(args.model, "MODEL")
    with Bar("converting", 0, "B") as bar:
        report = convert_gguf(
            list(model_files(path).values()) if path.is_file() and path.suffix.lower() == ".gguf" else FileSource(path),
            target,
            dtype=args.dtype or "float32",
            overwrite=args.overwrite,
            progress=bar.update,
        )
    if args.json:
        print_json(dataclasses.asdict(report))
    else:
        print(f"written to {target}")
    return 0


def _network(args: argparse.Namespace, target: Path) -> int:
    if args.dtype:
        remedy = "Leave it out, or give a directory as target."
        raise InputError("is for directories: networks are float32", where="--dtype", remedy=remedy)
    if target.exists() and not args.overwrite:
        raise InputError("exists", where=str(target), remedy="Choose another name, or ask for it to be overwritten.")
    model_id = target.stem
    network = network_from_checkpoint(args.model, head=args.head, model_id=model_id)
    weights = "json" if network.get_total_parameters() <= MAX_JSON else "safetensors"
    network.save_model(str(target), model_id, weights)
    if args.json:
        print_json({"file": str(target), "id": model_id, "layers": len(network.layers), "weights": weights})
    else:
        print(f"written to {target} as {model_id}, {len(network.layers)} layers")
    return 0

"""Write a checkpoint in another layout: GGUF as a directory and the reverse, or a network of LOOM's layers."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import get_args

from ..errors import InputError
from ..formats.files import checked_path
from ..formats.narrow import FloatType
from ..formats.source import FileSource
from ..generation.opening import model_files
from ..generation.to_gguf import convert_to_gguf
from ..models.convert import convert_gguf
from ..models.gguf_export import STORAGES
from ..network.from_checkpoint import network_from_checkpoint
from ..output import print_json
from ..progress import Bar

MAX_JSON = 5_000_000
"""Weights beyond so many numbers go into a file beside the bundle."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a directory in the Hugging Face layout, or a .gguf")
    parser.add_argument(
        "target",
        metavar="TARGET",
        help="for a .gguf a directory, which must not exist or be a conversion; for a directory NAME.gguf;"
        " for a network NAME.json",
    )
    parser.add_argument(
        "--dtype", choices=STORAGES, help="of weights; a .gguf keeps them as stored, a directory widens"
    )
    parser.add_argument(
        "--head",
        action=argparse.BooleanOptionalAction,
        help="let a network give logits in place of hidden states; or leave an encoder's head out of a .gguf",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def run(args: argparse.Namespace) -> int:
    target = checked_path(args.target, "TARGET")
    kinds = {".json": _network, ".gguf": _gguf}
    return kinds.get(target.suffix.lower(), _directory)(args, target)


def _directory(args: argparse.Namespace, target: Path) -> int:
    if args.head is not None:
        raise InputError("is for networks and .gguf files", where="--head", remedy="Leave it out.")
    if args.dtype not in (None, *get_args(FloatType)):
        remedy = f"Choose one of {', '.join(get_args(FloatType))}, or a target that ends in .gguf."
        raise InputError(f"{args.dtype} is for .gguf files", where="--dtype", remedy=remedy)
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


def _gguf(args: argparse.Namespace, target: Path) -> int:
    with Bar("converting", 0, "B") as bar:
        report, notices = convert_to_gguf(
            args.model,
            target,
            dtype=args.dtype,
            head=args.head is not False,
            overwrite=args.overwrite,
            progress=bar.update,
        )
    if args.json:
        print_json(dataclasses.asdict(report) | {"notices": notices})
        return 0
    for notice in notices:
        print(f"note: {notice}", file=sys.stderr)
    print(f"written to {target}")
    return 0


def _network(args: argparse.Namespace, target: Path) -> int:
    if args.dtype:
        remedy = "Leave it out, or give a directory as target."
        raise InputError("is for directories: networks are float32", where="--dtype", remedy=remedy)
    if target.exists() and not args.overwrite:
        raise InputError("exists", where=str(target), remedy="Choose another name, or ask for it to be overwritten.")
    model_id = target.stem
    network = network_from_checkpoint(args.model, head=bool(args.head), model_id=model_id)
    weights = "json" if network.get_total_parameters() <= MAX_JSON else "safetensors"
    network.save_model(str(target), model_id, weights)
    if args.json:
        print_json({"file": str(target), "id": model_id, "layers": len(network.layers), "weights": weights})
    else:
        print(f"written to {target} as {model_id}, {len(network.layers)} layers")
    return 0

"""Write a GGUF file as a directory in the Hugging Face layout (config, tokenizer, safetensors)."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ..formats.source import FileSource
from ..generation.opening import model_files
from ..models.convert import convert_gguf
from ..output import print_json
from ..progress import Bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gguf", metavar="GGUF", help="the file to read, or one part of it")
    parser.add_argument("directory", metavar="DIR", help="the directory to write; must not exist or be a conversion")
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in the directory")


def run(args: argparse.Namespace) -> int:
    path = Path(args.gguf)
    with Bar("converting", 0, "B") as bar:
        report = convert_gguf(
            list(model_files(path).values()) if path.is_file() and path.suffix.lower() == ".gguf" else FileSource(path),
            Path(args.directory),
            dtype=args.dtype,
            overwrite=args.overwrite,
            progress=bar.update,
        )
    if args.json:
        print_json(dataclasses.asdict(report))
    else:
        print(f"written to {args.directory}")
    return 0

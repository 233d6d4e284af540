"""Vectors of texts, which are read as a JSON array from standard input."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from ..errors import InputError
from ..generation.embedding import EmbedProgress
from ..output import print_json
from ..progress import Bar, to_end
from ..runtime.pending import Waiting
from ..schema.fields import json_type
from ..schema.strict import parse_json
from .device import chosen
from .language_model import add_model, load_any

STDIN = "standard input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--prompt", metavar="NAME", help="one of the model's prompts, to put before each text")


def run(args: argparse.Namespace) -> int:
    texts = _texts()
    with chosen(args):
        model = load_any(args, tokenizer=True)
        with Bar("embedding", len(texts)) as bar:

            def show(step: EmbedProgress | Waiting) -> None:
                if isinstance(step, EmbedProgress):
                    bar.to(step.done)

            vectors = to_end(model.embed_steps(texts, prompt=args.prompt), show)
    if args.json:
        print_json(vectors.astype(float).tolist())
        return 0
    for text, vector in zip(texts, vectors, strict=True):
        print(f"{text[:60]!r}: {len(vector)} numbers, norm {np.linalg.norm(vector):.4f}")
    return 0


def _texts() -> list[str]:
    values = parse_json(sys.stdin.buffer.read(), where=STDIN)
    if not isinstance(values, list):
        raise InputError(f"expected a JSON array of texts, got {json_type(values)}", where=STDIN)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise InputError(f"expected a text, got {json_type(value)}", where=f"{STDIN}[{i}]")
    return values

"""What the commands that run a language model share: loading it, and token ids on the command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import InputError
from ..generation.language_model import LanguageModel
from ..generation.loading import model_files
from ..generation.on_device import ACTIVATIONS
from ..generation.placing import load_any_to_device, load_to_device
from ..generation.text_encoder import TextEncoder
from ..progress import Bar, to_end
from ..runtime.choice import NUMPY
from ..schema.fields import is_whole, shown
from ..schema.strict import parse_json
from .device import add_device


def add_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, metavar="FILE", help="a .gguf, or a directory in the Hugging Face layout")
    add_device(parser, "auto")
    activations = "of a device, what quantised weights are multiplied with: 16 bits or float32"
    add("--activations", choices=ACTIVATIONS, default="q16", help=activations)


def load_with_reason(args: argparse.Namespace, *, tokenizer: bool) -> tuple[LanguageModel, str]:
    """The model that the arguments name, and why it is on its device; `tokenizer` says whether it must have one."""
    steps = load_to_device(
        model_files(args.model), Path(args.model).name, activations=args.activations, tokenizer=tokenizer
    )
    with Bar("loading", 0, "B") as bar:
        return to_end(steps, lambda p: bar.update(p.loaded, p.total, p.tensor))


def load(args: argparse.Namespace, *, tokenizer: bool) -> LanguageModel:
    """The language model, with notes on what its user should know."""
    model, reason = load_with_reason(args, tokenizer=tokenizer)
    _note(args, model, reason)
    return model


def load_any(args: argparse.Namespace, *, tokenizer: bool) -> LanguageModel | TextEncoder:
    """The same for any model, encoders too."""
    steps = load_any_to_device(
        model_files(args.model), Path(args.model).name, activations=args.activations, tokenizer=tokenizer
    )
    with Bar("loading", 0, "B") as bar:
        model, reason = to_end(steps, lambda p: bar.update(p.loaded, p.total, p.tensor))
    _note(args, model, reason)
    return model


def _note(args: argparse.Namespace, model: LanguageModel | TextEncoder, reason: str) -> None:
    if model.device == NUMPY and args.device != NUMPY:
        print(f"note: on NumPy, which is slow: {reason}", file=sys.stderr)
    for notice in model.notices:
        print(f"note: {notice}", file=sys.stderr)


def token_ids(text: str) -> list[int]:
    """The value of `--ids`, a JSON array of whole numbers."""
    values = parse_json(text, where="--ids")
    if not isinstance(values, list):
        raise InputError(f"expected a JSON array of token ids, got {shown(values)}", where="--ids")
    for i, value in enumerate(values):
        if not is_whole(value, exact=True):
            raise InputError(f"expected a token id, got {shown(value)}", where=f"--ids[{i}]")
    return values

"""Say where the time goes, kernel by kernel, in a step of a language model or a pass of a network.

A language model (--model) is measured at one token of an answer, or at a chunk of a prompt with --tokens 64; a network
(--network: a JSON configuration or a saved bundle) at a forward pass, or at a whole update with --step training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator
from pathlib import Path

from ..formats.files import read_json_file
from ..formats.source import FileSource
from ..generation.on_device import ACTIVATIONS
from ..network.profilable import STEPS
from ..output import print_json
from ..progress import Bar, to_end
from ..runtime.pending import Waiting
from ..runtime.profiling import Measured, Profile
from ..schema.strict import MAX_BYTES
from .device import add_device, chosen
from .language_model import load_with_reason
from .network_file import built


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="PATH", help="a .gguf file or a directory in Hugging Face's layout")
    what.add_argument("--network", metavar="FILE", help="a JSON configuration of a network, or a saved one")
    parser.add_argument("--tokens", type=int, default=1, metavar="N", help="model: tokens fed at once, 1 … 64")
    parser.add_argument("--context", type=int, metavar="N", help="model: tokens before them; 128 if not given")
    parser.add_argument("--activations", choices=ACTIVATIONS, default="q16", help="model: of quantised weights")
    parser.add_argument("--step", choices=STEPS, default="forward", help="network: what to measure")
    parser.add_argument("--rows", type=int, default=32, metavar="N", help="network: samples at once")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="runs whose best counts")
    add_device(parser, default="auto")


def run(args: argparse.Namespace) -> int:
    with chosen(args):
        profile = _model(args) if args.model is not None else _network(args)
    if args.json:
        print_json(profile.to_json())
    else:
        print(profile)
    return 0


def _model(args: argparse.Namespace) -> Profile:
    model, reason = load_with_reason(args, tokenizer=True)
    print(f"on {model.device}: {reason}", file=sys.stderr)
    return _shown(model.profile_steps(args.tokens, args.context, args.repeats))


def _network(args: argparse.Namespace) -> Profile:
    source = FileSource(Path(args.network))
    source.name = args.network
    network = built(read_json_file(source, max_bytes=MAX_BYTES), args.network)
    return _shown(network.profile_steps(None, args.step, args.device, args.repeats, args.rows))


def _shown(steps: Generator[Waiting | Measured, None, Profile]) -> Profile:
    with Bar("measuring", 0, "kernel") as bar:
        return to_end(steps, lambda s: bar.update(s.loaded, s.total) if isinstance(s, Measured) else None)

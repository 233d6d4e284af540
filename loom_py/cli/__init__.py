"""The command line: one command a file, each with `add_arguments(parser)` and `run(args) -> int`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import LoomError
from . import convert, generate, inspect, tokenize, train

COMMANDS = {"inspect": inspect, "convert": convert, "tokenize": tokenize, "generate": generate, "train": train}


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loom_py", description="Neural networks that live in a web page.")
    parser.add_argument("--version", action="version", version=f"loom_py {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        lines = (module.__doc__ or "").strip().splitlines()
        sub = commands.add_parser(name, help=lines[0].rstrip("."), description=module.__doc__)
        sub.add_argument("--json", action="store_true", help="write the result as JSON")
        module.add_arguments(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 1 on an error that was explained, 2 on wrong usage, 130 when interrupted."""
    args = build_parser().parse_args(argv)
    try:
        return COMMANDS[args.command].run(args)
    except LoomError as error:
        if args.json:
            detail = {"type": type(error).__name__, "message": error.message, "where": error.where}
            print(json.dumps({"error": {**detail, "remedy": error.remedy}}, ensure_ascii=False))
        print(f"loom_py {args.command}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"loom_py {args.command}: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def silence_broken_pipe() -> None:
    """After the reader of our output went away: let the interpreter exit without a second complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

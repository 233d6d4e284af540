"""The command line: one command a file, each with `add_arguments(parser)` and `run(args) -> int`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from ..errors import LoomError
from ..output import accept_any_text, print_json
from ..version import __version__
from . import convert, demo, embed, generate, inspect, logits, profile, tokenize, train, verify, welvet

COMMANDS = {
    "inspect": inspect,
    "convert": convert,
    "verify": verify,
    "tokenize": tokenize,
    "generate": generate,
    "logits": logits,
    "embed": embed,
    "train": train,
    "profile": profile,
    "demo": demo,
    "welvet": welvet,
}


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
    """Run one command; 0 on success, 1 on an error that was explained, 2 on wrong usage, 130 when interrupted.

    141 if the reader of standard output went away (`| head`), as for a program ended by the signal.
    """
    accept_any_text()
    args = build_parser().parse_args(argv)
    try:
        status = _run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        _silence_stdout()
        return 141


def _run(args: argparse.Namespace) -> int:
    try:
        return COMMANDS[args.command].run(args)
    except LoomError as error:
        return _explain(args, error, error.message, error.where, error.remedy)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = "" if error.filename is None else os.fsdecode(error.filename)
        return _explain(args, error, error.strerror or str(error), place)
    except KeyboardInterrupt:
        print(f"loom_py {args.command}: interrupted", file=sys.stderr)
        return 130


def _explain(args: argparse.Namespace, error: Exception, message: str, where: str, remedy: str = "") -> int:
    """Print an error, with --json on standard output too."""
    if args.json:
        detail = {"type": type(error).__name__, "message": message, "where": where, "remedy": remedy}
        print_json({"error": detail})
    text = str(LoomError(message, where=where, remedy=remedy))
    print(f"loom_py {args.command}: {text}", file=sys.stderr)
    return 1


def _silence_stdout() -> None:
    """Let the interpreter flush to a closed pipe without a second complaint."""
    with contextlib.suppress(OSError, ValueError):  # not a real file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

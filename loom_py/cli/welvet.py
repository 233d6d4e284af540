"""Let every program of this environment `import welvet`, the original's name for `loom_py.simple`.

Writes one file beside the installed packages. Where the original's package is installed, it stays what `import welvet`
gives, and nothing is written.
"""

from __future__ import annotations

import argparse

from ..compat import import_name
from ..output import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remove", action="store_true", help="remove that file again")


def run(args: argparse.Namespace) -> int:
    if args.remove:
        removed = import_name.remove()
        sentence = "the name welvet is unknown again" if removed else "there was nothing to remove"
        return _report(args, sentence, file=str(import_name.place()), installed=False)
    original = import_name.installed()
    if original:
        sentence = f"the original's package is installed ({original}) and stays; use `from loom_py import simple`"
        return _report(args, sentence, file=original, installed=False)
    file = import_name.install()
    return _report(args, f"`import welvet` now gives loom_py.simple ({file})", file=str(file), installed=True)


def _report(args: argparse.Namespace, sentence: str, **record: object) -> int:
    if args.json:
        print_json(record)
    else:
        print(sentence)
    return 0

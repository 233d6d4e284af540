"""Rerun the original's tests 1 to 19 and compare them with its claims and with plain baselines."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, LoomError
from ..output import accept_any_text, print_json
from ..progress import Bar
from ..schema.strict import parse_json
from . import EXPERIMENTS, METHODS, Options, assess, check, plots, text


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loom_py.assess", description=__doc__)
    add = parser.add_argument
    add("--list", action="store_true", help="name the experiments, networks and methods, and stop")
    add("--only", default="", metavar="N,…", help="experiments to run: 1 … 19 (all)")
    add("--models", default="", metavar="NAME,…", help="networks, such as Dense-3L (each experiment's own)")
    add("--methods", default="", metavar="NAME,…", help="methods, such as StepTweenChain (each experiment's own)")
    add("--runs", type=int, default=3, metavar="N", help="runs of every network by every method (3)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the first run; the others follow (0)")
    add("--scale", type=float, default=1.0, metavar="X", help="factor of every length (1)")
    add("--rate", type=int, default=0, metavar="N", help="ticks a second; 1 to 12: samples (each experiment's own)")
    add("--clock", default="ticks", choices=("ticks", "wall"), help="wall: real seconds, as the original; varies")
    add("--processes", type=int, default=1, metavar="N", help="runs at a time, by joblib; 0: one a processor (1)")
    add("--backend", default="", metavar="NAME", help="of joblib: loky, multiprocessing, dask, ray, …")
    add("--address", default="", metavar="URL", help="of the Dask scheduler or the Ray cluster")
    add("--keep", metavar="FILE", help="write every run here as it ends, and go on from what the file holds")
    add("--json", action="store_true", help="print the record instead of tables")
    add("--output", metavar="FILE", help="write the record as JSON")
    add("--input", metavar="FILE", help="run nothing: show the record that --output has written")
    add("--plot", metavar="DIR", help="draw every experiment into this folder, by matplotlib")
    add("--plot-kind", default="svg", choices=plots.KINDS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 on success, 1 after a reported error, 2 for wrong usage, 130 when interrupted."""
    accept_any_text()
    args = build_parser().parse_args(argv)
    try:
        return _run(args)
    except LoomError as error:
        if args.json:
            detail = {"message": error.message, "where": error.where, "remedy": error.remedy}
            print_json({"error": {"type": type(error).__name__, **detail}})
        print(f"loom_py.assess: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"loom_py.assess: {error.filename or 'file'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("loom_py.assess: interrupted", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    if args.list:
        print(_listing())
        return 0
    if args.plot:
        plots.require()  # fail before an hour's work, not after it
    record = check(parse_json(Path(args.input).read_bytes(), where=args.input)) if args.input else _assess(args)
    if args.output:
        _write(Path(args.output), record)
    if args.plot:
        for path in plots.plot(record, args.plot, args.plot_kind):
            print(f"drawn: {path}", file=sys.stderr)
    if args.json:
        print_json(record, allow_nan=False)
    else:
        print(text(record))
    return 0


def _assess(args: argparse.Namespace) -> dict[str, Any]:
    options = Options(
        only=tuple(_number(part) for part in _parts(args.only)),
        models=_parts(args.models),
        methods=_parts(args.methods),
        runs=args.runs,
        seed=args.seed,
        scale=args.scale,
        clock=args.clock,
        rate=args.rate,
    )
    if args.output and not Path(args.output).absolute().parent.is_dir():
        raise InputError("the folder does not exist", where=args.output, remedy="Create it first.")
    with Bar("runs", 0, "run") as bar:
        return assess(
            options,
            processes=args.processes,
            backend=args.backend,
            address=args.address,
            keep=args.keep,
            progress=bar.update,
        )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _number(part: str) -> int:
    if not part.isdigit():
        raise InputError(f"expected numbers, got {part!r}", where="only", remedy="For example: --only 17,19.")
    return int(part)


def _write(path: Path, record: dict[str, Any]) -> None:
    """Write the file atomically, one line per table row, so that diffs are readable."""
    half = path.with_name(path.name + ".part")
    half.write_text(dump(record), encoding="utf-8")
    os.replace(half, path)


def dump(record: dict[str, Any]) -> str:
    """JSON with one line per table row."""
    head = {key: value for key, value in record.items() if key != "experiments"}
    lines = [f"  {json.dumps(key)}: {json.dumps(value, allow_nan=False)}," for key, value in head.items()]
    blocks = []
    for e in record["experiments"]:
        fields = [f"      {json.dumps(k)}: {json.dumps(v, allow_nan=False)}," for k, v in e.items() if k != "rows"]
        rows = ",\n".join(f"        {json.dumps(row, allow_nan=False)}" for row in e["rows"])
        blocks.append("    {\n" + "\n".join(fields) + '\n      "rows": [\n' + rows + "\n      ]\n    }")
    body = ",\n".join(blocks)
    return "{\n" + "\n".join(lines) + '\n  "experiments": [\n' + body + "\n  ]\n}\n"


def _listing() -> str:
    lines = ["experiments"]
    for e in EXPERIMENTS.values():
        length = (
            f"{e.seconds:g} epochs of {e.rate} samples" if e.by_epochs else f"{e.seconds:g} s, {e.rate} ticks a second"
        )
        lines.append(f"  {e.number:2d}  {e.title}: {length}")
        lines.append(f"      networks: {', '.join(e.models)}")
        lines.append(f"      methods:  {', '.join(e.methods)}")
    lines.append("methods")
    lines += [f"  {name:15s} {m.origin:9s} {m.about}" for name, m in METHODS.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

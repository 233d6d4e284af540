"""Compare a model's answers with a reference: a checkpoint, or a network that was made of one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..formats.files import read_json_file
from ..formats.source import FileSource
from ..generation.loading import load_any_model
from ..network.model_bundle import load_bundle
from ..output import print_json
from ..schema.fields import FILE, Fields
from ..schema.strict import MAX_BYTES

LEAST = 0.99999
"""The least cosine similarity that passes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .gguf, a directory, or a .json bundle")
    reference = '{"ids": [[…]], "logits": [[[…]]]}, or "hidden" for hidden states'
    parser.add_argument("reference", metavar="REFERENCE", help=f"a JSON file: {reference}".replace("%", "%%"))
    parser.add_argument("--id", default="", metavar="ID", help="which network of a bundle (default: the first)")


def run(args: argparse.Namespace) -> int:
    prompts, what, expected = _reference(args.reference)
    answer = _answers(args.model, args.id, what)
    rows: list[dict[str, Any]] = []
    for i, (ids, rows_expected) in enumerate(zip(prompts, expected, strict=True)):
        given = np.asarray(answer(ids), np.float64)
        if given.size != rows_expected.size:
            message = f"the model gives {given.size} numbers, the reference has {rows_expected.size}"
            raise InputError(message, where=f"{args.reference} at {what}[{i}]")
        rows.append({"tokens": len(ids), **_compared(given.ravel(), rows_expected.ravel())})
    passed = all(row["cosine"] >= LEAST for row in rows)
    if args.json:
        print_json({"of": what, "prompts": rows, "passed": passed})
    else:
        for row in rows:
            error = f"error {row['error']:.1e} of the norm"
            print(f"{row['tokens']} tokens: cosine similarity of {what} {row['cosine']:.7f}, {error}")
        print("passed" if passed else f"failed: below {LEAST}")
    return 0 if passed else 1


def _compared(given: NDArray[np.float64], expected: NDArray[np.float64]) -> dict[str, float]:
    """Cosine similarity, and ‖given − expected‖ / ‖expected‖."""
    norm = float(np.linalg.norm(expected))
    scale = float(np.linalg.norm(given)) * norm
    cosine = float(given @ expected) / scale if scale else float(np.array_equal(given, expected))
    return {"cosine": cosine, "error": float(np.linalg.norm(given - expected)) / norm if norm else 0.0}


def _reference(path: str) -> tuple[list[list[int]], str, list[NDArray[np.float64]]]:
    """The prompts, which of logits and hidden states the file has, and these of each prompt."""
    source = FileSource(path)
    source.name = path
    fields = Fields(read_json_file(source, max_bytes=MAX_BYTES), file=path, rules=FILE)
    what = next((key for key in ("logits", "hidden") if fields.has(key)), "")
    if not what:
        raise fields.error("has neither logits nor hidden")
    ids, values = fields.array("ids"), fields.array(what)
    if ids and not isinstance(ids[0], list):
        ids, values = [ids], [values]
    if len(ids) != len(values) or not ids:
        raise fields.error(f"expected {len(ids) or 'some'} prompts, got {len(values)}", what)
    prompts = [
        Fields({"ids": prompt}, f"ids[{i}]", file=path, rules=FILE).integers("ids") for i, prompt in enumerate(ids)
    ]
    try:
        return prompts, what, [np.asarray(value, np.float64) for value in values]
    except (TypeError, ValueError):
        raise fields.error("expected arrays of numbers, a row for each token", what) from None


def _answers(model: str, model_id: str, what: str) -> Callable[[list[int]], NDArray[Any]]:
    """Token ids → logits or hidden states. A bundle's network gives those that it was made for."""
    if Path(model).suffix.lower() == ".json" and Path(model).name != "config.json":
        bundle = load_bundle(model)
        network = bundle.get_model(model_id or bundle.model_ids()[0])
        return lambda ids: network.forward(np.array([ids], np.float32))
    loaded = load_any_model(model)
    return loaded.logits if what == "logits" else loaded.hidden

"""Describe a model's directory or a file: GGUF, safetensors, a tokenizer, a LOOM bundle or a network configuration."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..formats.checkpoint import Checkpoint
from ..formats.files import checked_path, read_json_file
from ..formats.gguf import GGUFFile
from ..formats.safetensors import SafetensorsFile
from ..formats.source import FileSource
from ..generation.inspecting import inspect_model
from ..generation.opening import model_files
from ..models.inspect_checkpoint import inspect_checkpoint
from ..network.bundle import TYPE
from ..network.model_bundle import load_bundle
from ..network.network import Network
from ..output import print_json
from ..runtime.choice import open_fastest
from ..schema.strict import MAX_BYTES
from ..text.tokenizer import Tokenizer
from .network_file import built
from .places import within

MAX_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="PATH")


def run(args: argparse.Namespace) -> int:
    report = describe(checked_path(args.file, "PATH"))
    if args.json:
        print_json(report)
        return 0
    for key, value in report.items():
        if isinstance(value, list):
            print(f"{key}: {len(value)}")
            for row in value:
                print("  " + "  ".join(str(v) for v in (row.values() if isinstance(row, dict) else [row])))
        elif isinstance(value, dict):
            print(f"{key}:")
            for name, item in value.items():
                print(f"  {name} = {item}")
        else:
            print(f"{key}: {value}")
    return 0


def describe(path: Path) -> dict[str, Any]:
    """What `inspect` reports, as JSON values."""
    if path.is_dir():
        return _model(path)
    source = FileSource(path)
    source.name = str(path)  # errors name what the user typed
    if source.read(0, min(4, source.size)) == b"GGUF":
        file = GGUFFile(source)
        metadata = {key: _short(value) for key, value in file.metadata.items()}
        return {
            "format": f"GGUF v{file.version}",
            "size": source.size,
            "metadata": metadata,
            **_model(path),
            **_tensors(file),
        }
    if path.suffix == ".safetensors":
        tensors = SafetensorsFile(source)
        head = {"format": "safetensors", "size": source.size, "metadata": dict(tensors.metadata), **_tensors(tensors)}
        is_model = (path.parent / "config.json").is_file()
        return head | (_model(path) if is_model else {}) | _layers(tensors)
    value = read_json_file(source, max_bytes=MAX_BYTES)
    if isinstance(value, Mapping) and value.get("type") == TYPE:
        with within(str(path), root="bundle"):
            models = [_network(network, name) for name, network in load_bundle(path).items()]
        return {"format": "LOOM bundle", "size": source.size, "models": models}
    if isinstance(value, Mapping) and "added_tokens" in value:
        with within(str(path)):
            vocab_size = Tokenizer.from_json(value).vocab_size
        return {"format": "tokenizer.json", "size": source.size, "vocab_size": vocab_size}
    return {"format": "LOOM configuration", "size": source.size, "models": [_network(built(value, str(path)), "")]}


def _model(path: Path) -> dict[str, Any]:
    """The language model that a path names: what it is, what it needs, whether it fits here, what is missing."""
    try:
        files = model_files(path)
    except ModelError as error:
        if path.is_dir():
            raise
        return {"model": {"problem": str(error)}}  # the file itself can be described all the same
    report = inspect_model(files, path.name, preference=open_fastest()).to_json()
    return {"model": {key: value for key, value in report.items() if value not in (None, "", [])}}


def _tensors(file: Checkpoint) -> dict[str, Any]:
    rows = [file.info(name) for name in file.names()]
    return {
        "parameters": sum(_count(row.shape) for row in rows),
        "tensors": [{"name": r.name, "dtype": r.dtype, "shape": list(r.shape), "bytes": r.nbytes} for r in rows],
    }


def _layers(file: Checkpoint) -> dict[str, Any]:
    """The layers that the tensors look like."""
    report = inspect_checkpoint(file)
    keys = ("name", "kind", "confidence", "reason", "parameters")
    guesses = [{key: getattr(layer, key) for key in keys} for layer in report.layers]
    return {"kinds": report.kinds, "blocks": report.blocks, "layers": guesses}


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


def _network(network: Network, name: str) -> dict[str, Any]:
    kinds = " → ".join(layer.kind for layer in network.layers)
    return {"id": name, **network.get_network_info(), "parameters": network.get_total_parameters(), "layers": kinds}


def _short(value: Any) -> Any:
    """Long arrays and strings, cut to their beginning."""
    if isinstance(value, str):
        return value if len(value) <= 200 else f"{value[:200]}… ({len(value)} characters)"
    if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        items = [v if isinstance(v, (str, int, float, bool)) else str(v) for v in value[:MAX_SHOWN]]
        return items if len(value) <= MAX_SHOWN else [*items, f"… {len(value)} in all"]
    return value

"""Networks from JSON: with fresh weights from a configuration, with their own from a bundle."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..errors import FormatError
from ..formats.files import read_file
from ..formats.safetensors import SafetensorsFile
from ..formats.source import FileSource, Source
from ..nn import Layer
from ..nn.layer import Params, buffer_leaves, initial_params, leaves
from ..schema.fields import json_type
from ..schema.strict import parse_json
from ..training.state import TrainingState
from .bundle import EXTERNAL, FORMAT, TYPE, VERSION
from .config import parse_config
from .network import Network

if TYPE_CHECKING:
    from ..generation.language_model import LanguageModel
    from ..generation.loading import LoadProgress
    from ..runtime.device import Device

Files = Mapping[str, Source]


def build_network_from_json(config: str | bytes | Mapping[str, Any], *, seed: int | None = None) -> Network:
    """A network with fresh weights from a configuration, or with its own weights from a saved bundle.

    **Arguments:**

    - `config`: JSON text or the parsed object. Keys: `layers` (in grid order), `grid_rows`, `grid_cols`,
      `layers_per_cell` (default: one cell with all layers), `batch_size` (1), `input_size`, `seed`, `id`.
    - `seed`: overrides the configuration's.

    Raises `ConfigError` (or `FormatError` for text that is not JSON) with the JSON path.
    """
    value = parse_json(config, where="config") if isinstance(config, (str, bytes)) else config
    if isinstance(value, Mapping) and value.get("type") == TYPE:
        return _first_model(value)
    layers, grid, top = parse_config(value)
    return Network(
        layers,
        grid=grid,
        batch_size=top["batch_size"],
        seed=top["seed"] if seed is None else seed,
        model_id=top["id"],
    )


def load_model_from_string(text: str | bytes, model_id: str, files: Files | None = None) -> Network:
    """The network called `model_id` in a bundle. Raises `FormatError` with the JSON path.

    `files` maps the names of the safetensors files that the bundle refers to, if any, to their sources.
    """
    entries = _entries(parse_json(text, where="bundle"))
    for i, entry in enumerate(entries):
        if entry.get("id") == model_id:
            return _load(entry, f"models[{i}]", files or {})
    names = ", ".join(repr(e.get("id")) for e in entries) or "none"
    raise FormatError(f"model ID {model_id!r} not found in bundle", where="models", remedy=f"It has: {names}.")


def load_bundle(text: str | bytes, files: Files | None = None) -> dict[str, Network]:
    """All networks of a bundle by id; `files` as for `load_model_from_string`."""
    entries = _entries(parse_json(text, where="bundle"))
    return {str(e.get("id")): _load(e, f"models[{i}]", files or {}) for i, e in enumerate(entries)}


def load_bundle_file(path: str | os.PathLike[str]) -> dict[str, Network]:
    """All networks of a bundle file, with the weight files beside it."""
    return load_bundle(read_file(path), _beside(path))


@overload
def load_model(path: str | os.PathLike[str], model_id: str) -> Network: ...


@overload
def load_model(
    path: str | os.PathLike[str],
    model_id: None = None,
    *,
    progress: Callable[[LoadProgress], None] | None = None,
    device: Device | None = None,
    activations: str = "q16",
) -> LanguageModel: ...


def load_model(
    path: str | os.PathLike[str],
    model_id: str | None = None,
    *,
    progress: Callable[[LoadProgress], None] | None = None,
    device: Device | None = None,
    activations: str = "q16",
) -> Network | LanguageModel:
    """With `model_id`, that network of a bundle file; without, the language model of a checkpoint.

    A checkpoint is a `.gguf` file or a directory in the Hugging Face layout; `progress`, `device` and `activations` are
    for those, see `generation.loading`.
    """
    if model_id is not None:
        return load_model_from_string(read_file(path), model_id, _beside(path))
    from ..generation.loading import load_model as load_checkpoint  # not needed by pages without language models

    return load_checkpoint(path, progress, device=device, activations=activations)


def _beside(path: str | os.PathLike[str]) -> Files:
    return {p.name: FileSource(p) for p in Path(path).parent.glob("*.safetensors") if p.is_file()}


def _first_model(bundle: Mapping[str, Any]) -> Network:
    """The first network of a parsed bundle."""
    entries = _entries(bundle)
    if not entries:
        raise FormatError("the bundle holds no models", where="models")
    return _load(entries[0], "models[0]", {})


def _entries(bundle: Any) -> list[Mapping[str, Any]]:
    if not isinstance(bundle, Mapping):
        raise FormatError(f"expected an object, got {json_type(bundle)}", where="bundle")
    if bundle.get("type") != TYPE:
        raise FormatError(f"invalid bundle type: {bundle.get('type')!r}", where="type", remedy=f"Expected {TYPE!r}.")
    if bundle.get("version", VERSION) != VERSION or isinstance(bundle.get("version"), bool):
        raise FormatError(
            f"unsupported version {bundle.get('version')!r}", where="version", remedy=f"Known: {VERSION}."
        )
    models = bundle.get("models")
    if not isinstance(models, list):
        raise FormatError(f"expected an array, got {json_type(models)}", where="models")
    seen: set[str] = set()
    for i, entry in enumerate(models):
        if not isinstance(entry, Mapping):
            raise FormatError(f"expected an object, got {json_type(entry)}", where=f"models[{i}]")
        name = entry.get("id")
        if not isinstance(name, str):
            raise FormatError(f"expected a string, got {json_type(name)}", where=f"models[{i}].id")
        if name in seen:
            raise FormatError(f"two models are called {name!r}", where=f"models[{i}].id")
        seen.add(name)
    return models


def _load(entry: Mapping[str, Any], where: str, files: Files) -> Network:
    layers, grid, top = parse_config(entry.get("cfg"), f"{where}.cfg")
    name = str(entry.get("id", ""))
    weights = entry.get("weights")
    if isinstance(weights, Mapping) and weights.get("fmt") == EXTERNAL:
        params = _external_params(layers, weights.get("file"), files, name, f"{where}.weights.file")
    else:
        params = _inner_params(layers, weights, where)
    network = Network(layers, grid=grid, batch_size=top["batch_size"], seed=top["seed"], params=params, model_id=name)
    if entry.get("training") is not None:
        network.training_state = TrainingState.load_state(entry["training"], network.parameters, f"{where}.training")
    return network


def _external_params(layers: list[Layer], file: Any, files: Files, name: str, where: str) -> list[Params]:
    """Parameters from a safetensors file, every shape checked."""
    if not isinstance(file, str) or file not in files:
        raise FormatError(f"the weight file {file!r} is missing", where=where, remedy="Keep it beside the bundle.")
    store = SafetensorsFile(files[file])
    params = []
    for i, layer in enumerate(layers):
        (tree,) = initial_params([layer], 0)
        place = f"{name}/layers.{i}"
        for path, a in (*leaves(tree, place), *buffer_leaves(tree, place)):
            if path not in store:
                raise FormatError(f"the tensor {path} is missing", where=file)
            info = store.info(path)
            if tuple(info.shape) != a.shape:
                raise FormatError(f"{path} has shape {list(info.shape)}, expected {list(a.shape)}", where=file)
            a[...] = store.load(path)
        params.append(tree)
    return params


def _inner_params(layers: list[Layer], weights: Any, where: str) -> list[Params]:
    """Parameters from the weight records in the JSON."""
    records = _weights(weights, f"{where}.weights")
    if len(records) != len(layers):
        raise FormatError(
            f"layer count mismatch: config={len(layers)}, weights={len(records)}", where=f"{where}.weights"
        )
    params = []
    for i, (layer, record) in enumerate(zip(layers, records, strict=True)):
        place = f"{where}.weights.layers[{i}]"
        if not isinstance(record, Mapping):
            raise FormatError(f"expected an object, got {json_type(record)}", where=place)
        params.append(layer.weights_from_json(record, place))
    return params


def _weights(weights: Any, where: str) -> list[Any]:
    """The decoded weight records."""
    if not isinstance(weights, Mapping):
        raise FormatError(f"expected an object, got {json_type(weights)}", where=where)
    if weights.get("fmt") != FORMAT:
        raise FormatError(
            f"unknown format {weights.get('fmt')!r}", where=f"{where}.fmt", remedy=f"Known: {FORMAT}, {EXTERNAL}."
        )
    data = weights.get("data")
    if not isinstance(data, str):
        raise FormatError(f"expected a string, got {json_type(data)}", where=f"{where}.data")
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"failed to decode weights: not base64 ({error})", where=f"{where}.data") from error
    payload = parse_json(decoded, where=f"{where}.data")
    if not isinstance(payload, Mapping) or not isinstance(payload.get("layers"), list):
        raise FormatError("failed to decode weights: no array of layers", where=f"{where}.data.layers")
    if payload.get("type", "float32") != "float32":
        raise FormatError(
            f"unknown weight type {payload.get('type')!r}", where=f"{where}.data.type", remedy="Known: float32."
        )
    return payload["layers"]

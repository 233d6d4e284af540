"""Networks from JSON: with fresh weights from a configuration, with their own from a bundle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..errors import FormatError
from ..formats.files import read_file
from ..formats.safetensors import SafetensorsFile
from ..formats.source import FileSource, Source
from ..nn import Layer
from ..nn.layer import Params, buffer_leaves, initial_params, leaves
from ..schema.fields import FILE, Fields
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
BUNDLE = replace(FILE, root="bundle")


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
    if model_id in entries:
        return _load(entries[model_id], files or {})
    names = ", ".join(map(repr, entries)) or "none"
    raise FormatError(f"model ID {model_id!r} not found in bundle", where="models", remedy=f"It has: {names}.")


def load_bundle(text: str | bytes, files: Files | None = None) -> dict[str, Network]:
    """All networks of a bundle by id; `files` as for `load_model_from_string`."""
    entries = _entries(parse_json(text, where="bundle"))
    return {model_id: _load(entry, files or {}) for model_id, entry in entries.items()}


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
    return _load(next(iter(entries.values())), {})


def _entries(bundle: object) -> dict[str, Fields]:
    """The entries of a parsed bundle by id."""
    f = Fields(bundle, rules=BUNDLE)
    if f.any("type") != TYPE:
        raise f.error(f"invalid bundle type: {f.any('type')!r}", "type", remedy=f"Expected {TYPE!r}.")
    if f.integer("version", default=VERSION) != VERSION:
        raise f.error(f"unsupported version {f.any('version')}", "version", remedy=f"Known: {VERSION}.")
    entries: dict[str, Fields] = {}
    for entry in f.objects("models", required=True):
        name = entry.string("id")
        if name in entries:
            raise entry.error(f"two models are called {name!r}", "id")
        entries[name] = entry
    return entries


def _load(entry: Fields, files: Files) -> Network:
    layers, grid, top = parse_config(entry.object("cfg").values, entry.at("cfg"))
    name = entry.string("id")
    weights = entry.object("weights")
    if weights.string("fmt", choices=(FORMAT, EXTERNAL)) == EXTERNAL:
        params = _external_params(layers, weights, files, name)
    else:
        params = _inner_params(layers, weights)
    network = Network(layers, grid=grid, batch_size=top["batch_size"], seed=top["seed"], params=params, model_id=name)
    if entry.has("training"):
        state = TrainingState.load_state(entry.any("training"), network.parameters, entry.at("training"))
        network.training_state = state
    return network


def _external_params(layers: list[Layer], weights: Fields, files: Files, name: str) -> list[Params]:
    """Parameters from a safetensors file, every shape checked."""
    file = weights.string("file")
    if file not in files:
        raise weights.error(f"the weight file {file!r} is missing", "file", remedy="Keep it beside the bundle.")
    store = SafetensorsFile(files[file])
    params: list[Params] = []
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


def _inner_params(layers: list[Layer], weights: Fields) -> list[Params]:
    """Parameters from the weight records in the JSON, which are base64 of JSON themselves."""
    place = weights.at("data")
    payload = Fields(parse_json(weights.base64("data"), where=place), place, rules=BUNDLE)
    payload.string("type", default="float32", choices=("float32",))
    records = payload.objects("layers", required=True)
    if len(records) != len(layers):
        raise weights.error(f"layer count mismatch: config={len(layers)}, weights={len(records)}")
    return [layer.weights_from_json(record) for layer, record in zip(layers, records, strict=True)]

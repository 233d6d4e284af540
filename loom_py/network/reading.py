"""What a bundle's JSON says about its networks: layers, weights, training state, all checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import FormatError
from ..formats.safetensors import SafetensorsFile
from ..formats.source import Source
from ..nn import Layer
from ..nn.layer import Params, buffer_leaves, initial_params, leaves
from ..schema.fields import FILE, Fields
from ..schema.strict import parse_json
from .bundle import EXTERNAL, FORMAT, TYPE, VERSION
from .config import parse_config

Files = Mapping[str, Source]
"""The sources of weight files, by the names that bundles give them."""
BUNDLE = replace(FILE, root="bundle")


@dataclass(frozen=True, kw_only=True)
class SavedNetwork:
    """One model of a bundle, ready to become a network; the training state in `entry` is read once that is there."""

    model_id: str
    layers: list[Layer]
    params: list[Params]
    grid: tuple[int, int, int]
    batch_size: int
    seed: int | None
    entry: Fields


def saved_network(text: str | bytes, model_id: str, files: Files | None = None) -> SavedNetwork:
    """The model called `model_id`. Raises `FormatError` with the JSON path."""
    models = bundle_entries(parse_json(text, where="bundle"))
    if model_id in models:
        return read_entry(models[model_id], files or {})
    names = ", ".join(map(repr, models)) or "none"
    raise FormatError(f"model ID {model_id!r} not found in bundle", where="models", remedy=f"It has: {names}.")


def bundle_entries(bundle: object) -> dict[str, Fields]:
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


def read_entry(entry: Fields, files: Files) -> SavedNetwork:
    """One of a bundle's entries, with its weights."""
    layers, grid, top = parse_config(entry.object("cfg").values, entry.at("cfg"))
    name = entry.string("id")
    weights = entry.object("weights")
    if weights.string("fmt", choices=(FORMAT, EXTERNAL)) == EXTERNAL:
        params = _external_params(layers, weights, files, name)
    else:
        params = _inner_params(layers, weights)
    return SavedNetwork(
        model_id=name,
        layers=layers,
        params=params,
        grid=grid,
        batch_size=top["batch_size"],
        seed=top["seed"],
        entry=entry,
    )


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

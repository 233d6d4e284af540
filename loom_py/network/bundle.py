"""LOOM's JSON bundle: `{"type": "modelhost/bundle", "version": 1, "models": [{"id", "cfg", "weights"}]}`.

`weights` is `{"fmt": "jsonModelB64", "data"}`: base64 of a JSON object with one record of flat float lists a layer.
Numbers are the shortest decimals that read back to the same float32, so that a reload is bit-identical.
For big networks the weights can lie beside the JSON: `{"fmt": "safetensors", "file"}` names a safetensors file whose
tensors are called `<model id>/layers.<i>.<parameter>`; the original does not read those.
A network that was trained has one more key, `training`: the optimiser with its state (see `training.state`), which the
original ignores.
"""

from __future__ import annotations

import base64
import binascii
import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import FormatError, InputError
from ..formats.files import read_file, replace_file
from ..formats.safetensors import SafetensorsFile
from ..formats.safetensors_writer import write_safetensors
from ..formats.source import FileSource, Source
from ..nn import Layer
from ..nn.layer import Params, initial_params, leaves
from ..schema.fields import Json, json_type
from ..schema.strict import parse_json
from ..training.state import TrainingState
from .network import Network

TYPE, VERSION, FORMAT, EXTERNAL = "modelhost/bundle", 1, "jsonModelB64", "safetensors"
Files = Mapping[str, Source]


def model_record(network: Network, model_id: str, weights_file: str = "") -> Json:
    """One entry of `models`; the weights inside it, or in `weights_file`."""
    from .config import network_config

    if weights_file:
        weights = {"fmt": EXTERNAL, "file": weights_file}
    else:
        layers = [layer.weights_to_json(p) for layer, p in zip(network.layers, network.params, strict=True)]
        payload = json.dumps({"type": "float32", "layers": layers}, separators=(",", ":"))
        weights = {"fmt": FORMAT, "data": base64.b64encode(payload.encode()).decode("ascii")}
    record: Json = {"id": model_id, "cfg": network_config(network, model_id), "weights": weights}
    if not network.training_state.fresh:
        record["training"] = network.training_state.get_state(network.parameters)
    return record


def dump_bundle(networks: Mapping[str, Network], weights_file: str = "") -> str:
    """A bundle of several networks by id, as text; with `weights_file` their weights are `dump_weights`' bytes."""
    models = [model_record(network, model_id, weights_file) for model_id, network in networks.items()]
    return json.dumps({"type": TYPE, "version": VERSION, "models": models}, indent=2)


def dump_weights(networks: Mapping[str, Network]) -> bytes:
    """All parameters of several networks as one safetensors file, float32 as they are."""
    tensors = {f"{name}/{path}": a for name, network in networks.items() for path, a in network.parameters.items()}
    return write_safetensors(tensors)


def load_model_from_string(text: str | bytes, model_id: str, files: Files | None = None) -> Network:
    """The network called `model_id` in a bundle. Raises `FormatError` with the JSON path.

    `files` holds the safetensors files that the bundle names, by name, if it names any.
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


def save_bundle(path: str | os.PathLike[str], networks: Mapping[str, Network], weights: str = "json") -> None:
    """Write a bundle file; `weights="safetensors"` puts the weights (float32) into a file beside it.

    The weight file's name holds a hash of what is in it, so that an interrupted save leaves the old pair whole; the
    weight file before is removed at the end.
    """
    if weights not in ("json", "safetensors"):
        raise InputError(f"unknown kind of weights {weights!r}", where="weights", remedy="Known: json, safetensors.")
    place = Path(path)
    if weights == "json":
        replace_file(place, dump_bundle(networks).encode())
        return
    data = dump_weights(networks)
    beside = place.with_name(f"{place.name}.{hashlib.sha256(data).hexdigest()[:12]}.safetensors")
    replace_file(beside, data)  # a name of its own: until the bundle names it, the old pair stays whole
    replace_file(place, dump_bundle(networks, beside.name).encode())
    for old in place.parent.glob(f"{glob.escape(place.name)}.*.safetensors"):
        if old != beside and re.fullmatch(r"[0-9a-f]{12}", old.name[len(place.name) + 1 : -len(".safetensors")]):
            old.unlink(missing_ok=True)


def load_bundle_file(path: str | os.PathLike[str]) -> dict[str, Network]:
    """All networks of a bundle file, with the weight files beside it."""
    return load_bundle(read_file(path), _beside(path))


def load_model(path: str | os.PathLike[str], model_id: str) -> Network:
    """One network of a bundle file."""
    return load_model_from_string(read_file(path), model_id, _beside(path))


def _beside(path: str | os.PathLike[str]) -> Files:
    return {p.name: FileSource(p) for p in Path(path).parent.glob("*.safetensors") if p.is_file()}


def load_first_model(bundle: Mapping[str, Any]) -> Network:
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
    from .config import parse_config

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
    """Parameters out of a safetensors file, every shape checked."""
    if not isinstance(file, str) or file not in files:
        raise FormatError(f"the weight file {file!r} is not there", where=where, remedy="Keep it beside the bundle.")
    store = SafetensorsFile(files[file])
    params = []
    for i, layer in enumerate(layers):
        (tree,) = initial_params([layer], 0)
        for path, a in leaves(tree, f"{name}/layers.{i}"):
            if path not in store:
                raise FormatError(f"the tensor {path} is missing", where=file)
            info = store.info(path)
            if tuple(info.shape) != a.shape:
                raise FormatError(f"{path} has shape {list(info.shape)}, expected {list(a.shape)}", where=file)
            a[...] = store.load(path)
        params.append(tree)
    return params


def _inner_params(layers: list[Layer], weights: Any, where: str) -> list[Params]:
    """Parameters out of the records inside the JSON."""
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
        raise FormatError(f"unknown weight type {payload.get('type')!r}", where=f"{where}.data.type")
    return payload["layers"]

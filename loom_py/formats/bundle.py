"""LOOM's JSON bundle: `{"type": "modelhost/bundle", "version": 1, "models": [{"id", "cfg", "weights"}]}`.

`weights` is `{"fmt": "jsonModelB64", "data"}`: base64 of a JSON object with one record of flat float lists a layer.
Numbers are the shortest decimals that read back to the same float32, so that a reload is bit-identical.
A network that was trained has one more key, `training`: the optimiser with its state (see `training.state`), which the
original ignores.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from ..errors import FormatError
from ..network import Network
from ..nn.fields import Json, json_type
from ..training.state import TrainingState
from .json_strict import parse_json

TYPE, VERSION, FORMAT = "modelhost/bundle", 1, "jsonModelB64"


def model_record(network: Network, model_id: str) -> Json:
    """One entry of `models`."""
    from ..config import network_config

    layers = [layer.weights_to_json(p) for layer, p in zip(network.layers, network.params, strict=True)]
    payload = json.dumps({"type": "float32", "layers": layers}, separators=(",", ":"))
    data = base64.b64encode(payload.encode()).decode("ascii")
    record = {"id": model_id, "cfg": network_config(network, model_id), "weights": {"fmt": FORMAT, "data": data}}
    if not network.training_state.fresh:
        record["training"] = network.training_state.get_state(network.parameters)
    return record


def dump_bundle(networks: Mapping[str, Network]) -> str:
    """A bundle of several networks by id, as text."""
    models = [model_record(network, model_id) for model_id, network in networks.items()]
    return json.dumps({"type": TYPE, "version": VERSION, "models": models}, indent=2)


def load_model_from_string(text: str | bytes, model_id: str) -> Network:
    """The network called `model_id` in a bundle. Raises `FormatError` with the JSON path."""
    entries = _entries(parse_json(text, where="bundle"))
    for i, entry in enumerate(entries):
        if entry.get("id") == model_id:
            return _load(entry, f"models[{i}]")
    names = ", ".join(repr(e.get("id")) for e in entries) or "none"
    raise FormatError(f"model ID {model_id!r} not found in bundle", where="models", remedy=f"It has: {names}.")


def load_bundle(text: str | bytes) -> dict[str, Network]:
    """All networks of a bundle by id."""
    return {
        str(e.get("id")): _load(e, f"models[{i}]") for i, e in enumerate(_entries(parse_json(text, where="bundle")))
    }


def load_first_model(bundle: Mapping[str, Any]) -> Network:
    """The first network of a parsed bundle."""
    entries = _entries(bundle)
    if not entries:
        raise FormatError("the bundle holds no models", where="models")
    return _load(entries[0], "models[0]")


def _entries(bundle: Any) -> list[Mapping[str, Any]]:
    if not isinstance(bundle, Mapping):
        raise FormatError(f"expected an object, got {json_type(bundle)}", where="bundle")
    if bundle.get("type") != TYPE:
        raise FormatError(f"invalid bundle type: {bundle.get('type')!r}", where="type", remedy=f"Expected {TYPE!r}.")
    if bundle.get("version", VERSION) != VERSION:
        raise FormatError(
            f"unsupported version {bundle.get('version')!r}", where="version", remedy=f"Known: {VERSION}."
        )
    models = bundle.get("models")
    if not isinstance(models, list):
        raise FormatError(f"expected an array, got {json_type(models)}", where="models")
    for i, entry in enumerate(models):
        if not isinstance(entry, Mapping):
            raise FormatError(f"expected an object, got {json_type(entry)}", where=f"models[{i}]")
    return models


def _load(entry: Mapping[str, Any], where: str) -> Network:
    from ..config import parse_config

    layers, grid, top = parse_config(entry.get("cfg"), f"{where}.cfg")
    records = _weights(entry.get("weights"), f"{where}.weights")
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
    network = Network(
        layers,
        grid=grid,
        batch_size=top["batch_size"],
        seed=top["seed"],
        params=params,
        model_id=str(entry.get("id", "")),
    )
    if entry.get("training") is not None:
        network.training_state = TrainingState.load_state(entry["training"], network.parameters, f"{where}.training")
    return network


def _weights(weights: Any, where: str) -> list[Any]:
    """The decoded weight records."""
    if not isinstance(weights, Mapping):
        raise FormatError(f"expected an object, got {json_type(weights)}", where=where)
    if weights.get("fmt") != FORMAT:
        raise FormatError(f"unknown format {weights.get('fmt')!r}", where=f"{where}.fmt", remedy=f"Known: {FORMAT}.")
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

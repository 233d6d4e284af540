"""LOOM's JSON bundle: `{"type": "modelhost/bundle", "version": 1, "models": [{"id", "cfg", "weights"}]}`.

`weights` is `{"fmt": "jsonModelB64", "data"}`: base64 of a JSON object with one record of flat float lists a layer.
Numbers are the shortest decimals that read back to the same float32, so that a reload is bit-identical.
For big networks the weights can lie beside the JSON: `{"fmt": "safetensors", "file"}` names a safetensors file whose
tensors are called `<model id>/layers.<i>.<parameter or buffer>`; the original does not read those.
A network that was trained has one more key, `training`: the optimiser with its state (see `training.state`), which the
original ignores.
"""

from __future__ import annotations

import base64
import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping

from ..errors import InputError
from ..formats.files import checked_path, replace_file
from ..formats.safetensors_writer import write_safetensors
from ..schema.fields import Json, json_type
from ..training.grid import TrainableGrid
from .config import grid_config

TYPE, VERSION, FORMAT, EXTERNAL = "modelhost/bundle", 1, "jsonModelB64", "safetensors"


def model_record(grid: TrainableGrid, model_id: str, weights_file: str = "") -> Json:
    """One entry of `models`; the weights inside it, or in `weights_file`."""
    if weights_file:
        weights = {"fmt": EXTERNAL, "file": weights_file}
    else:
        layers = [layer.weights_to_json(p) for layer, p in zip(grid.layers, grid.params, strict=True)]
        payload = json.dumps({"type": "float32", "layers": layers}, separators=(",", ":"))
        weights = {"fmt": FORMAT, "data": base64.b64encode(payload.encode()).decode("ascii")}
    record: Json = {"id": model_id, "cfg": grid_config(grid, model_id), "weights": weights}
    if not grid.training_state.fresh:
        record["training"] = grid.training_state.get_state(grid.parameters)
    return record


def dump_bundle(networks: Mapping[str, TrainableGrid], weights_file: str = "") -> str:
    """A bundle of several networks by id, as text; with `weights_file` their weights are `dump_weights`' bytes."""
    check_networks(networks)
    models = [model_record(grid, model_id, weights_file) for model_id, grid in networks.items()]
    return json.dumps({"type": TYPE, "version": VERSION, "models": models}, indent=2)


def check_id(model_id: object) -> None:
    """`InputError` for a model's id that is no string: a bundle with it could not be read."""
    if not isinstance(model_id, str):
        raise InputError(f"expected a string, got {json_type(model_id)}", where="model_id")


def check_networks(networks: Mapping[str, TrainableGrid]) -> None:
    """`InputError` for anything but networks by ids."""
    if not isinstance(networks, Mapping):
        raise InputError(f"expected networks by name, got {type(networks).__name__}", where="networks")
    for model_id, grid in networks.items():
        check_id(model_id)
        if not isinstance(grid, TrainableGrid):
            raise InputError(f"expected a network, got {type(grid).__name__}", where=f"networks[{model_id!r}]")


def dump_weights(networks: Mapping[str, TrainableGrid]) -> bytes:
    """All parameters and buffers of several networks as one safetensors file, float32 as they are."""
    tensors = {
        f"{name}/{path}": a for name, grid in networks.items() for path, a in (grid.parameters | grid.buffers).items()
    }
    return write_safetensors(tensors)


def save_bundle(path: str | os.PathLike[str], networks: Mapping[str, TrainableGrid], weights: str = "json") -> None:
    """Write a bundle file; `weights="safetensors"` puts the weights (float32) into a file beside it.

    The weight file's name holds a hash of what is in it, so that an interrupted save leaves the old pair whole; the
    weight file before is removed at the end.
    """
    if weights not in ("json", "safetensors"):
        raise InputError(f"unknown kind of weights {weights!r}", where="weights", remedy="Known: json, safetensors.")
    check_networks(networks)
    place = checked_path(path)
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

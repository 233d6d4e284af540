"""Networks from JSON: with fresh weights from a configuration, with their own from a bundle."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..errors import FormatError, InputError
from ..formats.files import checked_path, read_file
from ..formats.source import FileSource
from ..progress import to_end
from ..runtime.choice import open_named
from ..schema.strict import parse_json
from .bundle import TYPE
from .config import parse_config
from .network import Network
from .reading import Files, bundle_entries, read_entry, saved_network

if TYPE_CHECKING:
    from ..generation.language_model import LanguageModel
    from ..generation.loading import LoadProgress
    from ..generation.text_encoder import TextEncoder
    from ..runtime.device import Device

PATH = re.compile(r"[^{}\[\]\"\n]*\.\w{1,12}")
"""What is no JSON and ends like a file's name."""


def build_network_from_json(config: str | bytes | Mapping[str, Any], *, seed: int | None = None) -> Network:
    """A network with fresh weights from a configuration, or with its own weights from a saved bundle.

    **Arguments:**

    - `config`: JSON text or the parsed object. Keys: `layers` (in grid order), `grid_rows`, `grid_cols`,
      `layers_per_cell` (default: one cell with all layers), `batch_size` (1), `input_size`, `seed`, `id`.
    - `seed`: overrides the configuration's.

    Raises `ConfigError` (or `FormatError` for text that is not JSON) with the JSON path.
    """
    if isinstance(config, str) and PATH.fullmatch(config):
        remedy = "Read the file and give its text, or the parsed object."
        raise InputError(f"is a path ({config}), expected a configuration", where="config", remedy=remedy)
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
    check_text(text, "load_model")
    return Network.from_saved(saved_network(text, model_id, files))


@overload
def load_model(path: str | os.PathLike[str], model_id: str) -> Network: ...


@overload
def load_model(
    path: str | os.PathLike[str],
    model_id: None = None,
    *,
    progress: Callable[[LoadProgress], None] | None = None,
    device: Device | str | None = "auto",
    activations: str = "q16",
) -> LanguageModel | TextEncoder: ...


def load_model(
    path: str | os.PathLike[str],
    model_id: str | None = None,
    *,
    progress: Callable[[LoadProgress], None] | None = None,
    device: Device | str | None = "auto",
    activations: str = "q16",
) -> Network | LanguageModel | TextEncoder:
    """With `model_id`, that network of a bundle file; without, the language model or text encoder of a checkpoint.

    A checkpoint is a `.gguf` file or a directory in the Hugging Face layout; `progress`, `device` and `activations` are
    for those, see `generation.loading`. `device` is one that is open, None for NumPy, or a name, whose device is opened
    if need be: with "auto" the fastest there is, unless `use_device` has named one. A checkpoint without a tokenizer
    takes and gives token ids. Raises `DeviceError` when the device that is named cannot be opened.
    """
    if model_id is not None:
        check_path(path, "load_model_from_string")
        return load_model_from_string(read_file(path), model_id, beside(path))
    # not needed by pages without language models
    from ..generation.loading import load_any_model
    from ..generation.opening import model_files
    from ..generation.placing import load_any_to_device

    place = checked_path(path)
    if isinstance(device, str):
        preference = open_named(device)
        name = place.name
        steps = load_any_to_device(
            model_files(place), name, activations=activations, preference=preference, tokenizer=False
        )
        return to_end(steps, progress)[0]
    return load_any_model(path, progress, device=device, activations=activations)


def beside(path: str | os.PathLike[str]) -> Files:
    """The weight files that may belong to a bundle file."""
    return {p.name: FileSource(p) for p in Path(path).parent.glob("*.safetensors") if p.is_file()}


def check_path(path: str | os.PathLike[str], instead: str) -> None:
    """Raise `InputError` for JSON given where a file's name belongs."""
    if isinstance(path, str) and path.lstrip().startswith("{"):
        raise InputError("is a bundle's text, expected a path", where="path", remedy=f"Use {instead}.")


def check_text(text: str | bytes, instead: str) -> None:
    """Raise `InputError` for a file's name given where JSON belongs."""
    if isinstance(text, os.PathLike) or (isinstance(text, str) and PATH.fullmatch(text)):
        raise InputError(f"is a path ({text}), expected a bundle's text", where="text", remedy=f"Use {instead}.")


def _first_model(bundle: Mapping[str, Any]) -> Network:
    """The first network of a parsed bundle."""
    models = bundle_entries(bundle)
    if not models:
        raise FormatError("the bundle holds no models", where="models")
    return Network.from_saved(read_entry(next(iter(models.values())), {}))

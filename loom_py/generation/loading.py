"""From files to a `LanguageModel`, tensor by tensor, so that a caller can show progress and stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ModelError
from ..formats.checkpoint import Checkpoint
from ..formats.files import read_json_file, read_text_file
from ..formats.gguf import GGUFFile
from ..formats.safetensors import SafetensorsFile, SafetensorsIndex
from ..formats.source import FileSource, Source
from ..models.protocols import Decoder, Facts
from ..models.registry import gguf_decoder, read_decoder_file
from ..models.weights import CheckpointWeights
from ..progress import to_end
from ..runtime.device import Activations, Device
from ..runtime.stored import StoredWeight
from ..schema.fields import FILE, Fields
from ..text.chat_template import ChatTemplate
from ..text.tokenizer import Tokenizer
from .language_model import LanguageModel
from .on_device import ACTIVATIONS, OnDevice
from .on_numpy import OnNumpy
from .runner import Runner

MAX_JSON_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class LoadProgress:
    """`loaded` of `total` bytes of weights are in place; `tensor` was the last."""

    tensor: str
    loaded: int
    total: int


def load_steps(
    files: Mapping[str, Source], name: str = "model", *, device: Device | None = None, activations: str = "q16"
) -> Generator[LoadProgress, None, LanguageModel]:
    """Read a model; yields after each tensor and returns the `LanguageModel`.

    **Arguments:**

    - `files`: file name → source: one `.gguf`, or `config.json`, `tokenizer.json`, `*.safetensors` (with
      `model.safetensors.index.json` if there are several) and, for chat, `tokenizer_config.json` or
      `chat_template.jinja`. Directory parts of the names are ignored.
    - `device`: where weights go, as they are stored; None for float32 on NumPy. Stopping early or an error frees what
      was uploaded.
    - `activations`: for a device, see `OnDevice`.
    """
    by_name = {path.replace("\\", "/").rsplit("/", 1)[-1]: source for path, source in files.items()}
    ggufs = [n for n in by_name if n.lower().endswith(".gguf")]
    if len(ggufs) > 1:
        raise ModelError(f"{len(ggufs)} GGUF files at once", where=", ".join(sorted(ggufs)), remedy="Choose one.")
    to = _Target(device, _checked(activations))
    return _load_gguf(by_name[ggufs[0]], to) if ggufs else _load_hugging_face(by_name, name, to)


@dataclass(frozen=True)
class _Target:
    """Where weights go."""

    device: Device | None
    activations: Activations


def _checked(activations: str) -> Activations:
    for choice in ACTIVATIONS:
        if activations == choice:
            return choice
    raise InputError(f"must be one of {', '.join(ACTIVATIONS)}, got {activations!r}", where="activations")


def load_model(
    path: str | os.PathLike[str],
    progress: Callable[[LoadProgress], None] | None = None,
    *,
    device: Device | None = None,
    activations: str = "q16",
) -> LanguageModel:
    """Load a `.gguf` file or a directory in the Hugging Face layout (or any file in it) to the end."""
    return to_end(load_steps(model_files(path), Path(path).name, device=device, activations=activations), progress)


def model_files(path: str | os.PathLike[str]) -> dict[str, Source]:
    """The files that belong to a model at `path`."""
    place = Path(path)
    if place.is_file() and place.suffix.lower() == ".gguf":
        return {place.name: FileSource(place)}
    directory = place.parent if place.is_file() else place
    if not directory.is_dir():
        raise ModelError("no such file or directory", where=str(path))
    suffixes = (".gguf", ".json", ".safetensors", ".jinja")
    paths = {p.name: p for p in sorted(directory.iterdir()) if p.suffix.lower() in suffixes and p.is_file()}
    if not paths:
        raise ModelError("the directory holds no model files", where=str(path))
    return {name: FileSource(p) for name, p in paths.items()}


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, a `.gguf`, or a model directory."""
    place = Path(path)
    if place.is_file():
        source = FileSource(place)
        if bytes(source.read(0, min(4, source.size))) == b"GGUF":
            return Tokenizer.from_gguf(GGUFFile(source).metadata)
        return Tokenizer.from_json(source)
    files = model_files(path)
    if "tokenizer.json" in files:
        return Tokenizer.from_json(files["tokenizer.json"])
    for name, source in files.items():
        if name.lower().endswith(".gguf"):
            return Tokenizer.from_gguf(GGUFFile(source).metadata)
    raise ModelError("the directory holds neither tokenizer.json nor a GGUF file", where=str(path))


def _load_gguf(source: Source, to: _Target) -> Generator[LoadProgress, None, LanguageModel]:
    file = GGUFFile(source)
    decoder = gguf_decoder(file)
    tokenizer = Tokenizer.from_gguf(file.metadata)
    template = file.metadata.get("tokenizer.chat_template")
    bos, eos = _special(tokenizer, decoder.facts)
    chat = ChatTemplate(template, bos_token=bos, eos_token=eos, name=source.name) if template else None
    model = yield from _load_weights(CheckpointWeights(file, decoder.weights(), "gguf"), decoder, to)
    return LanguageModel(source.name, model, tokenizer, chat, frozenset(decoder.facts.eos_token_ids))


def _load_hugging_face(
    files: Mapping[str, Source], name: str, to: _Target
) -> Generator[LoadProgress, None, LanguageModel]:
    for needed in ("config.json", "tokenizer.json"):
        if needed not in files:
            raise ModelError(
                f"{needed} is missing", where=name, remedy="Give a .gguf, or all files of the model's directory."
            )
    shards = {n: s for n, s in files.items() if n.endswith(".safetensors")}
    if not shards:
        raise ModelError("no .safetensors file among the files", where=name, remedy="Add model.safetensors.")
    decoder = read_decoder_file(files["config.json"])
    tokenizer = Tokenizer.from_json(files["tokenizer.json"])
    chat = _template(files, tokenizer, decoder.facts)
    index = files.get("model.safetensors.index.json")
    if index is not None:
        checkpoint: Checkpoint = SafetensorsIndex(index, shards)
    elif len(shards) == 1:
        checkpoint = SafetensorsFile(next(iter(shards.values())))
    else:
        raise ModelError(
            f"{len(shards)} .safetensors files without model.safetensors.index.json",
            where=name,
            remedy="Add the index.",
        )
    weights = CheckpointWeights(checkpoint, decoder.weights(), "hugging_face")
    model = yield from _load_weights(weights, decoder, to)
    eos = set(decoder.facts.eos_token_ids)
    if "generation_config.json" in files:
        eos |= _end_ids(read_json_file(files["generation_config.json"], max_bytes=MAX_JSON_BYTES))
    return LanguageModel(name, model, tokenizer, chat, frozenset(eos))


def _load_weights(
    source: CheckpointWeights, decoder: Decoder, to: _Target
) -> Generator[LoadProgress, None, Runner[Any]]:
    if to.device is None:
        return (yield from _load_to_numpy(source, decoder))
    return (yield from _load_to_device(source, decoder, to.device, to.activations))


def _load_to_numpy(source: CheckpointWeights, decoder: Decoder) -> Generator[LoadProgress, None, OnNumpy]:
    weights: dict[str, NDArray[np.float32]] = {}
    for name, progress in _with_progress(source):
        weights[name] = source.numbers(name)
        yield progress
    return OnNumpy(decoder, weights)


def _load_to_device(
    source: CheckpointWeights, decoder: Decoder, device: Device, activations: Activations
) -> Generator[LoadProgress, None, OnDevice]:
    weights: dict[str, StoredWeight] = {}
    try:
        for name, progress in _with_progress(source):
            weights[name] = source.upload(name, device)
            yield progress
        return OnDevice(decoder, weights, device, activations)
    except BaseException:  # also when nobody asks for the next step
        for weight in weights.values():
            device.free(weight.tensor)
        raise


def _with_progress(source: CheckpointWeights) -> Iterator[tuple[str, LoadProgress]]:
    """Every weight's name, and the progress once it is loaded."""
    loaded = 0
    for name in source:
        info = source.info(name)
        loaded += info.nbytes
        yield name, LoadProgress(info.name, loaded, source.nbytes)


def _special(tokenizer: Tokenizer, facts: Facts) -> tuple[str, str]:
    """The begin and end tokens as text."""
    bos = "" if facts.bos_token_id is None else tokenizer.id_to_token(facts.bos_token_id)
    eos = tokenizer.id_to_token(facts.eos_token_ids[0]) if facts.eos_token_ids else ""
    return bos or "", eos or ""


def _end_ids(generation_config: object) -> set[int]:
    """Its `eos_token_id`, one or several; anything that is not an id is ignored."""
    if not isinstance(generation_config, dict):
        return set()
    value = cast(dict[str, object], generation_config).get("eos_token_id")
    ids = cast(list[object], value) if isinstance(value, list) else [value]
    return {i for i in ids if isinstance(i, int) and not isinstance(i, bool)}


def _template(files: Mapping[str, Source], tokenizer: Tokenizer, facts: Facts) -> ChatTemplate | None:
    """The chat template of `chat_template.jinja` or `tokenizer_config.json`."""
    bos, eos = _special(tokenizer, facts)
    if "chat_template.jinja" in files:
        source = files["chat_template.jinja"]
        text = read_text_file(source, max_bytes=1 << 20)
        return ChatTemplate(text, bos_token=bos, eos_token=eos, name=source.name)
    if "tokenizer_config.json" not in files:
        return None
    source = files["tokenizer_config.json"]
    value = read_json_file(source, max_bytes=MAX_JSON_BYTES)
    template = Fields(value, file=source.name, rules=FILE).any("chat_template")
    return ChatTemplate(template, bos_token=bos, eos_token=eos, name=source.name) if template else None

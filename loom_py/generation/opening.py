"""From files to everything but the weights: configuration, tokenizer, chat template, and where each weight lies.

Opening reads headers and small files only. Whatever keeps a model from loading is found here, before a weight is read,
and in a page before the weights are fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..errors import InputError, ModelError
from ..formats.checkpoint import Checkpoint
from ..formats.files import read_json_file, read_text_file
from ..formats.folder import INDEX, choose_files
from ..formats.gguf_split import open_gguf
from ..formats.hub_address import parse_hub_address
from ..formats.hub_cache import cached_snapshot, download_command
from ..formats.safetensors import SafetensorsFile, SafetensorsIndex
from ..formats.source import FileSource, Source
from ..models.protocols import Decoder, Facts
from ..models.registry import gguf_decoder, read_decoder_file
from ..models.weights import CheckpointWeights
from ..schema.fields import FILE, Fields
from ..text.chat_template import ChatTemplate
from ..text.tokenizer import Tokenizer

MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_TEMPLATE_BYTES = 1024 * 1024
_DEPTH, _ENTRIES = 4, 10_000


@dataclass(frozen=True)
class OpenedModel:
    """A model whose weights are still to be read.

    - `eos_ids`: tokens that end a text.
    - `notices`: what the user should know about the files, in sentences.
    """

    name: str
    decoder: Decoder
    tokenizer: Tokenizer
    template: ChatTemplate | None
    eos_ids: frozenset[int]
    weights: CheckpointWeights
    notices: tuple[str, ...] = ()


def open_model(files: Mapping[str, Source], name: str = "model") -> OpenedModel:
    """The model that some files make; `formats.folder` says which of them are used.

    **Arguments:**

    - `files`: path → source. See `load_steps`.
    - `name`: for errors, and of a model in the Hugging Face layout.

    Raises `FormatError`, `TokenizerError` or `ModelError` for whatever cannot be loaded.
    """
    by_path = {path.replace("\\", "/"): source for path, source in files.items()}
    choice = choose_files(by_path, place=name)
    chosen = {path.rpartition("/")[2]: by_path[path] for path in choice.files}
    if all(file.lower().endswith(".gguf") for file in chosen):
        return _open_gguf(list(chosen.values()), choice.notices)
    return _open_hugging_face(chosen, name, choice.notices)


def _open_gguf(sources: list[Source], notices: tuple[str, ...]) -> OpenedModel:
    file = open_gguf(sources)
    decoder = gguf_decoder(file)
    tokenizer = Tokenizer.from_gguf(file.metadata, file.name)
    template = file.metadata.get("tokenizer.chat_template")
    bos, eos = _special(tokenizer, decoder.facts)
    chat = ChatTemplate(template, bos_token=bos, eos_token=eos, name=file.name) if template else None
    weights = CheckpointWeights(file, decoder.weights(), "gguf")
    eos = frozenset(decoder.facts.eos_token_ids)
    return OpenedModel(file.name, decoder, tokenizer, chat, eos, weights, (*notices, *tokenizer.notices))


def _open_hugging_face(files: Mapping[str, Source], name: str, notices: tuple[str, ...]) -> OpenedModel:
    if "tokenizer.json" not in files:
        remedy = "Give a .gguf, or all files of the model's directory."
        raise ModelError("tokenizer.json is missing", where=name, remedy=remedy)
    decoder = read_decoder_file(files["config.json"])
    tokenizer = Tokenizer.from_json(files["tokenizer.json"])
    chat = _template(files, tokenizer, decoder.facts)
    eos = set(decoder.facts.eos_token_ids)
    if "generation_config.json" in files:
        eos |= _end_ids(read_json_file(files["generation_config.json"], max_bytes=MAX_JSON_BYTES))
    shards = {n: s for n, s in files.items() if n.lower().endswith(".safetensors")}
    checkpoint: Checkpoint
    if INDEX in files:
        checkpoint = SafetensorsIndex(files[INDEX], shards)
    else:
        checkpoint = SafetensorsFile(next(iter(shards.values())))
    weights = CheckpointWeights(checkpoint, decoder.weights(), "hugging_face")
    return OpenedModel(name, decoder, tokenizer, chat, frozenset(eos), weights, notices)


def model_files(path: str | os.PathLike[str]) -> dict[str, Source]:
    """The files that make the model at `path`: a directory, or a file in it.

    A `.gguf` is taken with the other parts of it; another file stands for its directory. An address on the Hugging Face
    hub stands for what Hugging Face's tools have fetched of it to this machine.
    """
    place = Path(path)
    if not place.exists():
        return _fetched_files(os.fspath(path))
    directory, named = (place.parent, place.name) if place.is_file() else (place, "")
    paths = [entry.name for entry in directory.iterdir() if entry.is_file()]
    try:
        choice = choose_files(paths, named=named, place=str(path))
    except ModelError:
        deeper = [] if named else [str(p.relative_to(directory)).replace(os.sep, "/") for p in _walk(directory)]
        if len(deeper) <= len(paths):
            raise
        choice = choose_files(deeper, place=str(path))
    return {file: FileSource(directory / file) for file in choice.files}


def _fetched_files(text: str) -> dict[str, Source]:
    """The files of a model on the hub, from the cache of Hugging Face's tools."""
    local = ModelError("no such file or directory", where=text)
    is_address = re.match(r"\s*[\"'<]?(\w+:)?//|(www\.)?(hf|huggingface)\.co/", text, re.IGNORECASE) is not None
    try:
        address = parse_hub_address(text)
    except InputError:
        if is_address:
            raise
        raise local from None
    snapshot = cached_snapshot(address)
    if snapshot is None:
        remedy = f"Fetch it with: {download_command(address)}"
        if not is_address and not address.tag and not address.revision:
            raise ModelError(local.message, where=text, remedy=f"If it is on the hub: {download_command(address)}.")
        raise ModelError(f"the model {address.repository} is not on this machine", where=text, remedy=f"{remedy}.")
    paths = [str(path.relative_to(snapshot)).replace(os.sep, "/") for path in _walk(snapshot)]
    if address.file and address.file not in paths:
        message = f"{address.file} is not among the files that were fetched"
        raise ModelError(message, where=text, remedy=f"Fetch it with: {download_command(address)}.")
    choice = choose_files(paths, named=address.file, tag=address.tag, folder=address.folder, place=address.repository)
    return {file: FileSource(snapshot / file) for file in choice.files}


def _walk(directory: Path) -> Iterator[Path]:
    """Files in a directory and those below it, a few levels deep; hidden ones and what is too much left out."""
    folders = [(directory, _DEPTH)]
    left = _ENTRIES
    for folder, depth in folders:
        for entry in sorted(folder.iterdir()):
            left -= 1
            if left < 0:
                return
            if entry.name.startswith("."):
                continue
            if entry.is_file():
                yield entry
            elif depth and entry.is_dir():
                folders.append((entry, depth - 1))


def load_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, a `.gguf`, or a model directory."""
    place = Path(path)
    if place.is_file() and place.suffix.lower() != ".gguf":
        return Tokenizer.from_json(FileSource(place))
    if (place / "tokenizer.json").is_file():
        return Tokenizer.from_json(FileSource(place / "tokenizer.json"))
    files = model_files(path)
    tokenizer = next((source for name, source in files.items() if name.endswith("tokenizer.json")), None)
    if tokenizer is not None:
        return Tokenizer.from_json(tokenizer)
    if not all(name.lower().endswith(".gguf") for name in files):
        raise ModelError("the directory holds neither tokenizer.json nor a GGUF file", where=str(path))
    file = open_gguf(list(files.values()))
    return Tokenizer.from_gguf(file.metadata, file.name)


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
        text = read_text_file(source, max_bytes=MAX_TEMPLATE_BYTES)
        return ChatTemplate(text, bos_token=bos, eos_token=eos, name=source.name)
    if "tokenizer_config.json" not in files:
        return None
    source = files["tokenizer_config.json"]
    value = read_json_file(source, max_bytes=MAX_JSON_BYTES)
    template = Fields(value, file=source.name, rules=FILE).any("chat_template")
    return ChatTemplate(template, bos_token=bos, eos_token=eos, name=source.name) if template else None

"""From files to everything but the weights: configuration, tokenizer, chat template, and where each weight lies.

Opening reads headers and small files only. Whatever keeps a model from loading is found here, before a weight is read,
and in a page before the weights are fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, ModelError
from ..formats.checkpoint import Checkpoint
from ..formats.files import checked_path, read_json_file
from ..formats.folder import INDEX, MODULE_FILES, MODULES, NAMED_TEMPLATES, TOKENIZERS, Choice, choose_files
from ..formats.gguf_split import open_gguf
from ..formats.hub_address import parse_hub_address
from ..formats.hub_cache import cached_snapshot, download_command
from ..formats.safetensors import SafetensorsFile, SafetensorsIndex
from ..formats.scaled import SCALED, ScaledCheckpoint
from ..formats.source import FileSource, Source
from ..models.checkpoint_model import choose_model
from ..models.protocols import Decoder, Encoder
from ..models.quantisation import check_quantisation
from ..models.registry import MAX_CONFIG_BYTES, gguf_config, read_decoder
from ..models.weights import CheckpointWeights
from ..schema.fields import FILE, Fields
from ..text.tokenizer import Tokenizer
from ..text.tokenizer_files import open_tokenizer
from .sentence_files import PLAIN, SentenceSettings, gguf_sentences, sentence_settings
from .text_files import TextSettings, gguf_texts, hugging_face_texts

GGUF_TOKENS = "tokenizer.ggml.tokens"
"""Metadata without which a GGUF file has no tokenizer."""
_DEPTH, _ENTRIES = 4, 10_000


@dataclass(frozen=True)
class OwnHead:
    """A model with the head that its file has although it is said to be tied to the embeddings.

    - `head`, `embeddings`: names of the two tensors.
    """

    decoder: Decoder
    weights: CheckpointWeights
    head: str
    embeddings: str

    def differs(self) -> bool:
        """Whether the two tensors differ, which takes reading them."""
        checkpoint = self.weights.checkpoint
        one, other = checkpoint.info(self.head), checkpoint.info(self.embeddings)
        if (one.dtype, one.shape) != (other.dtype, other.shape):
            return True
        return not np.array_equal(checkpoint.raw_rows(self.head), checkpoint.raw_rows(self.embeddings))


@dataclass(frozen=True)
class OpenedModel:
    """A model whose weights are still to be read.

    - `tokenizer`: None where the files have none and that was allowed.
    - `texts`: special tokens, chat templates, what ends a text, how tokens are drawn.
    - `notices`: what the user should know about the files, in sentences.
    - `own_head`: the head of a tied model that has one in its file all the same.
    - `sentences`: how it embeds texts.
    - `config`: its `config.json`, or what GGUF's metadata amount to.
    - `files`: by their names in the model's folder.
    """

    name: str
    decoder: Decoder
    tokenizer: Tokenizer | None
    texts: TextSettings
    weights: CheckpointWeights
    notices: tuple[str, ...] = ()
    own_head: OwnHead | None = None
    sentences: SentenceSettings = PLAIN
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Mapping[str, Source] = field(default_factory=dict[str, Source])


@dataclass(frozen=True)
class OpenedEncoder:
    """An encoder whose weights are still to be read; the rest is as in `OpenedModel`."""

    name: str
    encoder: Encoder
    tokenizer: Tokenizer | None
    sentences: SentenceSettings
    weights: CheckpointWeights
    notices: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Mapping[str, Source] = field(default_factory=dict[str, Source])


class ModelFiles(dict[str, Source]):
    """The files of a model by their paths; `notices` says what was left alone beside them."""

    notices: tuple[str, ...] = ()


def open_model(
    files: Mapping[str, Source], name: str = "model", *, tokenizer: bool = True
) -> OpenedModel | OpenedEncoder:
    """The model that some files make; `formats.folder` says which of them are used.

    **Arguments:**

    - `files`: path → source. See `load_steps`.
    - `name`: for errors, and of a model in the Hugging Face layout.
    - `tokenizer`: whether it must have one; otherwise a model without one can be given token ids.

    Raises `FormatError`, `TokenizerError` or `ModelError` for whatever cannot be loaded.
    """
    by_path = {path.replace("\\", "/"): source for path, source in files.items()}
    choice = choose_files(by_path, place=name)
    folder = choice.files[-1].rpartition("/")[0]
    chosen = {path.removeprefix(f"{folder}/"): by_path[path] for path in choice.files}
    notices = (*files.notices, *choice.notices) if isinstance(files, ModelFiles) else choice.notices
    if all(file.lower().endswith(".gguf") for file in chosen):
        return _open_gguf(list(chosen.values()), notices, tokenizer)
    return _open_hugging_face(chosen, name, notices, tokenizer)


def open_decoder(files: Mapping[str, Source], name: str = "model", *, tokenizer: bool = True) -> OpenedModel:
    """As `open_model`; raises `ModelError` for an encoder, which cannot continue texts."""
    opened = open_model(files, name, tokenizer=tokenizer)
    if isinstance(opened, OpenedModel):
        return opened
    remedy = "Use a decoder, or embed texts with it."
    raise ModelError("the model embeds texts and cannot continue them", where=opened.name, remedy=remedy)


def _open_gguf(sources: list[Source], notices: tuple[str, ...], needed: bool) -> OpenedModel | OpenedEncoder:
    file = open_gguf(sources)
    config = gguf_config(file.metadata, file)
    choice = choose_model(config, file.name, file, "gguf")
    model = choice.model
    tokenizer = None
    if needed or GGUF_TOKENS in file.metadata:
        tokenizer = Tokenizer.from_gguf(file.metadata, file.name)
        notices += tuple(tokenizer.notices)
    sentences = gguf_sentences(file.metadata)
    if isinstance(model, Encoder):
        weights = CheckpointWeights(file, model.weights(), "gguf")
        notices = (*notices, *choice.notices)
        return OpenedEncoder(file.name, model, tokenizer, sentences, weights, notices, config)
    texts = gguf_texts(file.metadata, tokenizer, model.facts, file.name)
    weights = CheckpointWeights(file, model.weights(), "gguf")
    notices = (*notices, *texts.notices)
    return OpenedModel(file.name, model, tokenizer, texts, weights, notices, sentences=sentences, config=config)


def _open_hugging_face(
    files: Mapping[str, Source], name: str, notices: tuple[str, ...], needed: bool
) -> OpenedModel | OpenedEncoder:
    has_tokenizer = any(file in files for file in TOKENIZERS)
    if needed and not has_tokenizer:
        remedy = f"Give it or {', '.join(TOKENIZERS[1:])}, or a .gguf, or all files of the model's directory."
        raise ModelError("tokenizer.json is missing", where=name, remedy=remedy)
    config = read_json_file(files["config.json"], max_bytes=MAX_CONFIG_BYTES)
    shards = {n: s for n, s in files.items() if n.lower().endswith(".safetensors") and "/" not in n}
    checkpoint: Checkpoint
    if INDEX in files:
        checkpoint = SafetensorsIndex(files[INDEX], shards)
    else:
        checkpoint = SafetensorsFile(next(iter(shards.values())))
    checkpoint = ScaledCheckpoint(checkpoint, check_quantisation(Fields(config, file="config.json", rules=FILE)))
    choice = choose_model(config, files["config.json"].name, checkpoint, "hugging_face")
    model = choice.model
    tokenizer = open_tokenizer(files, name) if has_tokenizer else None
    sentences = sentence_settings(files)
    if isinstance(model, Encoder):
        weights = CheckpointWeights(checkpoint, model.weights(), "hugging_face")
        notices = (*notices, *choice.notices, *_widened(weights))
        return OpenedEncoder(name, model, tokenizer, sentences, weights, notices, config, files)
    texts = hugging_face_texts(files, tokenizer, model.facts, config, name)
    weights = CheckpointWeights(checkpoint, model.weights(), "hugging_face")
    head = _own_head(config, model, checkpoint)
    notices = (*notices, *texts.notices, *_widened(weights))
    return OpenedModel(name, model, tokenizer, texts, weights, notices, head, sentences, config, files)


def _widened(weights: CheckpointWeights) -> tuple[str, ...]:
    """What becomes of weights of 8 bits, for which devices have no kernels."""
    infos = [info for name in weights for info in weights.infos(name) if info.dtype in SCALED]
    if not infos:
        return ()
    stored, numbers = sum(info.nbytes for info in infos), sum(info.numel for info in infos)
    sizes = f"{2 * numbers / 1e6:,.0f} MB in place of {stored / 1e6:,.0f}"
    return (f"Weights of 8 bits become float16 in a device's memory, {sizes}, and float32 on NumPy.",)


def model_files(path: str | os.PathLike[str]) -> ModelFiles:
    """The files that make the model at `path`: a directory, or a file in it.

    A `.gguf` is taken with the other parts of it; another file stands for its directory. An address on the Hugging Face
    hub stands for what Hugging Face's tools have fetched of it to this machine.
    """
    place = checked_path(path)
    if not place.exists():
        return _fetched_files(os.fspath(path))
    if not place.is_file() and not place.is_dir():
        raise ModelError("is neither a file nor a directory", where=os.fspath(path))
    directory, named = (place.parent, place.name) if place.is_file() else (place, "")
    paths = [entry.name for entry in directory.iterdir() if entry.is_file()]
    templates = (directory / NAMED_TEMPLATES).glob("*.jinja")
    paths += [f"{NAMED_TEMPLATES}/{entry.name}" for entry in templates if entry.is_file()]
    if MODULES in paths:
        folders = [entry for entry in directory.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        paths += [f"{f.name}/{name}" for f in folders for name in MODULE_FILES if (f / name).is_file()]
    try:
        choice = choose_files(paths, named=named, place=str(path))
    except ModelError:
        deeper = [] if named else [str(p.relative_to(directory)).replace(os.sep, "/") for p in _walk(directory)]
        if len(deeper) <= len(paths):
            raise
        choice = choose_files(deeper, place=str(path))
    return _opened(directory, choice)


def _opened(directory: Path, choice: Choice) -> ModelFiles:
    files = ModelFiles({file: FileSource(directory / file) for file in choice.files})
    files.notices = choice.notices
    return files


def _fetched_files(text: str) -> ModelFiles:
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
    return _opened(snapshot, choice)


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
    """The tokenizer of a `tokenizer.json`, `tokenizer.model`, vocab.txt or `.gguf`, or of a model directory."""
    place = checked_path(path)
    if place.is_file() and place.suffix.lower() != ".gguf":
        named = place.name if place.name in TOKENIZERS else TOKENIZERS[0]
        beside = [entry for entry in place.parent.iterdir() if entry.name == "tokenizer_config.json"]
        return open_tokenizer({named: FileSource(place), **{e.name: FileSource(e) for e in beside}}, str(path))
    if any((place / name).is_file() for name in TOKENIZERS):
        return open_tokenizer({e.name: FileSource(e) for e in place.iterdir() if e.is_file()}, str(path))
    files = model_files(path)
    if not all(name.lower().endswith(".gguf") for name in files):
        return open_tokenizer({name.rpartition("/")[2]: source for name, source in files.items()}, str(path))
    file = open_gguf(list(files.values()))
    return Tokenizer.from_gguf(file.metadata, file.name)


def _own_head(config: Any, decoder: Decoder, checkpoint: Checkpoint) -> OwnHead | None:
    """The head in the file of a model whose `config.json` ties it to the embeddings."""
    untied = read_decoder({**config, "tie_word_embeddings": False}, "config.json")
    shapes = {weight.name: weight.shape for weight in decoder.weights()}
    head = next((weight for weight in untied.weights() if weight.name not in shapes), None)
    if head is None or head.name not in checkpoint:
        return None
    embeddings = next(name for name, shape in shapes.items() if shape == head.shape)
    weights = CheckpointWeights(checkpoint, untied.weights(), "hugging_face")
    return OwnHead(untied, weights, weights.infos(head.name)[0].name, weights.infos(embeddings)[0].name)

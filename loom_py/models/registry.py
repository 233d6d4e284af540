"""Families of models, found by name: a module of this folder that sets `FAMILY` is one.

`models/<model_type>.py` is looked for first; a family that goes by another name in a file is found by looking at all
modules. Adding a family is adding its file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import models
from ..errors import ModelError
from ..formats.checkpoint import Checkpoint
from ..formats.files import read_json_file
from ..formats.source import Source
from ..schema.fields import FILE, Fields
from .config import unsupported
from .encoder_blocks import named_head
from .gguf_config import ARCHITECTURE, GGUFConfig
from .protocols import Decoder, Encoder, HeadKind
from .quantisation import check_quantisation

MAX_CONFIG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Family:
    """What a family's file declares.

    - `model_types`: of `config.json`.
    - `decoder` or `encoder`: reads `config.json`, an encoder with one of its heads or none. Raises `FormatError` or
      `ModelError` with the field's path.
    - `architectures`: of GGUF (`general.architecture`).
    - `written_as`: the architecture of GGUF files of the family, if that is another's.
    - `gguf_config`: a GGUF file's metadata as the `config.json` that transformers would have written.
    - `assumed`: whether a `config.json` without `model_type` is this family's.
    """

    model_types: tuple[str, ...]
    decoder: Callable[[Fields], Decoder] | None = None
    encoder: Callable[[Fields, HeadKind | None], Encoder] | None = None
    architectures: tuple[str, ...] = ()
    gguf_config: Callable[[GGUFConfig], dict[str, Any]] | None = None
    written_as: str = ""
    assumed: bool = False


def families() -> Iterator[Family]:
    """All of them, by the names of their modules."""
    for module in sorted(pkgutil.iter_modules(models.__path__), key=lambda module: module.name):
        family = _declared(module.name)
        if family is not None:
            yield family


def read_decoder(config: object, where: str = "config.json") -> Decoder:
    """The decoder that a parsed `config.json` describes; `where` names the file in errors.

    Raises `FormatError` for a malformed configuration, `ModelError` for one that this package does not compute.
    """
    fields, family = _fields_and_family(config, where)
    if family.decoder is None:
        raise unsupported(fields, "model_type", "the model embeds texts and cannot continue them", "Use a decoder.")
    return family.decoder(fields)


def read_encoder(config: object, where: str = "config.json", head: HeadKind | None = None) -> Encoder:
    """The encoder that a parsed `config.json` describes, with a head or none.

    Raises `FormatError` for a malformed configuration, `ModelError` for one that this package does not compute.
    """
    fields, family = _fields_and_family(config, where)
    if family.encoder is None:
        message = "the model continues texts and is no encoder"
        raise unsupported(fields, "model_type", message, "Use an encoder, such as a BERT.")
    return family.encoder(fields, head)


def read_model(config: object, where: str = "config.json") -> Decoder | Encoder:
    """What a parsed `config.json` describes; an encoder comes without a head. Raises as `read_decoder`."""
    return read_encoder(config, where) if is_encoder(config, where) else read_decoder(config, where)


def is_encoder(config: object, where: str = "config.json") -> bool:
    """Whether a parsed `config.json` describes an encoder. Raises as `read_encoder`."""
    return _fields_and_family(config, where)[1].encoder is not None


def configured_head(config: object, where: str = "config.json") -> HeadKind | None:
    """The head that a parsed `config.json` names by its `architectures`."""
    return named_head(Fields(config, file=where, rules=FILE))


def _fields_and_family(config: object, where: str) -> tuple[Fields, Family]:
    fields = Fields(config, file=where, rules=FILE)
    family = _family_of(fields)
    check_quantisation(fields)
    return fields, family


def read_decoder_file(source: Source) -> Decoder:
    """The decoder that a `config.json` file describes."""
    return read_decoder(read_json_file(source, max_bytes=MAX_CONFIG_BYTES), source.name)


def gguf_config(metadata: Mapping[str, Any], checkpoint: Checkpoint | None = None) -> dict[str, Any]:
    """The `config.json` of the model in a GGUF file, as transformers would have written it.

    **Arguments:**

    - `metadata`: the file's metadata.
    - `checkpoint`: the file itself, which alone says which optional tensors there are; without it: none.

    Raises `ModelError` for an unsupported architecture or variant, `FormatError` for a missing or wrong key.
    """
    gguf = GGUFConfig(metadata, checkpoint)
    for family in families():
        if gguf.architecture in family.architectures and family.gguf_config is not None:
            return family.gguf_config(gguf)
    names = sorted(name for family in families() for name in family.architectures)
    raise ModelError(
        f"the architecture {gguf.architecture[:60]!r} is not supported",
        where=f"{gguf.where} at {ARCHITECTURE}",
        remedy=f"Supported are {', '.join(names)}.",
    )


def gguf_architecture(config: object, where: str = "config.json") -> str:
    """The `general.architecture` of GGUF files of the model that a parsed `config.json` describes.

    Raises `ModelError` for a family that GGUF does not have.
    """
    fields, family = _fields_and_family(config, where)
    architecture = family.written_as or next(iter(family.architectures), "")
    if not architecture:
        raise unsupported(fields, "model_type", f"GGUF has no place for the family {family.model_types[0]!r}")
    return architecture


def gguf_decoder(checkpoint: Checkpoint) -> Decoder:
    """The decoder in a GGUF file."""
    return read_decoder(gguf_config(checkpoint.metadata, checkpoint), checkpoint.name)


def _declared(name: str) -> Family | None:
    """The family that a module of this folder declares, if it does."""
    family = vars(importlib.import_module(f"{models.__name__}.{name}")).get("FAMILY")
    return family if isinstance(family, Family) else None


def _family_of(fields: Fields) -> Family:
    name = fields.string("model_type", default=None)
    if name is None:
        return next(family for family in families() if family.assumed)
    module = name.replace("-", "_")
    if module.isidentifier() and any(entry.name == module for entry in pkgutil.iter_modules(models.__path__)):
        family = _declared(module)
        if family is not None and name in family.model_types:
            return family
    match = next((family for family in families() if name in family.model_types), None)
    if match is None:
        supported = ", ".join(sorted(name for family in families() for name in family.model_types))
        raise unsupported(
            fields, "model_type", f"the family {name[:60]!r} is not supported", f"Supported are {supported}."
        )
    return match

"""Mistral (Jiang et al. 2023): a Llama whose attention may look back over a window only."""

from __future__ import annotations

from typing import Self

from ..schema.fields import Fields
from .config import read_windows
from .llama import Llama, LlamaConfig
from .registry import Family


class Mistral(Llama):
    """A `Decoder`."""

    default_window = 4096
    """Where the file says nothing; 0 for all positions."""

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields)
        return cls(config, read_windows(fields, config.num_hidden_layers, default=cls.default_window))


FAMILY = Family(model_types=("mistral",), decoder=Mistral.read, written_as="llama")

"""Mixtral (Jiang et al. 2024): a Mistral with a mixture of experts in each layer; to GGUF a `llama` with experts."""

from __future__ import annotations

from typing import Self

from ..schema.fields import Fields
from .config import read_windows
from .llama import LlamaConfig
from .mixture import Mixture
from .mixture_llama import MixtureLlama
from .registry import Family


class Mixtral(MixtureLlama):
    """A `Decoder`."""

    mlp_name = "block_sparse_moe"

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields, eps=1e-5, theta=1e6)
        inner, names = config.intermediate_size, ("w1", "w3", "w2")
        mixture = Mixture.read(fields, inner, experts=8, chosen=2, normalised=True, names=names)
        return cls(config, [mixture] * config.num_hidden_layers, read_windows(fields, config.num_hidden_layers))


FAMILY = Family(model_types=("mixtral",), decoder=Mixtral.read, written_as="llama")

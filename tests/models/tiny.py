"""A Llama small enough to follow, with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loom_py.generation.on_numpy import OnNumpy
from loom_py.models.llama import Llama, LlamaConfig
from loom_py.schema.fields import FILE, Fields

SHAPE = {
    "vocab_size": 37,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 300,
    "tie_word_embeddings": True,
    "rope_theta": 1000.0,
}


def config(**changes: Any) -> LlamaConfig:
    return LlamaConfig.read(Fields(SHAPE | changes, file="config.json", rules=FILE))


def decoder(**changes: Any) -> Llama:
    return Llama(config(**changes))


def weights(shape: LlamaConfig, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return {
        weight.name: (rng.normal(1 if len(weight.shape) == 1 else 0, 0.3, weight.shape)).astype(np.float32)
        for weight in Llama(shape).weights()
    }


def llama(seed: int = 0, **changes: Any) -> OnNumpy:
    shape = config(**changes)
    return OnNumpy(Llama(shape), weights(shape, seed))

"""A Llama small enough to follow, with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loom_py.models.config import LlamaConfig
from loom_py.models.llama import Llama, weight_shapes


def config(**changes: Any) -> LlamaConfig:
    shape = {
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
    return LlamaConfig.from_json(shape | changes)


def weights(shape: LlamaConfig, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(1 if len(size) == 1 else 0, 0.3, size)).astype(np.float32)
        for name, size in weight_shapes(shape)
    }


def llama(seed: int = 0, **changes: Any) -> Llama:
    shape = config(**changes)
    return Llama(shape, weights(shape, seed))

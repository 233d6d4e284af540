"""Qwen2 (Yang et al. 2024): a Llama with biases on queries, keys and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..schema.fields import Fields
from . import llama
from .config import read_windows
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .protocols import Weight
from .registry import Family


class Qwen(Llama):
    """What Qwen2 and Qwen3 share: with `use_sliding_window` the layers from `max_window_layers` on have a window."""

    interleaved_in_gguf = False

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields)
        windows = read_windows(fields, config.num_hidden_layers, used=False, default=4096)
        if not fields.has("layer_types"):
            full = fields.integer("max_window_layers", default=28, minimum=0)
            windows = [0 if i < full else window for i, window in enumerate(windows)]
        return cls(config, windows)


class Qwen2(Qwen):
    """A `Decoder`."""

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        yield from super().attention_weights(module, blk)
        yield from self.qkv_biases(module, blk)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf), "model_type": "qwen2", "attention_bias": False}


FAMILY = Family(model_types=("qwen2",), decoder=Qwen2.read, architectures=("qwen2",), gguf_config=gguf_config)

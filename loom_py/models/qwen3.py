"""Qwen3 (Yang et al. 2025): a Llama that normalises each head of queries and keys before rotating it."""

from __future__ import annotations

from typing import Any

from . import llama
from .gguf_config import GGUFConfig
from .qwen2 import Qwen
from .registry import Family


class Qwen3(Qwen):
    """A `Decoder`."""

    head_norms = True


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf), "model_type": "qwen3"}


FAMILY = Family(model_types=("qwen3",), decoder=Qwen3.read, architectures=("qwen3",), gguf_config=gguf_config)

"""SmolLM3 (Hugging Face 2025): a Llama in which every few layers have no rotary embedding (Yang et al. 2025, RNoPE)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..schema.fields import Fields
from . import llama
from .config import read_windows
from .gguf_config import GGUFConfig
from .llama import Llama, LlamaConfig
from .registry import Family

INTERVAL = 4
"""Every so manyth layer has none; GGUF's reader takes that for granted."""


class SmolLM3(Llama):
    """A `Decoder`; `rotary[i]` says whether layer i has rotary embeddings."""

    def __init__(self, config: LlamaConfig, windows: list[int], rotary: list[bool]) -> None:
        super().__init__(config, windows)
        self.rotary = rotary

    @classmethod
    def read(cls, fields: Fields) -> SmolLM3:
        config = LlamaConfig.read(fields, tied=True)
        layers = config.num_hidden_layers
        flags = fields.integers("no_rope_layers", default=None, maximum=1)
        if flags is None:
            interval = fields.integer("no_rope_layer_interval", default=INTERVAL)
            flags = [int((i + 1) % interval != 0) for i in range(layers)]
        elif len(flags) != layers:
            raise fields.error(f"expected {layers} numbers, one a layer, got {len(flags)}", "no_rope_layers")
        rotary = [flag == 1 for flag in flags]  # despite the field's name, 1 is a layer with them
        return cls(config, read_windows(fields, layers, used=False), rotary)

    def layer_frequencies(self, layer: int) -> NDArray[Any] | None:
        return self.frequencies if self.rotary[layer] else None


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf), "model_type": "smollm3"}


FAMILY = Family(model_types=("smollm3",), decoder=SmolLM3.read, architectures=("smollm3",), gguf_config=gguf_config)

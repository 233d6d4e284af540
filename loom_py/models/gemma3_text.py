"""Gemma 3 (Gemma Team 2025), text: Gemma 2 with normalised queries and keys and two rotary bases; no caps as a rule."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import NDArray

from ..schema.fields import Fields
from . import gemma
from .config import read_cap, read_windows, unsupported
from .gemma import gemma_config
from .gemma2 import SandwichGemma, query_divisor
from .gguf_config import GGUFConfig
from .llama import LlamaConfig
from .registry import Family
from .rope import RopeScaling, inverse_frequencies, read_rope

PATTERN = 6
"""Every so manyth layer sees all positions."""


class Gemma3(SandwichGemma):
    """A `Decoder`; layers with a window rotate by frequencies of their own."""

    head_norms = True

    def __init__(
        self,
        config: LlamaConfig,
        windows: list[int],
        query_scale: float,
        caps: tuple[float, float],
        window_theta: float,
        window_scaling: RopeScaling | None,
    ) -> None:
        super().__init__(config, windows, query_scale, caps)
        self.window_theta = window_theta
        self.window_frequencies = inverse_frequencies(config.rotary_size, window_theta, window_scaling)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        if fields.has("attn_logit_softcapping"):  # which transformers reads and leaves unused
            raise unsupported(fields, "attn_logit_softcapping", "a cap of scores is not supported in this family")
        if fields.boolean("use_bidirectional_attention"):
            raise unsupported(fields, "use_bidirectional_attention", "attention to later tokens is not supported")
        config = gemma_config(fields)
        pattern = fields.integer("sliding_window_pattern", "_sliding_window_pattern", default=PATTERN)
        size = fields.number("query_pre_attn_scalar", default=256.0, above=0)
        if fields.has("rope_parameters") and fields.object("rope_parameters").has("sliding_attention"):
            theta, scaling = read_rope(fields, "sliding_attention")
        else:
            theta, scaling = fields.number("rope_local_base_freq", default=10000.0, maximum=1e12, above=0), None
        return cls(
            config,
            read_windows(fields, config.num_hidden_layers, pattern=pattern, default=4096),
            size**-0.5,
            (0.0, read_cap(fields, "final_logit_softcapping", 0.0)),
            theta,
            scaling,
        )

    def gguf_entries(self) -> dict[str, Any]:
        pattern = self.windows.index(0) + 1 if 0 in self.windows else len(self.windows) + 1
        windows = {"attention.sliding_window_pattern": pattern, "rope.freq_base_swa": self.window_theta}
        return {**super().gguf_entries(), **windows}

    def layer_frequencies(self, layer: int) -> NDArray[Any] | None:
        return self.window_frequencies if self.windows[layer] else self.frequencies


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    config = {**gemma.gguf_config(gguf), "model_type": "gemma3_text"}
    return {
        **config,
        "query_pre_attn_scalar": query_divisor(config, 62),
        "rope_theta": gguf.decimal("rope.freq_base", 1e6, maximum=1e12),
        "rope_local_base_freq": gguf.decimal("rope.freq_base_swa", 10000.0, maximum=1e12),
        "sliding_window": gguf.integer("attention.sliding_window", 1024),
        "sliding_window_pattern": gguf.integer("attention.sliding_window_pattern", PATTERN),
    }


FAMILY = Family(model_types=("gemma3_text",), decoder=Gemma3.read, architectures=("gemma3",), gguf_config=gguf_config)

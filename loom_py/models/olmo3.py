"""OLMo 3 (OLMo Team 2025): OLMo 2 with a window in three of four layers; only the others have their rotary scaling."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import NDArray

from ..schema.fields import Fields
from .config import read_windows
from .llama import LlamaConfig
from .olmo2 import OLMo2
from .registry import Family
from .rope import inverse_frequencies

PATTERN = 4
"""Every so manyth layer sees all positions."""


class OLMo3(OLMo2):
    """A `Decoder`."""

    def __init__(self, config: LlamaConfig, windows: list[int]) -> None:
        super().__init__(config, windows)
        self.plain_frequencies = inverse_frequencies(config.rotary_size, config.rope_theta)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields)
        return cls(config, read_windows(fields, config.num_hidden_layers, pattern=PATTERN, default=4096))

    def layer_query_factor(self, layer: int) -> float:
        return 1.0 if self.windows[layer] else self.query_factor

    def layer_frequencies(self, layer: int) -> NDArray[Any] | None:
        return self.plain_frequencies if self.windows[layer] else self.frequencies


FAMILY = Family(model_types=("olmo3",), decoder=OLMo3.read)

"""OLMoE (Muennighoff et al. 2024): a Llama with norms over all queries and keys, and mixtures of experts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .gguf_config import GGUFConfig
from .llama import LlamaConfig
from .mixture import Mixture, gguf_mixture
from .mixture_llama import MixtureLlama
from .olmo2 import whole_norm_weights, whole_normed_heads
from .protocols import Tensors, Weight
from .registry import Family


class OLMoE(MixtureLlama):
    """A `Decoder`."""

    interleaved_in_gguf = False
    limit = 0.0
    """What queries, keys and values are clipped to; 0 for nothing."""

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields, eps=1e-5)
        mixture = Mixture.read(fields, config.intermediate_size, experts=64, chosen=8)
        model = cls(config, [mixture] * config.num_hidden_layers)
        model.limit = fields.number("clip_qkv", default=None, above=0) or 0.0
        return model

    def attention_weights(self, module: str, blk: str) -> Iterator[Weight]:
        yield from super().attention_weights(module, blk)
        yield from whole_norm_weights(self.config, module, blk)

    def heads(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = whole_normed_heads(self, ops, weights, module, h)
        return self._clipped(ops, q), self._clipped(ops, k), self._clipped(ops, v)

    def _clipped(self, ops: Ops, x: Tensor) -> Tensor:
        if not self.limit:
            return x
        return ops.scale(ops.activate("hard_tanh", ops.scale(x, 1 / self.limit)), self.limit)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {**llama.gguf_config(gguf, experts=True), **gguf_mixture(gguf), "model_type": "olmoe"}


FAMILY = Family(model_types=("olmoe",), decoder=OLMoE.read, architectures=("olmoe",), gguf_config=gguf_config)

"""A Llama whose layers may have a mixture of experts in place of the gated MLP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..runtime import Ops, Tensor
from .llama import Llama, LlamaConfig
from .mixture import Mixture
from .protocols import CacheLayout, Chunk, Facts, Tensors, Weight


class MixtureLlama(Llama):
    """A `Decoder`; `mixtures[i]` are the experts of layer i, None where it has a gated MLP."""

    def __init__(
        self, config: LlamaConfig, mixtures: Sequence[Mixture | None], windows: Sequence[int] = ()
    ) -> None:  # fmt: skip
        super().__init__(config, windows)
        self.mixtures = mixtures
        self._experts = max((mixture.experts for mixture in mixtures if mixture), default=0)

    @property
    def facts(self) -> Facts:
        return replace(super().facts, experts=self._experts)

    def mlp_weights(self, module: str, blk: str) -> Iterator[Weight]:
        mixture = self.mixtures[int(blk.rpartition(".")[2])]
        if mixture is None:
            yield from super().mlp_weights(module, blk)
        else:
            yield from mixture.weights(module, blk, self.config.hidden_size)

    def gguf_entries(self) -> dict[str, Any]:
        entries = super().gguf_entries()
        mixture = next((mixture for mixture in self.mixtures if mixture), None)
        return entries if mixture is None else {**entries, **mixture.gguf_entries()}

    def new_cache(self) -> CacheLayout:
        layers = zip(super().new_cache(), self.mixtures, strict=True)
        return [{**kept, **mixture.kept()} if mixture else kept for kept, mixture in layers]

    def feed_forward(self, ops: Ops, weights: Tensors, layer: int, h: Tensor, chunk: Chunk) -> Tensor:
        mixture = self.mixtures[layer]
        if mixture is None:
            return super().feed_forward(ops, weights, layer, h, chunk)
        module = f"model.layers.{layer}.{self.mlp_name}"
        return mixture.apply(ops, weights, module, h, chunk, layer, self.config.activation)

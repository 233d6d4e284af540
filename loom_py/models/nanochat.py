"""nanochat (Karpathy 2025): norms without weights, rotations the other way round, squared ReLU, a cap of logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .blocks import activated, linear, projection, soft_cap
from .config import read_cap
from .llama import Llama, LlamaConfig
from .protocols import Tensors, Weight
from .registry import Family


class NanoChat(Llama):
    """A `Decoder`; `logit_cap` is where logits level off, 0 for nowhere.

    transformers normalises heads of queries and keys after their rotation. Norms without weights do not see a rotation,
    so here they come before it, as in other families; a rotary scaling's factor for attention is normalised away.
    """

    head_norms = True

    def __init__(self, config: LlamaConfig, logit_cap: float) -> None:
        super().__init__(config)
        self.frequencies = -self.frequencies
        self.query_factor = 1.0
        self.logit_cap = logit_cap
        self.ones = {n: np.ones(n, np.float32) for n in (config.hidden_size, config.head_dim)}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        config = LlamaConfig.read(fields, act="relu2")
        return cls(config, read_cap(fields, "final_logit_softcapping", 15.0))

    def norm_weights(self, module: str, gguf: str, size: int = 0) -> Iterator[Weight]:
        yield from ()

    def mlp_weights(self, module: str, blk: str) -> Iterator[Weight]:
        c = self.config
        yield from projection(f"{module}.fc1", (c.intermediate_size, c.hidden_size), f"{blk}.ffn_up")
        yield from projection(f"{module}.fc2", (c.hidden_size, c.intermediate_size), f"{blk}.ffn_down")

    def norm(self, ops: Ops, weights: Tensors, module: str, x: Tensor) -> Tensor:
        return ops.rms_norm(x, self.ones[x.shape[-1]], self.config.rms_norm_eps)

    def embed(self, ops: Ops, weights: Tensors, ids: Tensor) -> Tensor:
        return self.norm(ops, weights, "", super().embed(ops, weights, ids))

    def mlp(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> Tensor:
        h = activated(ops, self.config.activation, linear(ops, weights, f"{module}.fc1", h))
        return linear(ops, weights, f"{module}.fc2", h)

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        return soft_cap(ops, super().logits(ops, weights, hidden), self.logit_cap)


FAMILY = Family(model_types=("nanochat",), decoder=NanoChat.read)

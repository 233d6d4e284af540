"""RoBERTa (Liu et al. 2019), XLM-RoBERTa (Conneau et al. 2020): a BERT whose positions begin behind the padding's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .bert import Bert, BertConfig, head_matrix
from .blocks import layer_norm, linear
from .encoder_blocks import old_vectors
from .protocols import Head, HeadKind, Tensors, Weight
from .registry import Family


class Roberta(Bert):
    """An `Encoder`.

    - `padding`: the id of the token that fills batches up; its position is the row of this number, and texts have
      those behind it.
    """

    body = "roberta"

    def __init__(self, config: BertConfig, head: Head | None, padding: int) -> None:
        super().__init__(config, head)
        self.padding = padding

    @classmethod
    def read(cls, fields: Fields, head: HeadKind | None) -> Self:
        padding = fields.integer("pad_token_id", default=1, minimum=0, maximum=1 << 24)
        return cls(BertConfig.read(fields, reserved=padding + 1), cls.read_head(fields, head), padding)

    def head_weights(self, head: Head) -> Iterator[Weight]:
        width, vocab = self.facts.hidden_size, self.facts.vocab_size
        if head.kind == "texts":
            yield from head_matrix("classifier.dense", width, width)
            yield from head_matrix("classifier.out_proj", len(head.labels), width)
            return
        yield from head_matrix("lm_head.dense", width, width)
        yield from old_vectors("lm_head.layer_norm", width)
        if not self.config.tied:
            yield Weight("lm_head.decoder.weight", (vocab, width))
        yield Weight("lm_head.decoder.bias", (vocab,), aliases=("lm_head.bias",))

    def rows(self, ids: NDArray[Any], types: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Tokens that are padding have one position, and the others are counted without them."""
        real = ids != self.padding
        return {"positions": np.where(real, np.cumsum(real), 0) + self.padding, "types": types}

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        if self.head is not None and self.head.kind == "texts":
            pooled = ops.activate("tanh", linear(ops, weights, "classifier.dense", hidden))
            return linear(ops, weights, "classifier.out_proj", pooled)
        h = ops.activate("gelu", linear(ops, weights, "lm_head.dense", hidden))
        h = layer_norm(ops, weights, "lm_head.layer_norm", h, self.config.eps)
        return self.words(ops, weights, h, "lm_head.decoder.weight", "lm_head.decoder.bias")


FAMILY = Family(model_types=("roberta", "xlm-roberta"), encoder=Roberta.read)

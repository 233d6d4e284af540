"""RoBERTa (Liu et al. 2019), XLM-RoBERTa (Conneau et al. 2020): a BERT whose positions begin behind the padding's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..schema.fields import Fields
from .bert import Bert, BertConfig
from .protocols import Head, HeadKind, Weight
from .registry import Family


class Roberta(Bert):
    """An `Encoder`.

    - `padding`: the id of the token that fills batches up; its position is the row of this number, and texts have
      those behind it.
    """

    body = "roberta"
    text_head = ("classifier.dense", "classifier.out_proj")
    word_head = ("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder")
    word_bias = ("lm_head.bias",)
    word_activation = "gelu"

    def __init__(self, config: BertConfig, head: Head | None, padding: int) -> None:
        super().__init__(config, head)
        self.padding = padding

    @classmethod
    def read(cls, fields: Fields, head: HeadKind | None) -> Self:
        padding = fields.integer("pad_token_id", default=1, minimum=0, maximum=1 << 24)
        return cls(BertConfig.read(fields, reserved=padding + 1), cls.read_head(fields, head), padding)

    def weights(self) -> Iterator[Weight]:
        for weight in super().weights():
            position = weight.gguf == "position_embd.weight"
            yield replace(weight, gguf_first=self.padding + 1) if position else weight

    def rows(self, ids: NDArray[Any], types: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Tokens that are padding have one position, and the others are counted without them."""
        real = ids != self.padding
        return {"positions": np.where(real, np.cumsum(real), 0) + self.padding, "types": types}


FAMILY = Family(model_types=("roberta", "xlm-roberta"), encoder=Roberta.read, written_as="bert")

"""DistilBERT (Sanh et al. 2019): a BERT without types of texts, with other names and heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from numpy.typing import NDArray

from ..schema.fields import Fields
from .bert import Bert, BertConfig, read_heads
from .config import activation
from .encoder_blocks import text_positions
from .protocols import Facts, HeadKind
from .registry import Family


class DistilBert(Bert):
    """An `Encoder`."""

    body, layer = "distilbert", "transformer.layer.{}"
    names: Mapping[str, str] = {
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "mixed": "attention.out_lin",
        "mixed_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "norm": "output_layer_norm",
    }
    text_head = ("pre_classifier", "classifier")
    word_head = ("vocab_transform", "vocab_layer_norm", "vocab_projector")
    word_bias: tuple[str, ...] = ()
    text_activation = "plain_relu"

    @classmethod
    def read(cls, fields: Fields, head: HeadKind | None) -> Self:
        width = fields.integer("dim", "hidden_size", default=768, maximum=1 << 20)
        positions = fields.integer("max_position_embeddings", default=512, maximum=1 << 24)
        facts = Facts(
            model_type="distilbert",
            vocab_size=fields.integer("vocab_size", default=30522, maximum=1 << 24),
            hidden_size=width,
            num_hidden_layers=fields.integer("n_layers", "num_hidden_layers", default=6, maximum=4096),
            max_position_embeddings=positions,
        )
        config = BertConfig(
            facts,
            positions,
            0,
            read_heads(fields, "n_heads" if fields.has("n_heads") else "num_attention_heads", width),
            fields.integer("hidden_dim", "intermediate_size", default=3072, maximum=1 << 22),
            activation(fields, "activation", "gelu"),
            1e-12,
            fields.boolean("tie_word_embeddings", default=True),
        )
        return cls(config, cls.read_head(fields, head))

    def rows(self, ids: NDArray[Any], types: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {"positions": text_positions(ids)}


FAMILY = Family(model_types=("distilbert",), encoder=DistilBert.read, written_as="bert")

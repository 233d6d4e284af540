"""DistilBERT (Sanh et al. 2019): a BERT without types of texts, with other names and heads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from numpy.typing import NDArray

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .bert import Bert, BertConfig, head_matrix, read_heads
from .blocks import activated, layer_norm, linear
from .config import activation
from .encoder_blocks import old_vectors, text_positions
from .protocols import Facts, Head, HeadKind, Tensors, Weight
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

    def head_weights(self, head: Head) -> Iterator[Weight]:
        width, vocab = self.facts.hidden_size, self.facts.vocab_size
        if head.kind == "texts":
            yield from head_matrix("pre_classifier", width, width)
            yield from head_matrix("classifier", len(head.labels), width)
            return
        yield from head_matrix("vocab_transform", width, width)
        yield from old_vectors("vocab_layer_norm", width)
        if not self.config.tied:
            yield Weight("vocab_projector.weight", (vocab, width))
        yield Weight("vocab_projector.bias", (vocab,))

    def rows(self, ids: NDArray[Any], types: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {"positions": text_positions(ids)}

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        if self.head is not None and self.head.kind == "texts":
            pooled = ops.activate("plain_relu", linear(ops, weights, "pre_classifier", hidden))
            return linear(ops, weights, "classifier", pooled)
        h = activated(ops, self.config.activation, linear(ops, weights, "vocab_transform", hidden))
        h = layer_norm(ops, weights, "vocab_layer_norm", h, self.config.eps)
        return self.words(ops, weights, h, "vocab_projector.weight", "vocab_projector.bias")


FAMILY = Family(model_types=("distilbert",), encoder=DistilBert.read)

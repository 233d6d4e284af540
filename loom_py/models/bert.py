"""BERT (Devlin et al. 2019): learned positions and types of texts, attention to both sides, a norm behind each half."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from numpy.typing import NDArray

from ..errors import ModelError
from ..nn.layer import Params
from ..runtime import Ops, Tensor
from ..schema.fields import Fields, Json
from .blocks import activated, layer_norm, linear, projection
from .config import activation, token_ids, unsupported
from .encoder_blocks import old_vectors, read_text_head, span_attention, text_positions
from .gguf_config import GGUFConfig
from .network_layers import attention_layer, matrix_and_bias, norm_layer, pointwise, sequential
from .protocols import Facts, Head, HeadKind, Pack, Tensors, Weight
from .registry import Family

RANK = 4
"""GGUF's `pooling_type` of models that score texts by their first token."""


@dataclass(frozen=True)
class BertConfig:
    """What a BERT is made of.

    - `facts`: the positions in them are those that texts may have.
    - `positions`: rows of the table of positions.
    - `types`: rows of the table of types; 0 for no table.
    - `inner`: width of the MLP.
    - `tied`: whether words are scored by their embeddings.
    """

    facts: Facts
    positions: int
    types: int
    heads: int
    inner: int
    activation: str
    eps: float
    tied: bool

    @classmethod
    def read(cls, fields: Fields, *, reserved: int = 0, types: int = 2) -> Self:
        """As BERT's configuration names them; the first `reserved` positions are not for texts."""
        if fields.boolean("is_decoder"):
            message = "a model of this family that continues texts is not supported"
            raise unsupported(fields, "is_decoder", message, "Use a model that was not trained as a decoder.")
        if fields.string("position_embedding_type", default="absolute") != "absolute":
            raise unsupported(fields, "position_embedding_type", "relative positions are not supported")
        width = fields.integer("hidden_size", default=768, maximum=1 << 20)
        positions = fields.integer("max_position_embeddings", default=512, maximum=1 << 24)
        if positions <= reserved:
            message = f"{positions} positions are too few, of which {reserved} are reserved"
            raise fields.error(message, "max_position_embeddings")
        vocab = fields.integer("vocab_size", default=30522, maximum=1 << 24)
        facts = Facts(
            model_type=fields.string("model_type", default="bert"),
            vocab_size=vocab,
            hidden_size=width,
            num_hidden_layers=fields.integer("num_hidden_layers", default=12, maximum=4096),
            max_position_embeddings=positions - reserved,
            bos_token_id=next(iter(token_ids(fields, "bos_token_id", vocab)), None),
            eos_token_ids=token_ids(fields, "eos_token_id", vocab),
        )
        return cls(
            facts,
            positions,
            fields.integer("type_vocab_size", default=types, minimum=0, maximum=1 << 16),
            read_heads(fields, "num_attention_heads", width),
            fields.integer("intermediate_size", default=3072, maximum=1 << 22),
            activation(fields, "hidden_act", "gelu"),
            fields.number("layer_norm_eps", default=1e-12, above=0, maximum=1.0),
            fields.boolean("tie_word_embeddings", default=True),
        )


def read_heads(fields: Fields, key: str, width: int) -> int:
    """The number of attention heads, which share the width."""
    heads = fields.integer(key, default=12, maximum=1 << 14)
    if width % heads:
        raise fields.error(f"{width} does not divide into {heads} attention heads", key)
    return heads


class Bert:
    """An `Encoder`. Families like it give other names to its parts, or have another head.

    **Arguments:**

    - `head`: what it says beside its hidden states.
    """

    body = "bert"
    layer = "encoder.layer.{}"
    names: Mapping[str, str] = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "mixed": "attention.output.dense",
        "mixed_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm": "output.LayerNorm",
    }
    """Of the parts of a layer."""
    text_head = ("bert.pooler.dense", "classifier")
    word_head = ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.decoder")
    """Of the parts of the heads, in order; the last gives the scores."""
    word_bias: tuple[str, ...] = ("cls.predictions.bias",)
    """Other names of the last one's bias."""
    text_activation, word_activation = "tanh", ""
    """Behind the first part of each head; without one it is the layers' own."""

    def __init__(self, config: BertConfig, head: Head | None) -> None:
        self.config, self.head = config, head

    @classmethod
    def read(cls, fields: Fields, head: HeadKind | None) -> Self:
        return cls(BertConfig.read(fields), cls.read_head(fields, head))

    @classmethod
    def read_head(cls, fields: Fields, kind: HeadKind | None) -> Head | None:
        return read_text_head(fields) if kind == "texts" else kind and Head(kind)

    @property
    def facts(self) -> Facts:
        return self.config.facts

    def weights(self) -> Iterator[Weight]:
        c, width = self.config, self.facts.hidden_size
        table = f"{self.body}.embeddings.{{}}_embeddings.weight"
        yield Weight(table.format("word"), (self.facts.vocab_size, width), gguf="token_embd.weight")
        yield Weight(table.format("position"), (c.positions, width), gguf="position_embd.weight")
        if c.types:
            yield Weight(table.format("token_type"), (c.types, width), gguf="token_types.weight")
        yield from old_vectors(f"{self.body}.embeddings.LayerNorm", width, "token_embd_norm")
        for i in range(self.facts.num_hidden_layers):
            part, blk = self._parts(i), f"blk.{i}"
            for name, gguf in (("query", "attn_q"), ("key", "attn_k"), ("value", "attn_v"), ("mixed", "attn_output")):
                yield from projection(part[name], (width, width), f"{blk}.{gguf}", bias=True)
            yield from old_vectors(part["mixed_norm"], width, f"{blk}.attn_output_norm")
            yield from projection(part["up"], (c.inner, width), f"{blk}.ffn_up", bias=True)
            yield from projection(part["down"], (width, c.inner), f"{blk}.ffn_down", bias=True)
            yield from old_vectors(part["norm"], width, f"{blk}.layer_output_norm")
        if self.head is not None:
            yield from self.head_weights(self.head)

    def head_weights(self, head: Head) -> Iterator[Weight]:
        """Words are scored behind a dense layer and a norm, texts behind a dense layer (BERT's pooler)."""
        width, vocab = self.facts.hidden_size, self.facts.vocab_size
        if head.kind == "texts":
            dense, out = self.text_head
            yield from head_matrix(dense, width, width, "cls")
            yield from head_matrix(out, len(head.labels), width, "cls.output")
            return
        dense, norm, out = self.word_head
        yield from head_matrix(dense, width, width)
        yield from old_vectors(norm, width)
        if not self.config.tied:
            yield Weight(f"{out}.weight", (vocab, width))
        # Where the two differ, the decoder's own counts.
        yield Weight(f"{out}.bias", (vocab,), aliases=self.word_bias)

    def gguf_entries(self) -> dict[str, Any]:
        types = {"tokenizer.ggml.token_type_count": self.config.types} if self.config.types else {}
        labels = {"classifier.output_labels": list(self.head.labels), "pooling_type": RANK} if self.head else {}
        return {
            "feed_forward_length": self.config.inner,
            "attention.head_count": self.config.heads,
            "attention.layer_norm_epsilon": self.config.eps,
            "attention.causal": False,
            **types,
            **labels,
        }

    def rows(self, ids: NDArray[Any], types: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {"positions": text_positions(ids), "types": types}

    def trace(self, ops: Ops, weights: Tensors, pack: Pack) -> Tensor:
        table = f"{self.body}.embeddings.{{}}_embeddings.weight"
        x = ops.embedding(pack.ids, weights[table.format("word")])
        x = ops.add(x, ops.embedding(pack.table("positions"), weights[table.format("position")]))
        if self.config.types:
            x = ops.add(x, ops.embedding(pack.table("types"), weights[table.format("token_type")]))
        x = layer_norm(ops, weights, f"{self.body}.embeddings.LayerNorm", x, self.config.eps)
        for layer in range(self.facts.num_hidden_layers):
            x = self._block(ops, weights, self._parts(layer), x, pack)
        return x

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        if self.head is not None and self.head.kind == "texts":
            dense, out = self.text_head
            return linear(ops, weights, out, ops.activate(self.text_activation, linear(ops, weights, dense, hidden)))
        dense, norm, out = self.word_head
        h = activated(ops, self.word_activation or self.config.activation, linear(ops, weights, dense, hidden))
        h = layer_norm(ops, weights, norm, h, self.config.eps)
        tied = f"{self.body}.embeddings.word_embeddings.weight"
        return ops.linear(h, weights[tied if self.config.tied else f"{out}.weight"], weights[f"{out}.bias"])

    def layers(self, weights: Mapping[str, NDArray[Any]], head: bool) -> Iterator[tuple[Json, Params]]:
        """Embeddings of texts of the first type, and for each block attention, MLP, and a norm behind each."""
        c, w, width, eps = self.config, weights, self.facts.hidden_size, self.config.eps
        if head:
            remedy = "Leave the head out: the network gives hidden states."
            raise ModelError("the head of this family has no layers", where="head", remedy=remedy)
        table = f"{self.body}.embeddings.{{}}_embeddings.weight"
        words = {"type": "embedding", "vocab_size": self.facts.vocab_size, "embedding_dim": width}
        yield words, {"table": w[table.format("word")]}
        positions = w[table.format("position")][c.positions - self.facts.max_position_embeddings :]
        if c.types:
            positions = positions + w[table.format("token_type")][0]
        places = {"type": "position_embedding", "positions": len(positions), "embedding_dim": width}
        yield places, {"positions": positions}
        yield norm_layer(w, f"{self.body}.embeddings.LayerNorm", eps)
        for i in range(self.facts.num_hidden_layers):
            part = self._parts(i)
            names = {"q": "query", "k": "key", "v": "value", "o": "mixed"}
            projections = {name: matrix_and_bias(w, part[role]) for name, role in names.items()}
            yield sequential([attention_layer(projections, c.heads, causal=False)])
            yield {"type": "residual"}, {}
            yield norm_layer(w, part["mixed_norm"], eps)
            yield sequential([pointwise(w, part["up"], c.activation), pointwise(w, part["down"], "linear")])
            yield {"type": "residual"}, {}
            yield norm_layer(w, part["norm"], eps)

    def _parts(self, layer: int) -> Mapping[str, str]:
        """Full names of the parts of a layer."""
        prefix = f"{self.body}.{self.layer.format(layer)}"
        return {part: f"{prefix}.{name}" for part, name in self.names.items()}

    def _block(self, ops: Ops, w: Tensors, part: Mapping[str, str], x: Tensor, pack: Pack) -> Tensor:
        """norm(x + attention(x)), then norm(· + mlp(·)); x (T, width)."""
        c = self.config
        q, k, v = (linear(ops, w, part[name], x) for name in ("query", "key", "value"))
        mixed = span_attention(ops, q, k, v, c.heads, pack.spans(0))
        x = layer_norm(ops, w, part["mixed_norm"], ops.add(x, linear(ops, w, part["mixed"], mixed)), c.eps)
        h = activated(ops, c.activation, linear(ops, w, part["up"], x))
        return layer_norm(ops, w, part["norm"], ops.add(x, linear(ops, w, part["down"], h)), c.eps)


def head_matrix(module: str, rows: int, columns: int, gguf: str = "") -> Iterator[Weight]:
    """The weights of `blocks.linear` in a head; GGUF has a place for few of them."""
    yield Weight(f"{module}.weight", (rows, columns), gguf=gguf and f"{gguf}.weight")
    yield Weight(f"{module}.bias", (rows,), gguf=gguf and f"{gguf}.bias")


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    """llama.cpp stores RoBERTa and DistilBERT as BERT too, without the positions that those reserve."""
    table, types = "token_types.weight", 2
    if gguf.checkpoint is not None:
        types = gguf.checkpoint.info(table).shape[0] if table in gguf.tensors else 0
    labels = gguf.labels()
    return {
        "architectures": ["BertForSequenceClassification" if labels else "BertModel"],
        "model_type": "bert",
        "hidden_size": gguf.integer("embedding_length"),
        "num_attention_heads": gguf.integer("attention.head_count"),
        "num_hidden_layers": gguf.integer("block_count"),
        "intermediate_size": gguf.uniform("feed_forward_length"),
        "max_position_embeddings": gguf.integer("context_length"),
        "layer_norm_eps": gguf.decimal("attention.layer_norm_epsilon", 1e-12, maximum=1.0),
        "type_vocab_size": types,
        **labels,
        **gguf.vocabulary(),
    }


FAMILY = Family(model_types=("bert",), encoder=Bert.read, architectures=("bert",), gguf_config=gguf_config)

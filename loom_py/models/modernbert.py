"""ModernBERT (Warner et al. 2024): rotary positions, windows in two of three layers, norms in front, a gated MLP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import ModelError
from ..runtime import Ops, Tensor
from ..schema.fields import Fields, shown
from .bert import head_matrix, read_heads
from .blocks import activated, gated, linear, projection
from .config import activation, token_ids
from .encoder_blocks import read_text_head, span_attention
from .gguf_config import GGUFConfig
from .protocols import Facts, Head, HeadKind, Pack, Tensors, Weight
from .registry import Family
from .rope import inverse_frequencies, read_rope

BODY = "model"
TOKENS = f"{BODY}.embeddings.tok_embeddings.weight"
FULL, WINDOW = "full_attention", "sliding_attention"
EVERY = 3
"""Every so manyth layer sees whole texts, the first of them."""
THETAS = {FULL: 160_000.0, WINDOW: 10_000.0}


class ModernBert:
    """An `Encoder`.

    - `kinds`: of the layers, `FULL` or `WINDOW`.
    - `reach`: how far a token sees to either side in a layer with a window.
    - `frequencies`: of the rotary embedding, and the factor of its products, by the kind of the layer.
    """

    def __init__(self, fields: Fields, head: HeadKind | None) -> None:
        vocab = fields.integer("vocab_size", default=50368, maximum=1 << 24)
        width = fields.integer("hidden_size", default=768, maximum=1 << 20)
        layers = fields.integer("num_hidden_layers", default=22, maximum=4096)
        self.heads = read_heads(fields, "num_attention_heads", width)
        if width // self.heads % 2:
            raise fields.error(f"heads of {width // self.heads} numbers cannot be rotated", "num_attention_heads")
        self.inner = fields.integer("intermediate_size", default=1152, maximum=1 << 22)
        self.activation = activation(fields, "hidden_activation", "gelu")
        self.head_activation = activation(fields, "classifier_activation", "gelu")
        self.eps = fields.number("norm_eps", default=1e-5, above=0, maximum=1.0)
        self.tied = fields.boolean("tie_word_embeddings", default=True)
        biases = ("norm_bias", "attention_bias", "mlp_bias", "classifier_bias")
        self.norm_bias, self.attention_bias, self.mlp_bias, self.head_bias = map(fields.boolean, biases)
        self.decoder_bias = fields.boolean("decoder_bias", default=True)
        self.kinds = _layer_kinds(fields, layers)
        self.reach = fields.integer("local_attention", default=128, minimum=2, maximum=1 << 24) // 2
        old = {FULL: "global_rope_theta", WINDOW: "local_rope_theta"}
        self.frequencies: dict[str, tuple[NDArray[Any], float]] = {}
        self.thetas: dict[str, float] = {}
        for kind, theta in THETAS.items():
            theta = fields.number(old[kind], default=theta, maximum=1e12, above=0)
            theta, scaling = read_rope(fields, kind, theta)
            if scaling is not None and scaling.kind == "longrope":
                raise ModelError("longrope is not supported in this family", where=fields.at("rope_parameters"))
            factor = 1.0 if scaling is None else scaling.attention_factor
            self.thetas[kind] = theta
            self.frequencies[kind] = inverse_frequencies(width // self.heads, theta, scaling), factor
        self.facts = Facts(
            model_type="modernbert",
            vocab_size=vocab,
            hidden_size=width,
            num_hidden_layers=layers,
            max_position_embeddings=fields.integer("max_position_embeddings", default=8192),
            bos_token_id=next(iter(token_ids(fields, "bos_token_id", vocab)), None),
            eos_token_ids=token_ids(fields, "eos_token_id", vocab),
        )
        self.head: Head | None = Head("words") if head == "words" else None
        if head == "texts":
            pooling = fields.string("classifier_pooling", default="cls", choices=("cls", "mean"))
            self.head = read_text_head(fields, "mean" if pooling == "mean" else "cls")

    def weights(self) -> Iterator[Weight]:
        f, width = self.facts, self.facts.hidden_size
        yield Weight(TOKENS, (f.vocab_size, width), gguf="token_embd.weight")
        yield from self._norm_weights(f"{BODY}.embeddings.norm", "token_embd_norm")
        for i in range(f.num_hidden_layers):
            block, blk = f"{BODY}.layers.{i}", f"blk.{i}"
            if i:  # the embeddings have been normalised
                yield from self._norm_weights(f"{block}.attn_norm", f"{blk}.attn_norm")
            bias = self.attention_bias
            yield from projection(f"{block}.attn.Wqkv", (3 * width, width), f"{blk}.attn_qkv", bias=bias)
            yield from projection(f"{block}.attn.Wo", (width, width), f"{blk}.attn_output", bias=bias)
            yield from self._norm_weights(f"{block}.mlp_norm", f"{blk}.ffn_norm")
            yield from projection(f"{block}.mlp.Wi", (2 * self.inner, width), f"{blk}.ffn_up", bias=self.mlp_bias)
            yield from projection(f"{block}.mlp.Wo", (width, self.inner), f"{blk}.ffn_down", bias=self.mlp_bias)
        yield from self._norm_weights(f"{BODY}.final_norm", "output_norm")
        if self.head is None:
            return
        yield Weight("head.dense.weight", (width, width))
        if self.head_bias:
            yield Weight("head.dense.bias", (width,))
        yield from self._norm_weights("head.norm", "")
        if self.head.kind == "texts":
            yield from head_matrix("classifier", len(self.head.labels), width)
            return
        if not self.tied:
            yield Weight("decoder.weight", (f.vocab_size, width))
        if self.decoder_bias:
            yield Weight("decoder.bias", (f.vocab_size,))

    def gguf_entries(self) -> dict[str, Any]:
        wide = [i for i, kind in enumerate(self.kinds) if i and kind == FULL]
        return {
            "feed_forward_length": self.inner,
            "attention.head_count": self.heads,
            "attention.layer_norm_epsilon": self.eps,
            "attention.causal": False,
            "attention.sliding_window": 2 * self.reach,
            "attention.sliding_window_pattern": wide[0] if wide else len(self.kinds),
            "rope.dimension_count": self.facts.hidden_size // self.heads,
            "rope.freq_base": self.thetas[FULL],
            "rope.freq_base_swa": self.thetas[WINDOW],
        }

    def rows(self, ids: NDArray[Any], types: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        return {}

    def trace(self, ops: Ops, weights: Tensors, pack: Pack) -> Tensor:
        x = self._norm(ops, weights, f"{BODY}.embeddings.norm", ops.embedding(pack.ids, weights[TOKENS]))
        for layer in range(self.facts.num_hidden_layers):
            x = self._block(ops, weights, layer, x, pack)
        return self._norm(ops, weights, f"{BODY}.final_norm", x)

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        h = activated(ops, self.head_activation, linear(ops, weights, "head.dense", hidden))
        h = self._norm(ops, weights, "head.norm", h)
        if self.head is not None and self.head.kind == "texts":
            return linear(ops, weights, "classifier", h)
        return ops.linear(h, weights[TOKENS if self.tied else "decoder.weight"], weights.get("decoder.bias"))

    def _block(self, ops: Ops, w: Tensors, layer: int, x: Tensor, pack: Pack) -> Tensor:
        """x + attention(norm(x)), then + mlp(norm(·)); x (T, width)."""
        block = f"{BODY}.layers.{layer}"
        h = self._norm(ops, w, f"{block}.attn_norm", x) if layer else x
        x = ops.add(x, linear(ops, w, f"{block}.attn.Wo", self._mixed(ops, w, block, layer, h, pack)))
        h = linear(ops, w, f"{block}.mlp.Wi", self._norm(ops, w, f"{block}.mlp_norm", x))
        gate, up = (ops.narrow(h, 1, i * self.inner, self.inner) for i in range(2))
        return ops.add(x, linear(ops, w, f"{block}.mlp.Wo", gated(ops, self.activation, gate, up)))

    def _mixed(self, ops: Ops, w: Tensors, block: str, layer: int, h: Tensor, pack: Pack) -> Tensor:
        """Attention of each token to its text, or to those near it: (T, width).

        Rotary embeddings only tell how far two tokens are apart, so positions may count on from text to text.
        """
        count, width = h.shape
        kind = self.kinds[layer]
        frequencies, factor = self.frequencies[kind]
        qkv = linear(ops, w, f"{block}.attn.Wqkv", h)
        q, k, v = (ops.narrow(qkv, 1, i * width, width) for i in range(3))
        q, k = (ops.rope(ops.reshape(x, (count, self.heads, width // self.heads)), 0, frequencies) for x in (q, k))
        if factor != 1.0:
            q, k = ops.scale(q, factor), ops.scale(k, factor)
        q, k = (ops.reshape(x, (count, width)) for x in (q, k))
        return span_attention(ops, q, k, v, self.heads, pack.spans(self.reach if kind == WINDOW else 0))

    def _norm_weights(self, module: str, gguf: str) -> Iterator[Weight]:
        for part in ("weight", "bias") if self.norm_bias else ("weight",):
            yield Weight(f"{module}.{part}", (self.facts.hidden_size,), gguf=gguf and f"{gguf}.{part}")

    def _norm(self, ops: Ops, w: Tensors, module: str, x: Tensor) -> Tensor:
        gain = w[f"{module}.weight"]
        offset = w[f"{module}.bias"] if self.norm_bias else ops.zeros((self.facts.hidden_size,), gain)
        return ops.layer_norm(x, gain, offset, self.eps)


def _layer_kinds(fields: Fields, layers: int) -> list[str]:
    """`layer_types`, or every `global_attn_every_n_layers`th layer for whole texts, from the first on."""
    every = fields.integer("global_attn_every_n_layers", default=EVERY)
    kinds = fields.array("layer_types", default=None)
    if kinds is None:
        return [WINDOW if i % every else FULL for i in range(layers)]
    if len(kinds) != layers:
        raise fields.error(f"expected {layers} words, one a layer, got {len(kinds)}", "layer_types")
    for i, kind in enumerate(kinds):
        if kind not in (FULL, WINDOW):
            raise ModelError(f"the layer {shown(kind)} is not supported", where=fields.at("layer_types", i))
    return kinds


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    return {
        "model_type": "modernbert",
        "hidden_size": gguf.integer("embedding_length"),
        "num_attention_heads": gguf.integer("attention.head_count"),
        "num_hidden_layers": gguf.integer("block_count"),
        "intermediate_size": gguf.uniform("feed_forward_length"),
        "max_position_embeddings": gguf.integer("context_length"),
        "norm_eps": gguf.decimal("attention.layer_norm_epsilon", 1e-5, maximum=1.0),
        "norm_bias": "token_embd_norm.bias" in gguf.tensors,
        "attention_bias": "blk.0.attn_qkv.bias" in gguf.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in gguf.tensors,
        "local_attention": gguf.integer("attention.sliding_window", 128),
        "global_attn_every_n_layers": gguf.uniform("attention.sliding_window_pattern", EVERY),
        "global_rope_theta": gguf.decimal("rope.freq_base", THETAS[FULL], maximum=1e12),
        "local_rope_theta": gguf.decimal("rope.freq_base_swa", THETAS[WINDOW], maximum=1e12),
        **gguf.vocabulary(),
    }


FAMILY = Family(
    model_types=("modernbert",), encoder=ModernBert, architectures=("modern-bert",), gguf_config=gguf_config
)

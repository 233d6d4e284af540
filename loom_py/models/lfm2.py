"""LFM2 (Liquid AI 2025): gated short convolutions in most layers, attention in the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .blocks import by_segment, gated, joined, linear, projection
from .config import read_layer_types, unsupported
from .gguf_config import GGUFConfig
from .gguf_rope import gguf_rope
from .llama import Llama, LlamaConfig
from .protocols import CacheLayout, Chunk, Kept, Tensors, Weight, keys_and_values
from .registry import Family


class LFM2(Llama):
    """A `Decoder`.

    - `convolutional[i]`: whether layer i is a convolution.
    - `taps`: of each channel's convolution; `bias` whether these layers have biases.
    """

    interleaved_in_gguf = False
    head_norms = True
    final_norm, out_proj = "model.embedding_norm", "out_proj"
    gguf_final_norm = "token_embd_norm"
    q_norm, k_norm = "q_layernorm", "k_layernorm"

    def __init__(self, config: LlamaConfig, convolutional: list[bool], taps: int, bias: bool) -> None:
        super().__init__(config)
        self.convolutional, self.taps, self.bias = convolutional, taps, bias

    @classmethod
    def read(cls, fields: Fields) -> Self:
        tied = fields.boolean("tie_embedding", default=True)
        config = LlamaConfig.read(fields, tied=tied, eps=1e-5, eps_key="norm_eps", theta=1e6)
        config = replace(config, intermediate_size=_inner(fields, config.intermediate_size))
        taps = fields.integer("conv_L_cache", default=3, maximum=1 << 10)
        if taps < 2:
            raise unsupported(fields, "conv_L_cache", "a convolution of one tap is not supported")
        return cls(config, _convolutional(fields, config.num_hidden_layers), taps, fields.boolean("conv_bias"))

    def block_weights(self, block: str, blk: str) -> Iterator[Weight]:
        yield from self.norm_weights(f"{block}.operator_norm", f"{blk}.attn_norm")
        if self.convolutional[int(block.rpartition(".")[2])]:
            yield from self._conv_weights(f"{block}.conv", f"{blk}.shortconv")
        else:
            yield from self.attention_weights(f"{block}.self_attn", blk)
        yield from self.norm_weights(f"{block}.ffn_norm", f"{blk}.ffn_norm")
        inner, width = self.config.intermediate_size, self.config.hidden_size
        for name, gguf, shape in (
            ("w1", "gate", (inner, width)), ("w3", "up", (inner, width)), ("w2", "down", (width, inner)),
        ):  # fmt: skip
            yield from projection(f"{block}.feed_forward.{name}", shape, f"{blk}.ffn_{gguf}")

    def _conv_weights(self, module: str, blk: str) -> Iterator[Weight]:
        width, taps = self.config.hidden_size, self.taps
        yield Weight(f"{module}.conv.weight", (width, 1, taps), gguf=f"{blk}.conv.weight", gguf_shape=(width, taps))
        if self.bias:
            yield Weight(f"{module}.conv.bias", (width,), gguf=f"{blk}.conv.bias")
        yield from projection(f"{module}.in_proj", (3 * width, width), f"{blk}.in_proj", bias=self.bias)
        yield from projection(f"{module}.out_proj", (width, width), f"{blk}.out_proj", bias=self.bias)

    def gguf_entries(self) -> dict[str, Any]:
        heads = [0 if convolutional else self.config.num_key_value_heads for convolutional in self.convolutional]
        return {**super().gguf_entries(), "attention.head_count_kv": heads, "shortconv.l_cache": self.taps}

    def new_cache(self) -> CacheLayout:
        c = self.config
        rows = keys_and_values(c.num_key_value_heads, c.head_dim)
        tail = {"tail": Kept((c.hidden_size,), rows=self.taps - 1)}
        return [tail if convolutional else rows for convolutional in self.convolutional]

    def block(self, ops: Ops, weights: Tensors, layer: int, x: Tensor, chunk: Chunk) -> Tensor:
        """x + convolution or attention of norm(x), then + mlp(norm(·)); x (T, hidden)."""
        block = f"model.layers.{layer}"
        h = self.norm(ops, weights, f"{block}.operator_norm", x)
        if self.convolutional[layer]:
            x = ops.add(x, self._convolved(ops, weights, f"{block}.conv", layer, h, chunk))
        else:
            x = ops.add(x, self.attention(ops, weights, f"{block}.self_attn", layer, h, chunk))
        h, mlp = self.norm(ops, weights, f"{block}.ffn_norm", x), f"{block}.feed_forward"
        gate, up = linear(ops, weights, f"{mlp}.w1", h), linear(ops, weights, f"{mlp}.w3", h)
        return ops.add(x, linear(ops, weights, f"{mlp}.w2", gated(ops, "silu", gate, up)))

    def _convolved(self, ops: Ops, w: Tensors, module: str, layer: int, h: Tensor, chunk: Chunk) -> Tensor:
        """out(c · short_conv(b · x)) with b, c and x the three parts of in(h); h (T, hidden)."""
        width = self.config.hidden_size
        parts = linear(ops, w, f"{module}.in_proj", h)
        b, c, x = (ops.narrow(parts, 1, i * width, width) for i in range(3))
        weight, bias, rows = w[f"{module}.conv.weight"], w.get(f"{module}.conv.bias"), list[Tensor]()
        for segment, (own,) in by_segment(ops, chunk, ops.mul(b, x)):
            rows.append(ops.short_conv(own, weight, segment.cache[layer]["tail"], bias))
        return linear(ops, w, f"{module}.out_proj", ops.mul(c, joined(ops, rows)))


def _inner(fields: Fields, size: int) -> int:
    """Width of the gated MLPs: `intermediate_size` or what is said to be derived from it."""
    size = fields.integer("block_ff_dim", default=size, maximum=1 << 22)
    if not fields.boolean("block_auto_adjust_ff_dim", default=True):
        return size
    size = int(fields.number("block_ffn_dim_multiplier", default=1.0, above=0, maximum=64) * int(2 * size / 3))
    multiple = fields.integer("block_multiple_of", default=256, maximum=1 << 20)
    return max(-(-size // multiple) * multiple, multiple)


def _convolutional(fields: Fields, layers: int) -> list[bool]:
    kinds = read_layer_types(fields, layers, ("conv", "full_attention"))
    if kinds is None:
        attending = fields.integers("full_attn_idxs", default=list(range(layers)), maximum=layers - 1)
        return [i not in attending for i in range(layers)]
    return [kind == "conv" for kind in kinds]


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    """GGUF gives the number of key-value heads once a layer: none for a convolution."""
    heads, size = gguf.head_shape()
    per_layer = gguf.whole_numbers("attention.head_count_kv", gguf.integer("block_count", maximum=4096), heads)
    attending = [count for count in per_layer if count]
    if any(count != attending[0] for count in attending):
        raise gguf.unsupported("layers of different shapes are not supported", "attention.head_count_kv")
    theta, scaling = gguf_rope(gguf, size)
    return {
        "architectures": ["Lfm2ForCausalLM"],
        "model_type": "lfm2",
        "hidden_size": gguf.integer("embedding_length"),
        "intermediate_size": gguf.uniform("feed_forward_length"),
        "block_auto_adjust_ff_dim": False,
        "num_hidden_layers": len(per_layer),
        "layer_types": ["full_attention" if count else "conv" for count in per_layer],
        "num_attention_heads": heads,
        "num_key_value_heads": attending[0] if attending else heads,
        "max_position_embeddings": gguf.integer("context_length", 128000),
        "norm_eps": gguf.decimal("attention.layer_norm_rms_epsilon", 1e-5, maximum=1.0),
        "conv_L_cache": gguf.integer("shortconv.l_cache", 3),
        "conv_bias": any(name.endswith("shortconv.conv.bias") for name in gguf.tensors),
        "rope_theta": theta,
        "rope_scaling": None if scaling is None else scaling.to_json(),
        "tie_word_embeddings": "output.weight" not in gguf.tensors,
        **gguf.vocabulary(),
    }


FAMILY = Family(model_types=("lfm2",), decoder=LFM2.read, architectures=("lfm2",), gguf_config=gguf_config)

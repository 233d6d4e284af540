"""StarCoder2 (Lozhkov et al. 2024): grouped-query attention with a window, layer norms, a plain MLP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from . import llama
from .blocks import activated, linear, projection
from .config import read_windows
from .gguf_config import GGUFConfig
from .llama import LlamaConfig
from .mistral import Mistral
from .protocols import Tensors, Weight
from .registry import Family


class StarCoder2(Mistral):
    """A `Decoder`."""

    interleaved_in_gguf = False
    layer_norms = True

    @classmethod
    def read(cls, fields: Fields) -> Self:
        bias = fields.boolean("use_bias", default=True)
        config = LlamaConfig.read(
            fields, tied=True, bias=bias, act="gelu_pytorch_tanh", eps=1e-5, eps_key="norm_epsilon"
        )
        return cls(config, read_windows(fields, config.num_hidden_layers))

    def mlp_weights(self, module: str, blk: str) -> Iterator[Weight]:
        c = self.config
        hidden, mid = c.hidden_size, c.intermediate_size
        yield from projection(f"{module}.c_fc", (mid, hidden), f"{blk}.ffn_up", bias=c.mlp_bias)
        yield from projection(f"{module}.c_proj", (hidden, mid), f"{blk}.ffn_down", bias=c.mlp_bias)

    def mlp(self, ops: Ops, weights: Tensors, module: str, h: Tensor) -> Tensor:
        h = activated(ops, self.config.activation, linear(ops, weights, f"{module}.c_fc", h))
        return linear(ops, weights, f"{module}.c_proj", h)


def gguf_config(gguf: GGUFConfig) -> dict[str, Any]:
    config = llama.gguf_config(gguf)
    return {
        **config,
        "model_type": "starcoder2",
        "hidden_act": "gelu_pytorch_tanh",
        "norm_epsilon": gguf.decimal("attention.layer_norm_epsilon", 1e-5, maximum=1.0),
        "use_bias": config["attention_bias"],
    }


FAMILY = Family(
    model_types=("starcoder2",), decoder=StarCoder2.read, architectures=("starcoder2",), gguf_config=gguf_config
)

"""What readers of Hugging Face's `config.json` share.

Absent fields take the defaults of transformers, unknown ones are ignored. A field of the wrong type or with a value
outside its range is a `FormatError` with its JSON path; a configuration that is well formed but describes a model that
this package does not compute is a `ModelError`.
"""

from __future__ import annotations

from typing import Any

from ..errors import ModelError
from ..schema.fields import Fields, is_whole, shown


def unsupported(fields: Fields, key: str, message: str, remedy: str = "") -> ModelError:
    """The error for a field whose value is well formed and describes a model that is not computed here."""
    return ModelError(message, where=fields.at(key), remedy=remedy)


def token_ids(fields: Fields, key: str, vocab_size: int) -> tuple[int, ...]:
    """A token id or an array of them; each inside the vocabulary."""
    value = fields.any(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        return (_token_id(fields, value, vocab_size, key),)
    return tuple(_token_id(fields, item, vocab_size, key, i) for i, item in enumerate(fields.array(key)))


def _token_id(fields: Fields, value: Any, vocab_size: int, *steps: str | int) -> int:
    if not is_whole(value, exact=True):
        raise fields.error(f"expected a token id, got {shown(value)}", *steps)
    if not 0 <= value < vocab_size:
        raise fields.error(f"token id {str(value)[:30]} is outside the vocabulary of {vocab_size}", *steps)
    return value


ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "plain_relu",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""transformers' names of activations → those of the kernel `activate`."""


def activation(fields: Fields, key: str, default: str) -> str:
    """The kernel's name of the activation in `key`."""
    name = fields.string(key, default=default)
    if name not in ACTIVATIONS:
        raise unsupported(fields, key, f"the activation {name[:60]!r} is not supported")
    return ACTIVATIONS[name]


def refuse_window(fields: Fields, default: int = 1 << 62) -> None:
    """Raises `ModelError` for attention over a window that is smaller than the context.

    - `default`: `max_position_embeddings` where the field is absent.
    """
    if not fields.has("sliding_window") or not fields.boolean("use_sliding_window", default=True):
        return
    window = fields.integer("sliding_window")
    if window < fields.integer("max_position_embeddings", default=default):
        message = f"sliding-window attention over {window} positions is not supported"
        raise unsupported(fields, "sliding_window", message)


def attention_shape(fields: Fields, hidden: int, kv_heads: int | None = None) -> tuple[int, int, int]:
    """(query heads, key/value heads, size of a head), as most families name them.

    - `kv_heads`: the family's default; None for as many as query heads.
    """
    heads = fields.integer("num_attention_heads", maximum=1 << 14)
    kv = fields.integer("num_key_value_heads", default=kv_heads or heads, maximum=1 << 14)
    if not fields.has("head_dim") and hidden % heads:
        raise fields.error(f"{hidden} does not divide into {heads} attention heads", "hidden_size")
    size = fields.integer("head_dim", default=hidden // heads, maximum=1 << 14)
    if heads % kv:
        raise fields.error(f"{kv} does not divide the {heads} attention heads", "num_key_value_heads")
    return heads, kv, size

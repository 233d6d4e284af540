"""What readers of Hugging Face's `config.json` share.

Absent fields take the defaults of transformers, unknown ones are ignored. A field of the wrong type or with a value
outside its range is a `FormatError` with its JSON path; a configuration that is well formed but describes a model that
this package does not compute is a `ModelError`.
"""

from __future__ import annotations

from ..errors import ModelError
from ..schema.fields import Fields, is_whole, shown


def unsupported(fields: Fields, key: str, message: str, remedy: str = "") -> ModelError:
    """The error for a field whose value is well formed and describes a model that is not computed here."""
    return ModelError(message, where=fields.at(key), remedy=remedy)


def token_ids(fields: Fields, key: str, vocab_size: int) -> tuple[int, ...]:
    """A token id or an array of them. An id outside the vocabulary can never come and is left out."""
    value = fields.any(key)
    if value is None:
        return ()
    listed = fields.array(key) if isinstance(value, list) else [value]
    for i, item in enumerate(listed):
        if not is_whole(item, exact=True):
            steps = (key, i) if isinstance(value, list) else (key,)
            raise fields.error(f"expected a token id, got {shown(item)}", *steps)
    return tuple(item for item in listed if 0 <= item < vocab_size)


ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "plain_relu",
    "relu2": "squared_relu",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""transformers' names of activations → those of the kernel `activate`, or of `blocks.activated`."""


def activation(fields: Fields, key: str, default: str) -> str:
    """The kernel's name of the activation in `key`."""
    name = fields.string(key, default=default)
    if name not in ACTIVATIONS:
        raise unsupported(fields, key, f"the activation {name[:60]!r} is not supported")
    return ACTIVATIONS[name]


def read_windows(fields: Fields, layers: int, *, pattern: int = 0, used: bool = True, default: int = 0) -> list[int]:
    """How many positions a token sees in each layer, `sliding_window`; 0 for all of them.

    Layers are told apart by `layer_types`; where that is absent every `pattern`th sees all positions.

    - `pattern`: 0 where all layers have the window.
    - `used`: whether `use_sliding_window` is taken for granted.
    - `default`: the window where the file does not even say null.
    """
    window = fields.integer("sliding_window", default=default if "sliding_window" not in fields.values else None)
    if not window or not fields.boolean("use_sliding_window", default=used):
        return [0] * layers
    kinds = read_layer_types(fields, layers, ("sliding_attention", "full_attention"))
    if kinds is None:
        return [window if not pattern or (i + 1) % pattern else 0 for i in range(layers)]
    return [window if kind == "sliding_attention" else 0 for kind in kinds]


def read_layer_types(fields: Fields, layers: int, kinds: tuple[str, ...]) -> list[str] | None:
    """`layer_types`, a word of `kinds` for each layer; None where the file does not say."""
    listed = fields.array("layer_types", default=None)
    if listed is None:
        return None
    if len(listed) != layers:
        raise fields.error(f"expected {layers} words, one a layer, got {len(listed)}", "layer_types")
    for i, kind in enumerate(listed):
        if kind not in kinds:
            message, remedy = f"the layer {shown(kind)} is not supported", f"Supported are {', '.join(kinds)}."
            raise ModelError(message, where=fields.at("layer_types", i), remedy=remedy)
    return list(listed)


def read_cap(fields: Fields, key: str, default: float) -> float:
    """Where numbers level off: 0 for nowhere, where the file says null, the default where it says nothing."""
    return fields.number(key, default=default if key not in fields.values else None, above=0) or 0.0


def attention_shape(
    fields: Fields, hidden: int, kv_heads: int | None = None, size: int | None = None
) -> tuple[int, int, int]:
    """(query heads, key/value heads, size of a head), as most families name them.

    - `kv_heads`: the family's default; None for as many as query heads.
    - `size`: of a head where the file does not even say null; None for its share of the width.
    """
    heads = fields.integer("num_attention_heads", maximum=1 << 14)
    kv = fields.integer("num_key_value_heads", default=kv_heads or heads, maximum=1 << 14)
    default = size if size and "head_dim" not in fields.values else None
    if not fields.has("head_dim") and not default and hidden % heads:
        raise fields.error(f"{hidden} does not divide into {heads} attention heads", "hidden_size")
    size = fields.integer("head_dim", default=default or hidden // heads, maximum=1 << 14)
    if heads % kv:
        raise fields.error(f"{kv} does not divide the {heads} attention heads", "num_key_value_heads")
    return heads, kv, size

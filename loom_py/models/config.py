"""Hugging Face `config.json` of Llama-family models, read into a frozen dataclass.

Absent fields take the defaults of transformers' `LlamaConfig`; unknown fields are ignored; a field of the wrong type or
with a value outside its range is a `FormatError` with its JSON path. A configuration that is well formed but
describes a model this package does not compute (another activation, YaRN, quantised weights …) is a `ModelError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ModelError
from ..formats.source import Source
from ..schema.file_fields import Fields
from ..schema.strict import parse_json

SUPPORTED_MODEL_TYPES = ("llama", "mistral")
_MAX_CONFIG_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched for long contexts.

    - `linear`: every frequency divided by `factor`.
    - `llama3`: frequencies whose wavelength exceeds `original_max_position_embeddings / low_freq_factor` are divided by
      `factor`, those below `… / high_freq_factor` are kept, those between are interpolated.
    """

    kind: Literal["linear", "llama3"]
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192


@dataclass(frozen=True)
class LlamaConfig:
    """The shape of a Llama-family decoder; field names are those of `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    max_position_embeddings: int = 2048
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    bos_token_id: int | None = None
    eos_token_ids: tuple[int, ...] = ()
    model_type: str = "llama"

    @classmethod
    def from_json(cls, mapping: Mapping[str, Any], where: str = "config.json") -> LlamaConfig:
        """Checks and converts a parsed `config.json`. Raises `FormatError` or `ModelError`; `where` names the file."""
        fields = Fields(mapping, where)
        _refuse_unsupported(fields)
        hidden = fields.integer("hidden_size", low=1, high=1 << 20)
        heads = fields.integer("num_attention_heads", low=1, high=1 << 14)
        kv_heads = fields.integer("num_key_value_heads", heads, low=1, high=1 << 14)
        if not fields.has("head_dim") and hidden % heads:
            raise fields.error(f"{hidden} does not divide into {heads} attention heads", "hidden_size")
        head_dim = fields.integer("head_dim", hidden // heads, low=1, high=1 << 14)
        if heads % kv_heads:
            raise fields.error(f"{kv_heads} does not divide the {heads} attention heads", "num_key_value_heads")
        if head_dim % 2:
            raise fields.error(f"must be even for rotary embeddings, but is {head_dim}", "head_dim")
        vocab = fields.integer("vocab_size", low=1, high=1 << 24)
        theta, scaling = _rope(fields)
        return cls(
            vocab_size=vocab,
            hidden_size=hidden,
            intermediate_size=fields.integer("intermediate_size", low=1, high=1 << 22),
            num_hidden_layers=fields.integer("num_hidden_layers", low=1, high=4096),
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=head_dim,
            rms_norm_eps=fields.number("rms_norm_eps", 1e-6, high=1.0),
            rope_theta=theta,
            rope_scaling=scaling,
            max_position_embeddings=fields.integer("max_position_embeddings", 2048, low=1),
            tie_word_embeddings=fields.boolean("tie_word_embeddings", False),
            attention_bias=fields.boolean("attention_bias", False),
            mlp_bias=fields.boolean("mlp_bias", False),
            bos_token_id=next(iter(_token_ids(fields, "bos_token_id", vocab)), None),
            eos_token_ids=_token_ids(fields, "eos_token_id", vocab),
            model_type=fields.text("model_type", "llama"),
        )

    @classmethod
    def from_source(cls, source: Source) -> LlamaConfig:
        """Reads a `config.json` file."""
        return cls.from_json(read_json_file(source, max_bytes=_MAX_CONFIG_BYTES), source.name)

    def to_json(self) -> dict[str, Any]:
        """The same configuration in `config.json` terms; `from_json` reads it back to an equal value."""
        result: dict[str, Any] = {"architectures": ["LlamaForCausalLM"], "hidden_act": "silu"}
        result |= {name: getattr(self, name) for name in self.__dataclass_fields__}
        ids = result.pop("eos_token_ids")
        result["eos_token_id"] = None if not ids else ids[0] if len(ids) == 1 else list(ids)
        if (scaling := self.rope_scaling) is not None:
            result["rope_scaling"] = {"rope_type": scaling.kind, "factor": scaling.factor}
            if scaling.kind == "llama3":
                result["rope_scaling"] |= {
                    "low_freq_factor": scaling.low_freq_factor,
                    "high_freq_factor": scaling.high_freq_factor,
                    "original_max_position_embeddings": scaling.original_max_position_embeddings,
                }
        return result


def read_json_file(source: Source, *, max_bytes: int) -> Any:
    """A whole small JSON file through the strict reader; too large a file is refused before it is read."""
    if source.size > max_bytes:
        raise Fields({}, source.name).error(f"{source.size} bytes are more than the limit of {max_bytes}")
    return parse_json(source.read(0, source.size), where=source.name, max_bytes=max_bytes)


def _refuse_unsupported(fields: Fields) -> None:
    """Raises `ModelError` for what would load and then compute something else than the checkpoint's authors did."""

    def refuse(key: str, message: str) -> ModelError:
        remedy = f"Use a {' or '.join(SUPPORTED_MODEL_TYPES)} checkpoint with unquantised weights, or a GGUF of it."
        return ModelError(message, where=fields.error("", key).where, remedy=remedy)

    model_type = fields.text("model_type", "llama")
    if model_type not in SUPPORTED_MODEL_TYPES:
        raise refuse("model_type", f"the architecture {model_type[:60]!r} is not supported")
    act = fields.text("hidden_act", "silu")
    if act not in ("silu", "swish"):
        raise refuse("hidden_act", f"the activation {act[:60]!r} is not supported, only 'silu' is")
    if fields.has("quantization_config"):
        raise refuse("quantization_config", "the weights are quantised in a way this package does not read")
    if fields.number("partial_rotary_factor", 1.0) != 1.0:
        raise refuse("partial_rotary_factor", "rotary embeddings over part of a head are not supported")
    if fields.boolean("rope_interleaved", False):
        raise refuse("rope_interleaved", "interleaved rotary embeddings are not supported")
    if model_type == "mistral" and fields.has("sliding_window"):
        window = fields.integer("sliding_window", low=1)
        if window < fields.integer("max_position_embeddings", 4096 * 32, low=1):
            raise refuse("sliding_window", f"sliding-window attention over {window} positions is not supported")


def _rope(fields: Fields) -> tuple[float, RopeScaling | None]:
    """`rope_theta` and the scaling, from the root (transformers 4) or from `rope_parameters` (transformers 5)."""
    theta = fields.number("rope_theta", 10000.0, high=1e12)
    key = next((key for key in ("rope_parameters", "rope_scaling") if fields.has(key)), None)
    if key is None:
        return theta, None
    inner = fields.object(key)
    theta = inner.number("rope_theta", theta, high=1e12)
    kind = inner.text("rope_type", None) or inner.text("type", "default")  # `type` is the older spelling
    if kind == "default":
        return theta, None
    if kind == "linear":
        return theta, RopeScaling("linear", inner.number("factor", low=0.0, high=1e6))
    if kind != "llama3":
        raise ModelError(
            f"the rotary scaling {kind[:60]!r} is not supported, only default, linear and llama3 are",
            where=inner.error("", "rope_type" if inner.has("rope_type") else "type").where,
        )
    scaling = RopeScaling(
        "llama3",
        factor=inner.number("factor", high=1e6),
        low_freq_factor=inner.number("low_freq_factor", high=1e6),
        high_freq_factor=inner.number("high_freq_factor", high=1e6),
        original_max_position_embeddings=inner.integer("original_max_position_embeddings", low=1),
    )
    if scaling.high_freq_factor <= scaling.low_freq_factor:
        raise inner.error("must be greater than low_freq_factor", "high_freq_factor")
    return theta, scaling


def _token_ids(fields: Fields, key: str, vocab_size: int) -> tuple[int, ...]:
    """A token id or an array of them; each inside the vocabulary."""
    value = fields.mapping.get(key)
    if value is None:
        return ()
    many = isinstance(value, list)
    values = value if many else [value]
    if not values:
        return ()
    for index, item in enumerate(values):
        steps = (key, index) if many else (key,)
        if isinstance(item, bool) or not isinstance(item, int):
            raise fields.error("must be a token id (an integer)", *steps)
        if not 0 <= item < vocab_size:
            raise fields.error(f"token id {str(item)[:30]} is outside the vocabulary of {vocab_size}", *steps)
    return tuple(values)

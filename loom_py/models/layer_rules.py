"""The rules behind `inspect_checkpoint`: which names and shapes speak for which kind of layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..formats.checkpoint import TensorInfo
from ..nn import KINDS
from ..schema.fields import Json

Tensors = Mapping[str, TensorInfo]


@dataclass(frozen=True)
class Guess:
    """A kind, how sure, and why."""

    kind: str
    confidence: Literal["high", "medium", "low"]
    reason: str
    details: Json = field(default_factory=Json)
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """A layer whose parts are modules of their own: part names → roles, which roles it needs, and its rule."""

    roles: Mapping[str, str]
    needs: tuple[frozenset[str], ...]
    guess: Callable[[Mapping[str, Tensors]], Guess | None]


def group_role(family: str, name: str) -> str:
    """What the part called `name` does in a group; "" if nothing."""
    return GROUPS[family].roles.get(name, "")


def _weight(parts: Mapping[str, Tensors], role: str) -> tuple[int, ...]:
    tensors = parts.get(role, {})
    info = tensors.get("weight")
    return info.shape if info is not None and len(info.shape) == 2 else ()


def _attention(parts: Mapping[str, Tensors]) -> Guess | None:
    note = {"num_heads": None}  # does not follow from the shapes
    fused = _weight(parts, "qkv")
    if fused:
        width = min(fused)
        ratio = max(fused) / width
        details: Json = {"d_model": width, "qkv_size": max(fused), **note}
        fits = 1 < ratio <= 3
        return Guess("multi_head_attention", "high" if fits else "medium", "a fused query-key-value matrix", details)
    q, k, v = (_weight(parts, role) for role in "qkv")
    if not (q and k and v) or k != v:
        return None
    q_size, d_model = q if q[1] == k[1] else q[::-1]
    kv = k[0] if q[1] == k[1] else k[1]
    if kv > q_size or q_size % kv:
        return None
    complete = "o" in parts
    reason = "query, key and value matrices" + (" and an output one" if complete else ", the output one is elsewhere")
    details = {"d_model": d_model, "q_size": q_size, "kv_size": kv, "queries_per_kv_head": q_size // kv, **note}
    return Guess("multi_head_attention", "high" if complete else "medium", reason, details)


def _swiglu(parts: Mapping[str, Tensors]) -> Guess | None:
    down = _weight(parts, "down")
    fused = _weight(parts, "gate_up")
    gate, up = (fused, fused) if fused else (_weight(parts, "gate"), _weight(parts, "up"))
    if not down or gate != up or not gate:
        return None
    mid, hidden = (gate[0] // 2, gate[1]) if fused else gate
    if sorted(down) != sorted((mid, hidden)):
        return None
    reason = "gate, up and down matrices of matching sizes"
    details: Json = {"hidden": down[0], "intermediate": down[1]}
    return Guess("swiglu", "high", reason, details, ("a gated layer with another activation",))


_ATTENTION_ROLES = {
    **{"q_proj": "q", "k_proj": "k", "v_proj": "v", "o_proj": "o", "out_proj": "o"},
    **{"attn_q": "q", "attn_k": "k", "attn_v": "v", "attn_output": "o", "attn_qkv": "qkv"},
    **{"query": "q", "key": "k", "value": "v", "q_lin": "q", "k_lin": "k", "v_lin": "v", "out_lin": "o"},
    **{"wq": "q", "wk": "k", "wv": "v", "wo": "o", "to_q": "q", "to_k": "k", "to_v": "v"},
    **{"c_attn": "qkv", "in_proj": "qkv", "qkv": "qkv", "qkv_proj": "qkv", "query_key_value": "qkv"},
    **{"c_proj": "o", "dense": "o", "proj": "o"},
}
_SWIGLU_ROLES = {
    **{"gate_proj": "gate", "up_proj": "up", "down_proj": "down", "gate_up_proj": "gate_up"},
    **{"ffn_gate": "gate", "ffn_up": "up", "ffn_down": "down", "w1": "gate", "w3": "up", "w2": "down"},
}
GROUPS = {
    "attention": Group(_ATTENTION_ROLES, (frozenset("qkv"), frozenset({"qkv"})), _attention),
    "swiglu": Group(_SWIGLU_ROLES, (frozenset({"gate", "up", "down"}), frozenset({"gate_up", "down"})), _swiglu),
}

_NORM = re.compile(r"norm|(^|[._])(ln|rms|bn)(_|\d|[._]|$)|layernorm", re.IGNORECASE)
_EMBEDDING = re.compile(r"emb|(^|[._])(wte|wpe)([._]|$)|token_types?", re.IGNORECASE)
_HEAD = re.compile(r"(^|[._])(lm_head|output|classifier|score|head|fc\d*|linear\d*|dense|proj)", re.IGNORECASE)
_CONV = re.compile(r"conv|downsample|patch", re.IGNORECASE)


def guess_module(name: str, tensors: Tensors) -> Guess:
    """The layer that the tensors of one module make."""
    for rule in (_own_layout, _recurrent, _normalisation, _convolution, _matrix):
        guess = rule(name, tensors)
        if guess is not None:
            return guess
    shapes = ", ".join(f"{key or 'itself'} {list(info.shape)}" for key, info in tensors.items())
    return Guess("tensor", "low", f"no rule fits: {shapes}")


def _own_layout(name: str, tensors: Tensors) -> Guess | None:
    """The parameters of this package's own layers."""
    shapes = {key: info.shape for key, info in tensors.items()}
    for cls in dict.fromkeys(KINDS.values()):
        details = cls.recognise(shapes)
        if details is not None:
            return Guess(cls.kind, "high", "this package's parameter names", details)
    return None


def _recurrent(name: str, tensors: Tensors) -> Guess | None:
    ih, hh = tensors.get("weight_ih"), tensors.get("weight_hh")
    if ih is None or hh is None or len(ih.shape) != 2 or len(hh.shape) != 2 or ih.shape[0] != hh.shape[0]:
        return None
    rows, hidden = hh.shape
    gates = rows // hidden if hidden and rows % hidden == 0 else 0
    kind = {4: "lstm", 3: "gru", 1: "rnn"}.get(gates)
    if kind is None:
        return None
    why = f"recurrent matrices with {gates} gate{'s' if gates > 1 else ''}"
    return Guess(kind, "high", why, {"input_size": ih.shape[1], "hidden_size": hidden})


def _normalisation(name: str, tensors: Tensors) -> Guess | None:
    gain = next((tensors[key] for key in ("weight", "gamma", "scale", "") if key in tensors), None)
    if gain is None or len(gain.shape) != 1:
        return None
    size: Json = {"norm_size": gain.shape[0]}
    offset = next((tensors[key] for key in ("bias", "beta") if key in tensors), None)
    if offset is not None and offset.shape != gain.shape:
        return None
    if {"running_mean", "running_var"} <= set(tensors):
        return Guess("batch_norm", "high", "running mean and variance", size)
    named = bool(_NORM.search(name)) or "gamma" in tensors
    if offset is not None:
        others = ("batch_norm", "group_norm")
        if named:
            return Guess("layer_norm", "high", "a gain and an offset, named as a norm", size, others)
        return Guess("layer_norm", "low", "a gain and an offset", size, others)
    if named:
        sure = "high" if "rms" in name.lower() else "medium"
        return Guess(
            "rms_norm", sure, "a gain without an offset, named as a norm", size, ("layer_norm without offset",)
        )
    return Guess("rms_norm", "low", "one vector", size, ("a bias", "a scale", "any other vector"))


def _convolution(name: str, tensors: Tensors) -> Guess | None:
    kernel = tensors.get("weight") or tensors.get("kernel")
    if kernel is None or len(kernel.shape) not in (3, 4):
        return None
    bias = tensors.get("bias")
    filters, channels, *size = kernel.shape
    if bias is not None and bias.shape != (filters,):
        return None
    if "kernel" in tensors and len(size) == 2 and size[0] == 1:
        size = size[1:]  # how this package keeps a kernel of one dimension
    kind = "conv1d" if len(size) == 1 else "conv2d"
    details: Json = {"filters": filters, "channels": channels, "kernel_size": size}
    named = bool(_CONV.search(name))
    others = ("a stack of matrices",) if len(size) == 1 and not named else ("a transposed or grouped convolution",)
    if "exp" in name.lower() and not named:
        return None  # stacked experts
    return Guess(kind, "high" if named else "low", f"a kernel with {len(kernel.shape)} axes", details, others)


def _matrix(name: str, tensors: Tensors) -> Guess | None:
    weight = tensors.get("weight") or tensors.get("")
    if weight is None or len(weight.shape) != 2 or not set(tensors) <= {"weight", "bias", ""}:
        return None
    out, width = weight.shape
    dense: Json = {"in": width, "out": out}
    if "bias" in tensors:
        if tensors["bias"].shape == (out,):
            return Guess("dense", "high", "a matrix and a bias for its rows", dense)
        if tensors["bias"].shape == (width,):
            return Guess("dense", "medium", "a matrix and a bias for its columns", {"in": out, "out": width})
        return None
    table: Json = {"vocab_size": out, "embedding_dim": width}
    if _EMBEDDING.search(name):
        return Guess("embedding", "high", "a matrix without a bias, named as an embedding", table)
    if _HEAD.search(name):
        return Guess("dense", "medium", "a matrix without a bias, named as a projection", dense)
    if out > 4 * width:
        return Guess("embedding", "low", "a matrix with far more rows than columns", table, ("dense",))
    return Guess("dense", "low", "a matrix", dense, ("embedding",))

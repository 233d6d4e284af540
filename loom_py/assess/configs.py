"""Layers of the assessment's networks, as JSON configurations."""

from __future__ import annotations

from typing import Any

from ..errors import InputError

Config = dict[str, Any]


def dense(size: int, activation: str = "leaky_relu") -> Config:
    return {"type": "dense", "output_size": size, "activation": activation}


def conv(side: int, filters: int, kernel: int) -> Config:
    sizes = {"input_channels": 1, "input_height": side, "input_width": side}
    return {"type": "conv2d", "filters": filters, "kernel_size": kernel, "activation": "leaky_relu", **sizes}


def same_conv(height: int, width: int, channels: int, filters: int, activation: str) -> Config:
    """3×3, padded: the output is as high and as wide as the input."""
    sizes = {"input_channels": channels, "input_height": height, "input_width": width}
    return {"type": "conv2d", "filters": filters, "kernel_size": 3, "padding": 1, "activation": activation, **sizes}


def recurrent(kind: str, inputs: int, hidden: int, steps: int) -> Config:
    return {"type": kind.lower(), "input_size": inputs, "hidden_size": hidden, "seq_length": steps}


def attention(width: int, heads: int) -> Config:
    return {"type": "multi_head_attention", "d_model": width, "num_heads": heads}


def parallel(size: int, *activations: str) -> Config:
    return {"type": "parallel", "combine_mode": "add", "branches": [dense(size, name) for name in activations]}


def named(table: dict[str, tuple[int, list[Config]]], model: str) -> tuple[int, list[Config]]:
    """The input size and layers of that name; `InputError` lists the known ones."""
    if model not in table:
        raise InputError(f"unknown network {model!r}", where="model", remedy=f"Known: {', '.join(table)}.")
    return table[model]

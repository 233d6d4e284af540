"""Cases of `kernels/linear.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SHAPES = [(1, 1, 1), (1, 33, 17), (1, 576, 24), (5, 12, 9), (70, 96, 40)]
"""Rows, inputs, outputs."""


@cases("linear")
def linear(n: Numbers) -> Cases:
    for lead, k, w in [((1,), 1, 1), ((1,), 64, 33), ((2, 3), 7, 5), ((5,), 130, 66), ((40,), 257, 129)]:
        for bias in ({}, {"bias": n.normal(w)}):
            arguments = {"x": n.normal(*lead, k), "weight": n.normal(w, k), **bias}
            yield f"{size(*lead, k, w)}{'-bias' * bool(bias)}", arguments


@cases("norm_linear")
def norm_linear(n: Numbers) -> Cases:
    for rows, inputs, outputs in SHAPES:
        for count in (1, 3):
            weights = [n.normal(outputs + i, inputs) for i in range(count)]
            biases = [n.normal(outputs + i) for i in range(count)]
            norm = {"x": n.normal(rows, inputs), "gamma": n.normal(inputs), "eps": 1e-5}
            yield f"{size(rows, inputs, outputs)}-{count}", {**norm, "weights": weights, "biases": biases}


@cases("norm_gate_up")
def norm_gate_up(n: Numbers) -> Cases:
    for rows, inputs, outputs in SHAPES:
        norm = {"x": n.normal(rows, inputs), "gamma": n.normal(inputs), "eps": 1e-5}
        operands = {**norm, "gate": n.normal(outputs, inputs), "up": n.normal(outputs, inputs)}
        yield size(rows, inputs, outputs), operands
        biases = {"gate_bias": n.normal(outputs), "up_bias": n.normal(outputs)}
        yield f"{size(rows, inputs, outputs)}-bias", {**operands, **biases}


@cases("linear_add")
def linear_add(n: Numbers) -> Cases:
    for rows, inputs, outputs in SHAPES:
        operands = {
            "x": n.normal(rows, inputs),
            "weight": n.normal(outputs, inputs),
            "residual": n.normal(rows, outputs),
        }
        yield size(rows, inputs, outputs), {**operands, "bias": None}
        yield f"{size(rows, inputs, outputs)}-bias", {**operands, "bias": n.normal(outputs)}

"""Signatures of kernels: how they read, and that each kernel's refuses whatever its function could not use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py.errors import InputError
from loom_py.runtime.abstract import Abstract
from loom_py.runtime.kernel import KERNELS, Kernel, results
from loom_py.runtime.signature import Signature, signature
from loom_py.runtime.verify import cases


def shape(*extents: int, dtype: str = "float32") -> Abstract:
    return Abstract(extents, np.dtype(dtype))


def test_extents_are_bound_in_order() -> None:
    rule = signature("zx B T 4H, w 4H H, h0 B H", "B T H", "zx", cost="B T H H + 10 zx + 7")
    arguments = {"zx": shape(2, 5, 12), "w": shape(12, 3), "h0": shape(2, 3)}
    assert rule(**arguments) == (shape(2, 5, 3), shape(2, 5, 12))
    assert rule.work(arguments) == 2 * 5 * 3 * 3 + 10 * 120 + 7


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"w": shape(12, 4)}, r"w is \(12, 4\), expected \(12, 3\)"),
        ({"zx": shape(2, 5, 13)}, r"zx is \(2, 5, 13\), expected \(B, T, 4H\)"),
        ({"h0": shape(2, 3, 1)}, r"h0 is \(2, 3, 1\), expected \(2, 3\)"),
        ({"h0": shape(2, 3, dtype="float64")}, "h0 is float64, expected float32"),
        ({"zx": shape(2, 5, 12, dtype="int64")}, "zx is int64, expected float32 or float64 or float16"),
        ({"zx": shape(0, 5, 12)}, r"zx is \(0, 5, 12\)"),
        ({"p": 1.0}, "p: 1 must be at least 0 and below 1"),
        ({"name": "z"}, "name: unknown value 'z'"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, Any], message: str) -> None:
    limits = {"p": {"minimum": 0, "below": 1}}
    rule = signature("zx B T 4H, w 4H H, h0 B H", "zx", ranges=limits, members={"name": {"a": 1}})
    arguments = {"zx": shape(2, 5, 12), "w": shape(12, 3), "h0": shape(2, 3), "p": 0.5, "name": "a"}
    rule(**arguments)
    with pytest.raises(InputError, match=message):
        rule(**(arguments | changed))


def test_lists_and_optional_operands() -> None:
    rule = signature("x * I, weights _ I, bias O", "x", cost="* weights")
    arguments = {"x": shape(2, 3, 4), "weights": [shape(5, 4), shape(6, 4)], "bias": None}
    assert rule(**arguments) == shape(2, 3, 4)
    assert rule.work(arguments) == 6 * (20 + 24)
    with pytest.raises(InputError, match=r"weights is \(6, 5\), expected \(_, 4\)"):
        rule(**(arguments | {"weights": [shape(5, 4), shape(6, 5)]}))


@pytest.mark.parametrize("text", ["x * *", "x b", "x:floats *", "x 2"])
def test_a_signature_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(TypeError, match=r"no extents|no kind of dtype"):
        signature(text)


def changes(arguments: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """For every extent of every operand: the arguments with it 1, one less, one more, and twice."""
    for name, value in arguments.items():
        operands = value if isinstance(value, list) else [value]
        for i, operand in enumerate(operands):
            for axis, n in enumerate(operand.shape if isinstance(operand, np.ndarray) else ()):
                changed: list[dict[str, Any]] = []
                for extent in (1, max(n - 1, 1), n + 1, 2 * n):
                    sizes = [extent if a == axis else m for a, m in enumerate(operand.shape)]
                    other = np.resize(operand, sizes)
                    whole = [*operands[:i], other, *operands[i + 1 :]] if isinstance(value, list) else other
                    changed.append(arguments | {name: whole})
                yield f"{name}[{i}] {operand.shape}, axis {axis}", changed


def abstract(value: Any) -> Any:
    if isinstance(value, list):
        return [abstract(v) for v in value]
    return Abstract(value.shape, value.dtype) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("name", KERNELS)
def test_what_a_rule_lets_through_the_function_computes(name: str) -> None:
    """A device checks nothing again: an operand that is too small would be read past its end."""
    kernel = KERNELS[name]
    assert isinstance(kernel.shapes, Signature), "every operand's extents must be declared"
    for case in cases.of(name)[:12]:
        if sum(np.size(a) for a in case.arguments.values() if isinstance(a, np.ndarray)) > 20_000:
            continue
        for label, (one, *others) in changes(case.arguments):
            fits = [_check(kernel, arguments, f"{case}: {label}") for arguments in others]
            assert any(fits) or not _check(kernel, one, label), f"{label} is broadcast"


def _check(kernel: Kernel, arguments: dict[str, Any], label: str) -> bool:
    """Whether a rule lets arguments through; then the function must give what it says."""
    try:
        inferred = results(kernel.shapes(**{k: abstract(v) for k, v in arguments.items()}))
    except InputError:
        return False
    with np.errstate(all="ignore"):
        actual = [np.asarray(a) for a in results(kernel.function(**arguments))]
    assert [a.shape for a in actual] == [a.shape for a in inferred], label
    return True

"""What a kernel's declaration says holds for its NumPy function: shapes of results, and what it changes in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py.errors import InputError
from loom_py.runtime.abstract import Abstract
from loom_py.runtime.kernel import KERNELS, kernel
from loom_py.runtime.signature import signature
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.verify import cases


def widened(value: Any, dtype: type) -> Any:
    """A copy of an argument with its float32 arrays in another dtype."""
    if isinstance(value, list):
        return [widened(v, dtype) for v in value]
    if isinstance(value, np.ndarray):
        return value.astype(dtype) if value.dtype == np.float32 else value.copy()
    return value


def abstract(value: Any) -> Any:
    if isinstance(value, list):
        return [abstract(v) for v in value]
    return Abstract(value.shape, value.dtype) if isinstance(value, np.ndarray) else value


def arrays(result: Any) -> list[np.ndarray]:
    return [] if result is None else [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]


def bytes_of(value: Any) -> Any:
    return [bytes_of(v) for v in value] if isinstance(value, list) else np.asarray(value).tobytes()


@pytest.mark.parametrize("name", KERNELS)
def test_a_shape_rule_says_what_the_function_gives(name: str) -> None:
    declared = KERNELS[name]
    for case in cases.of(name):
        for dtype in (np.float32, np.float64):
            arguments = {k: widened(v, dtype) for k, v in case.arguments.items()}
            ruled: Any = declared.shapes(**{k: abstract(v) for k, v in arguments.items()})
            expected = [] if ruled is None else list(ruled) if isinstance(ruled, tuple) else [ruled]
            actual = arrays(declared.function(**arguments))
            assert [(a.shape, a.dtype) for a in actual] == [(a.shape, a.dtype) for a in expected], str(case)


@pytest.mark.parametrize("name", KERNELS)
def test_a_function_changes_the_operands_that_are_declared_and_no_other(name: str) -> None:
    declared = KERNELS[name]
    changed: set[str] = set()
    for case in cases.of(name):
        arguments = {k: widened(v, np.float32) for k, v in case.arguments.items()}
        before = {k: bytes_of(v) for k, v in arguments.items() if isinstance(v, (list, np.ndarray))}
        results = arrays(declared.function(**arguments))
        changed |= {k for k, data in before.items() if bytes_of(arguments[k]) != data}
        operands = [v for k, v in arguments.items() if isinstance(v, np.ndarray) and k != declared.view]
        assert not any(np.shares_memory(a, b) for a in results for b in operands), f"{case} gives an operand back"
    assert changed == set(declared.in_place)


def test_operands_that_do_not_fit_are_named() -> None:
    ops = TracingOps("misfit")
    x = ops.tensor(Abstract((2, 3)), "input", "x")
    w = ops.tensor(Abstract((4, 5)), "state", "w")
    with pytest.raises(InputError, match=r"weight is \(4, 5\), expected \(O, 3\)"):
        ops.linear(x, w)
    with pytest.raises(InputError, match="no product of"):
        ops.matmul(x, w)
    with pytest.raises(InputError, match=r"b is \(4, 5\), expected \(2, 3\)"):
        ops.add(x, w)


def test_a_declaration_that_names_no_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="has no parameter y"):

        @kernel(shapes=signature("x *", "x"), in_place=("y",))
        def misdeclared(x: Any) -> Any:
            return x

    with pytest.raises(TypeError, match=r"the kernel add in .* is declared twice"):

        @kernel(shapes=signature("a *"))
        def add(a: Any) -> None:
            pass

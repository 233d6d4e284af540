"""The declaration of a kernel: everything others need to know about it, once, on its NumPy function.

    @kernel(shapes=signature("x * T H 2F, inverse_frequencies:float64 F", "x"), dynamic=("position",))
    def rope(x: Array, position: int, inverse_frequencies: Array, *, inverse: bool = False) -> Array: ...

A *gradient rule* is written in kernels, so that every device replays it. It gets the ops, the call's results and their
gradients (a tuple each where there are several, None for one that has no gradient), and all arguments by name:

    def _mul(ops: Ops, y: Tensor, gy: Tensor, /, a: Tensor, b: Tensor) -> Gradients:
        return {"a": ops.mul(gy, b), "b": ops.mul(gy, a)}

`NumpyOps` and `TracingOps` take their methods from `KERNELS`; `ops/` (for type checkers) and `docs/kernels.md` are
written from it. The docstring is the documentation: first what the kernel computes, in one line, with its shapes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from numpy.typing import NDArray

from ..errors import InputError
from .abstract import Shapes
from .guards import is_tuple

Array: TypeAlias = NDArray[Any]
Gradients: TypeAlias = Mapping[str, Any]
"""Operand → its gradient, None for 0, a list of them for a list of operands. One that is left out has no rule."""
Rule: TypeAlias = Callable[..., Gradients]
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Kernel:
    """One kernel of the vocabulary.

    - `family`: the file that it lies in, on every device.
    - `function`: the oracle, on NumPy.
    - `parameters`: names of its arguments in order.
    - `shapes`: its results' shapes and dtypes from those of its operands.
    - `in_place`: the operands that it changes; all its results are new tensors.
    - `dynamic`: the numbers that may change from replay to replay.
    - `view`: the operand whose elements its result shares, if any.
    - `gradient`: its rule, from arguments, results and their gradients to the gradients of its operands, through `Ops`.
      The operands that it changes count as results behind the others; their own gradients are those of what was in
      them before.
    """

    name: str
    family: str
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    shapes: Shapes
    in_place: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()
    view: str = ""
    gradient: Rule | None = None


def results(returned: Any) -> tuple[Any, ...]:
    """A kernel's results as a tuple: none, one or several tensors."""
    if is_tuple(returned):
        return returned
    return () if returned is None else (returned,)


def no_gradient(kernel: str, problem: str) -> InputError:
    """The error of a rule that a call of its kernel does not fit."""
    return InputError(f"the kernel {kernel} has no gradient {problem}", where="differentiate")


KERNELS: dict[str, Kernel] = {}
"""The vocabulary: name → kernel, filled as the files of `kernels/` are imported."""


def kernel(
    *,
    shapes: Shapes,
    in_place: tuple[str, ...] = (),
    dynamic: tuple[str, ...] = (),
    view: str = "",
    gradient: Rule | None = None,
) -> Callable[[Function], Function]:
    """Declare a function as the kernel of its name; the arguments are those of `Kernel`."""

    def declare(function: Function) -> Function:
        name, family = function.__name__, function.__module__.rpartition(".")[2]
        parameters = tuple(inspect.signature(function).parameters)
        unknown = {*in_place, *dynamic, view} - {*parameters, ""}
        if unknown or name in KERNELS:
            fault = f"has no parameter {', '.join(sorted(unknown))}" if unknown else "is declared twice"
            raise TypeError(f"the kernel {name} in {function.__module__} {fault}")
        KERNELS[name] = Kernel(name, family, function, parameters, shapes, in_place, dynamic, view, gradient)
        return function

    return declare

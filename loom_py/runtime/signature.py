"""The shapes of a kernel's operands as text: a shape rule that checks them all, and what the call costs.

    @kernel(shapes=signature("x * I, weight O I, bias O", "* O"))

Each operand has the names of its extents in order. A name stands for one number in the whole call, `*` for any number
of axes, `2F` for twice F, `_` for any extent. A result is an operand's name (its shape and dtype) or extents (with the
dtype of the first operand). Operands are floats of one dtype unless they say otherwise: `ids:int`, `seen:flag` (bool or
uint8), `x:word` (floats or integers), `frequencies:float64`. In a list of operands, a new name is bound for each anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

from ..schema.fields import range_fault
from .abstract import Abstract, Shapes, alike, misfit
from .guards import is_sequence

DTYPES: dict[str, tuple[str, ...]] = {
    "float": ("float32", "float64", "float16"),
    "int": ("int32", "int64"),
    "flag": ("bool", "uint8"),
    "word": ("float32", "float64", "int32", "int64"),
    "float64": ("float64",),
}
SHARED = ("float", "word")
"""Operands of these kinds have one dtype in a call."""
_EXTENT = re.compile(r"(\d*)([A-Z_]|\*)")
Extents = tuple[tuple[int, str], ...]
Bound = dict[str, tuple[int, ...]]
"""Name of an extent → its value; `*` stands for several."""


def _extents(text: str) -> Extents:
    matches = [_EXTENT.fullmatch(part) for part in text.split()]
    if None in matches or sum(m is not None and m[2] == "*" for m in matches) > 1:
        raise TypeError(f"{text!r} are no extents")
    return tuple((int(m[1] or 1), m[2]) for m in matches if m)


@dataclass(frozen=True)
class Signature:
    """A shape rule, as the module says.

    - `operands`: name → (kind of dtype, extents).
    - `results`: names of operands, or extents.
    - `rule`: gives the results instead, and checks what extents cannot say; it is called with all arguments.
    - `ranges`: numbers among the arguments → limits, as `range_fault` takes them.
    - `members`: names among the arguments → what they may be.
    - `cost`: how many multiplications of a product of matrices the call takes as long as, besides writing its
      results: terms, each a product of numbers, extents and sizes of operands, or a function of the arguments.
    """

    operands: Mapping[str, tuple[str, Extents]]
    results: tuple[str | Extents, ...]
    rule: Shapes | None
    ranges: Mapping[str, Mapping[str, float]]
    members: Mapping[str, Mapping[str, Any]]
    cost: tuple[tuple[int, tuple[str, ...]], ...] | Callable[..., int]

    def __call__(self, **arguments: Any) -> Abstract | tuple[Abstract, ...] | None:
        bound = self.bind(arguments)
        for name, limits in self.ranges.items():
            if name in arguments and (fault := range_fault(arguments[name], **limits)):
                raise misfit(f"{name}: {fault}")
        for name, choices in self.members.items():
            if arguments[name] not in choices:
                raise misfit(f"{name}: unknown value {arguments[name]!r:.60}")
        if self.rule is not None:
            return self.rule(**arguments)
        first: Any = next(arguments[name] for name in self.operands if arguments.get(name) is not None)
        results = tuple(
            alike(arguments[r]) if isinstance(r, str) else alike(first, _values(r, bound)) for r in self.results
        )
        return results if len(results) > 1 else results[0] if results else None

    def bind(self, arguments: Mapping[str, Any]) -> Bound:
        """The extents' values. Raises `InputError` for an operand that does not fit those before it."""
        bound: Bound = {}
        dtypes: dict[str, Any] = {}
        for name, (kind, extents) in self.operands.items():
            value = arguments.get(name)
            several = is_sequence(value)
            for operand in value if several else (value,):
                if operand is None:
                    continue
                dtype = dtypes.setdefault(kind, operand.dtype) if kind in SHARED else operand.dtype
                if operand.dtype.name not in DTYPES[kind] or operand.dtype != dtype:
                    wanted = dtype.name if dtype.name in DTYPES[kind] else " or ".join(DTYPES[kind])
                    raise misfit(f"{name} is {operand.dtype}, expected {wanted}")
                extended = dict(bound)
                if not _fit(extents, tuple(operand.shape), extended):
                    raise misfit(f"{name} is {tuple(operand.shape)}, expected {_shown(extents, bound)}")
                bound = bound if several else extended
        return bound

    def work(self, arguments: Mapping[str, Any]) -> int:
        """The `cost` of a call."""
        if callable(self.cost):
            return self.cost(**arguments)
        sizes = {name: prod(values) for name, values in self.bind(arguments).items()}
        for name in self.operands:
            value = arguments.get(name)
            operands = value if is_sequence(value) else (value,)
            sizes[name] = sum(operand.size for operand in operands if operand is not None)
        return sum(number * prod(sizes[name] for name in names) for number, names in self.cost)


def signature(
    operands: str,
    *results: str,
    rule: Shapes | None = None,
    ranges: Mapping[str, Mapping[str, float]] | None = None,
    members: Mapping[str, Mapping[str, Any]] | None = None,
    cost: str | Callable[..., int] = "",
) -> Signature:
    """Read a signature; `cost` may have terms such as `"B T H H + 1000 B"`."""
    parsed: dict[str, tuple[str, Extents]] = {}
    for operand in operands.split(","):
        name, _, extents = operand.strip().partition(" ")
        name, _, kind = name.partition(":")
        parsed[name] = kind or "float", _extents(extents)
    if unknown := {kind for kind, _ in parsed.values()} - DTYPES.keys():
        raise TypeError(f"{', '.join(sorted(unknown))} is no kind of dtype")
    return Signature(
        parsed,
        tuple(r if r in parsed else _extents(r) for r in results),
        rule,
        ranges or {},
        members or {},
        _terms(cost) if isinstance(cost, str) else cost,
    )


def _terms(cost: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    terms = [term.split() for term in cost.split("+") if term.strip()]
    return tuple((prod(int(w) for w in t if w.isdigit()), tuple(w for w in t if not w.isdigit())) for t in terms)


def _fit(extents: Extents, shape: tuple[int, ...], bound: Bound) -> bool:
    """Bind the extents of one operand; whether they agree with what is bound."""
    star = _star(extents)
    more = 1 if star < 0 else len(shape) - len(extents) + 1  # what the star stands for
    if more < 0 or (star < 0 and len(shape) != len(extents)):
        return False
    at = 0
    for i, (times, name) in enumerate(extents):
        end = at + (more if i == star else 1)
        values = shape[at:end]
        at = end
        if values and (min(values) < 1 or (times != 1 and any(n % times for n in values))):
            return False
        if times != 1:
            values = tuple(n // times for n in values)
        if name != "_" and bound.setdefault(name, values) != values:
            return False
    return True


@cache
def _star(extents: Extents) -> int:
    """Where `*` is among the extents; −1 for nowhere."""
    return next((i for i, (_, name) in enumerate(extents) if name == "*"), -1)


def _values(extents: Extents, bound: Bound) -> tuple[int, ...]:
    return tuple(times * n for times, name in extents for n in bound[name])


def _shown(extents: Extents, bound: Bound) -> str:
    """Extents with the numbers that are known: `(4, 2F)`."""
    parts: list[str] = []
    for times, name in extents:
        if name in bound:
            parts += [str(times * n) for n in bound[name]]
        else:
            parts.append(f"{times if times > 1 else ''}{name}".replace("*", "…"))
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

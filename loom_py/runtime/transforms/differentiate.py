"""Reverse-mode gradients of programs (Griewank & Walther 2008) by the rules that kernels declare.

The pass goes backwards through the dispatches with the gradient of every buffer that the result depends on. A rule
turns the gradients of a call's results into those of its operands, in kernels, so that every device replays them; where
a buffer is read several times, they add up.

A kernel that works in place makes a new version of a buffer: going backwards, its rule replaces the gradient of the
contents after the call by that of the contents before. Values that a rule reads and that a later call overwrites are
copied before they are lost.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from ...errors import InputError
from ..guards import is_tuple
from ..kernel import KERNELS, Kernel, Rule
from ..program import Dispatch, Dyn, Program, Ref
from ..trace import Dynamic, Traced, TracingOps
from .dead_code import remove_dead_code
from .walk import renumber

FLOATS = ("float32", "float64")
WORDS = (*FLOATS, "int32", "int64")
PREFIX = "gradient."


def differentiate(program: Program, of: str, by: Iterable[str]) -> Program:
    """The program with the gradient of an output behind it, as an output `gradient.<name>` for each name in `by`.

    - `of`: an output. A scalar has the gradient 1; for any other, the program has one more input, `gradient.<of>`, of
      the output's shape.
    - `by`: inputs and state, floats; of state the values before the replay. What the output does not depend on has a
      gradient of zeros.

    Nothing is added that leads to none of these gradients. Raises `InputError`, naming the kernel, where one on the way
    has no rule or is called in a way that its rule does not cover, and for names that the program does not have.
    """
    return _Reverse(program, of, tuple(by)).program()


@cache
def _defaults(kernel: str) -> dict[str, Any]:
    """The arguments that a call may leave out."""
    parameters = inspect.signature(KERNELS[kernel].function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


class _Reverse:
    """The reverse pass of one program."""

    def __init__(self, program: Program, of: str, by: tuple[str, ...]) -> None:
        self._forward = program
        self._of = of
        self._sources = {name: _source(program, name) for name in by}
        if of not in program.outputs or program.buffers[program.outputs[of]].dtype not in FLOATS:
            raise InputError(f"program {program.name} has no such output of floats", where=of)
        _require_plain_views(program)
        self._ops: Any = TracingOps.behind(program)
        self._adjoints: dict[int, Traced] = {}
        self._members: dict[int, list[int]] = defaultdict(list)  # storage → the buffers in it
        for b in program.buffers:
            self._members[program.root(b.index)].append(b.index)
        self._changes: dict[int, list[int]] = defaultdict(list)  # storage → positions of dispatches that change it
        for at, d in enumerate(program.dispatches):
            for index in d.changes:
                self._changes[program.root(index)].append(at)
        self._active = self._influenced()
        self._copies: dict[tuple[int, int], Traced] = {}
        self._saved: dict[int, list[Dispatch]] = defaultdict(list)  # position → copies made before it

    def _influenced(self) -> set[int]:
        """Buffers of floats whose values depend on what the gradients are by."""
        active = set(self._sources.values())
        for d in self._forward.dispatches:
            if active.isdisjoint(d.reads):
                continue
            changed = (i for index in d.changes for i in self._members[self._forward.root(index)])
            active.update(i for i in (*d.outputs, *changed) if self._forward.buffers[i].dtype in FLOATS)
        return active

    def program(self) -> Program:
        """The program with its reverse pass."""
        self._require_rules()
        self._seed()
        for at in reversed(range(len(self._forward.dispatches))):
            self._step(at, self._forward.dispatches[at])
        for name, index in self._sources.items():
            self._output(name, index)
        return self._pruned()

    def _require_rules(self) -> None:
        """Raises `InputError` for the first kernel on the way back that has no rule, before anything is recorded."""
        needed = {self._forward.outputs[self._of]}
        for d in reversed(self._forward.dispatches):
            changed = {i for index in d.changes for i in self._members[self._forward.root(index)]}
            operands = self._active.intersection(d.reads)
            if operands and not needed.isdisjoint((*d.outputs, *changed)):
                _require_rule(KERNELS[d.kernel])
                needed |= operands

    def _seed(self) -> None:
        output = self._forward.buffers[self._forward.outputs[self._of]]
        if output.shape == ():
            seed = self._ops.scale(np.ones((), output.dtype), 1.0)
        else:
            name = PREFIX + self._of
            if name in self._forward.inputs:
                raise InputError(f"program {self._forward.name} has an input of that name", where=name)
            zeros = np.zeros(output.shape, output.dtype)
            seed = self._ops.tensor(zeros, "input", name)
        self._adjoints[output.index] = seed

    def _step(self, at: int, d: Dispatch) -> None:
        """Replace the gradients of what a dispatch makes by those of its operands."""
        targets = (*d.outputs, *d.changes)
        for index in d.changes:
            others = (i for i in self._members[self._forward.root(index)] if i != index)
            if any(other in self._adjoints for other in others):
                raise self._refusal(d, "where it changes a buffer that is also read under another shape")
        gradients = tuple(self._adjoints.pop(index, None) for index in targets)
        operands = self._active.intersection(d.reads) | {*d.changes}
        if not operands or all(g is None for g in gradients):
            return
        rule = _require_rule(KERNELS[d.kernel])
        values = tuple(self._value(index, at + 1) for index in targets)
        arguments = {name: self._argument(value, at) for name, value in d.arguments.items()}
        one = len(targets) == 1
        given: Mapping[str, Any] = rule(
            self._ops,
            values[0] if one else values,
            gradients[0] if one else gradients,
            **(_defaults(d.kernel) | arguments),
        )
        self._add(d, given)

    def _add(self, d: Dispatch, gradients: Mapping[str, Any]) -> None:
        """Add the gradients of a dispatch's operands to those that there are."""
        for name, value in d.arguments.items():
            refs = value if is_tuple(value) else (value,)
            given = gradients.get(name)
            parts = given if is_tuple(value) and given is not None else [given] * len(refs)
            for ref, gradient in zip(refs, parts, strict=True):
                if not isinstance(ref, Ref) or ref.index not in self._active:
                    continue
                if name not in gradients:
                    raise self._refusal(d, f"by its operand {name}")
                if gradient is None:
                    continue
                expected = self._forward.buffers[ref.index].shape
                if gradient.shape != expected:
                    raise TypeError(f"the rule of {d.kernel} gives {gradient.shape} for {name}, expected {expected}")
                before = self._adjoints.get(ref.index)
                self._adjoints[ref.index] = gradient if before is None else self._ops.add(before, gradient)

    def _argument(self, value: Any, at: int) -> Any:
        """An argument of the dispatch at a position, as its kernel's rule gets it."""
        if isinstance(value, Ref):
            return self._value(value.index, at)
        if isinstance(value, Dyn):
            return Dynamic(value.name, self._forward.dynamics[value.name])
        return [self._argument(part, at) for part in value] if is_tuple(value) else value

    def _value(self, index: int, at: int) -> Traced:
        """What a buffer held before the dispatch at a position: itself, or a copy if that dispatch or one behind it
        overwrites it."""
        change = next((c for c in self._changes[self._forward.root(index)] if c >= at), None)
        if change is None:
            return self._ops.recorded(index)
        if (index, change) not in self._copies:
            buffer, source = self._forward.buffers[index], self._ops.recorded(index)
            if buffer.dtype not in WORDS or not buffer.shape:
                raise self._refusal(self._forward.dispatches[change], "where it changes what is needed again")
            self._copies[index, change] = self._ops.narrow(source, 0, 0, buffer.shape[0])
            self._saved[change].append(self._ops.program.dispatches.pop())
        return self._copies[index, change]

    def _refusal(self, d: Dispatch, problem: str) -> InputError:
        return InputError(f"the kernel {d.kernel} has no gradient {problem}", where=self._forward.name)

    def _output(self, name: str, index: int) -> None:
        if PREFIX + name in self._forward.outputs:
            raise InputError(f"program {self._forward.name} has an output of that name", where=PREFIX + name)
        gradient = self._adjoints.get(index)
        if gradient is None:
            gradient = self._ops.zeros(self._forward.buffers[index].shape, like=self._ops.recorded(index))
        elif self._ops.program.buffers[self._ops.program.root(gradient.index)].kind != "temporary":
            gradient = self._ops.scale(gradient, 1.0)  # an output is no input
        self._ops.output(PREFIX + name, gradient)

    def _pruned(self) -> Program:
        """The whole program: the forward pass as it was, but for copies, then what leads to the gradients."""
        recorded: Program = self._ops.program
        forward = self._forward.dispatches
        dispatches: list[Dispatch] = []
        for at, d in enumerate(forward):
            dispatches += [*self._saved[at], d]
        whole = replace(recorded, dispatches=dispatches + recorded.dispatches[len(forward) :])
        kept = {id(d) for d in (*forward, *remove_dead_code(whole).dispatches)}
        return renumber(replace(whole, dispatches=[d for d in whole.dispatches if id(d) in kept]))


def _require_plain_views(program: Program) -> None:
    """Raises `InputError` for buffers in the storage of others, unless they are what a dispatch makes of them."""
    views = {i for d in program.dispatches if KERNELS[d.kernel].view for i in d.outputs}
    if any(b.source not in (-1, b.index) and b.index not in views for b in program.buffers):
        remedy = "Differentiate before simplifying."
        raise InputError("buffers share storage without a kernel that says how", where=program.name, remedy=remedy)


def _source(program: Program, name: str) -> int:
    """The buffer of an input or a state that a gradient is by."""
    index = program.inputs.get(name, program.state.get(name, -1))
    if index < 0 or program.buffers[index].dtype not in FLOATS:
        raise InputError(f"program {program.name} has no such input or state of floats", where=name)
    return index


def _require_rule(kernel: Kernel) -> Rule:
    """A kernel's rule. Raises `InputError` if it has none."""
    if kernel.gradient is None:
        raise InputError(
            f"the kernel {kernel.name} has no gradient rule",
            where="differentiate",
            remedy="Differentiate before fusing; docs/programs.md says how to write a rule.",
        )
    return kernel.gradient

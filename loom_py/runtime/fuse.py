"""Rewriting a program's dispatches into kernels that do several at once. Results stay the same, bit for bit on NumPy.

    rms_norm → linear, linear, …                    norm_linear
    rms_norm → linear, linear → silu_mul            norm_gate_up
    linear → add                                    linear_add
    rope(k) → cache_write, cache_write(v), rope(q)  rope_cache

A step is taken only where the tensors in between are read by nobody else; whatever does not fit stays as it is.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from .program import Dispatch, Program, Ref


def fuse(program: Program) -> Program:
    """A program with the same buffers, inputs, outputs and state, and fewer dispatches."""
    fused = replace(program, dispatches=list(program.dispatches))
    for step in (_unread, _norm_linear, _gate_up, _linear_add, _rope_cache):
        step(fused)
    return fused


def _unread(program: Program) -> None:
    """Drop what nobody looks at."""
    read = {program.root(index) for index in program.outputs.values()}
    kept: list[Dispatch] = []
    for d in reversed(program.dispatches):
        if d.changes or not d.outputs or any(program.root(index) in read for index in d.outputs):
            kept.append(d)
            read.update(program.root(index) for index in d.reads())
    program.dispatches[:] = reversed(kept)


class _Uses:
    """Who makes and who reads each buffer, by position in the list; a reshape counts as a reader of its source."""

    def __init__(self, program: Program) -> None:
        self.readers: dict[int, list[int]] = {}
        self.maker: dict[int, int] = {}
        self.changes: list[tuple[int, int]] = []
        for at, d in enumerate(program.dispatches):
            for index in d.reads():
                self.readers.setdefault(index, []).append(at)
            for index in d.outputs:
                self.maker[index] = at
            self.changes += [(at, program.root(index)) for index in d.changes]
        self.kept = Counter(program.outputs.values())

    def private(self, index: int, readers: set[int]) -> bool:
        """Whether nobody but these dispatches looks at a buffer."""
        return not self.kept[index] and set(self.readers.get(index, ())) <= readers

    def changed(self, program: Program, operands: list[Any], start: int, end: int) -> bool:
        """Whether a dispatch in between changes one of the operands."""
        roots = {program.root(o.index) for o in operands if isinstance(o, Ref)}
        return any(start < at < end and root in roots for at, root in self.changes)


def _finish(program: Program, made: dict[int, Dispatch], gone: set[int]) -> None:
    kept = [made.get(at, d) for at, d in enumerate(program.dispatches) if at in made or at not in gone]
    program.dispatches[:] = kept


def _norm_linear(program: Program) -> None:
    uses, made, gone = _Uses(program), {}, set[int]()
    for at, d in enumerate(program.dispatches):
        if d.kernel != "rms_norm":
            continue
        h, readers = d.outputs[0], uses.readers.get(d.outputs[0], [])
        linears = [program.dispatches[i] for i in readers]
        if not linears or not uses.private(h, set(readers)) or len(set(readers)) != len(readers):
            continue
        if any(y.kernel != "linear" or y.arguments["x"] != Ref(h) for y in linears):
            continue
        operands = [d.arguments["x"], d.arguments["gamma"]]
        for y in linears:
            operands += [y.arguments["weight"], y.arguments.get("bias")]
        if uses.changed(program, operands, at, readers[-1]):
            continue
        if any(uses.maker.get(o.index, -1) >= at for o in operands if isinstance(o, Ref)):
            continue  # a weight that is computed after the norm
        arguments = {name: d.arguments[name] for name in ("x", "gamma", "eps")}
        arguments["weights"] = tuple(y.arguments["weight"] for y in linears)
        arguments["biases"] = tuple(y.arguments.get("bias") for y in linears)
        made[at] = Dispatch("norm_linear", arguments, tuple(y.outputs[0] for y in linears))
        gone.update(readers)
    _finish(program, made, gone)


def _gate_up(program: Program) -> None:
    uses, made, gone = _Uses(program), {}, set[int]()
    for at, d in enumerate(program.dispatches):
        if d.kernel != "silu_mul":
            continue
        gate, up = d.arguments["gate"].index, d.arguments["up"].index
        source = uses.maker.get(gate, -1)
        norm = program.dispatches[source]
        if (
            source < 0
            or source in gone
            or norm.kernel != "norm_linear"
            or set(norm.outputs) != {gate, up}
            or gate == up
        ):
            continue
        if len(norm.outputs) != 2 or not all(uses.private(i, {at}) for i in (gate, up)):
            continue
        arguments = {name: norm.arguments[name] for name in ("x", "gamma", "eps")}
        for name, index in (("gate", gate), ("up", up)):
            i = norm.outputs.index(index)
            arguments[name] = norm.arguments["weights"][i]
            arguments[f"{name}_bias"] = norm.arguments["biases"][i]
        if uses.changed(program, [arguments["x"], arguments["gate"], arguments["up"]], source, at):
            continue
        made[at] = Dispatch("norm_gate_up", arguments, d.outputs)
        gone.add(source)
    _finish(program, made, gone)


def _linear_add(program: Program) -> None:
    uses, made, gone = _Uses(program), {}, set[int]()
    for at, d in enumerate(program.dispatches):
        if d.kernel != "add" or d.arguments["a"] == d.arguments["b"]:
            continue
        for residual, product in (("a", "b"), ("b", "a")):
            index = d.arguments[product].index
            source = uses.maker.get(index, -1)
            linear = program.dispatches[source]
            if source < 0 or linear.kernel != "linear" or not uses.private(index, {at}) or source in gone:
                continue
            if uses.changed(program, list(linear.arguments.values()), source, at):
                continue
            arguments = {"x": linear.arguments["x"], "weight": linear.arguments["weight"]}
            arguments |= {"bias": linear.arguments.get("bias"), "residual": d.arguments[residual]}
            made[at] = Dispatch("linear_add", arguments, d.outputs)
            gone.add(source)
            break
    _finish(program, made, gone)


def _rope_cache(program: Program) -> None:
    """rope(k), write, write, rope(q) one after another, as decoders are written; reshapes may stand in between."""
    uses, made, gone = _Uses(program), {}, set[int]()
    calls = [i for i, d in enumerate(program.dispatches) if d.kernel != "reshape"]
    for four in zip(calls, calls[1:], calls[2:], calls[3:], strict=False):
        turn_k, write_k, write_v, turn_q = (program.dispatches[i] for i in four)
        if [d.kernel for d in (turn_k, write_k, write_v, turn_q)] != ["rope", "cache_write", "cache_write", "rope"]:
            continue
        k, q = turn_k.arguments, turn_q.arguments
        keys, values = write_k.arguments["cache"], write_v.arguments["cache"]
        same = all(d.arguments["position"] == k["position"] for d in (write_k, write_v, turn_q))
        if not same or k["inverse_frequencies"] != q["inverse_frequencies"] or k.get("inverse") or q.get("inverse"):
            continue
        rotated = turn_k.outputs[0]
        if write_k.arguments["x"] != Ref(rotated) or not uses.private(rotated, {four[1]}) or keys == values:
            continue
        if {program.root(keys.index), program.root(values.index)} & {program.root(r.index) for r in (k["x"], q["x"])}:
            continue
        shapes = [program.buffers[r.index].shape for r in (q["x"], k["x"], write_v.arguments["x"], keys, values)]
        if any(len(s) != 3 for s in shapes) or shapes[1] != shapes[2] or shapes[3] != shapes[4]:
            continue
        arguments = {"q": q["x"], "k": k["x"], "v": write_v.arguments["x"], "keys": keys, "values": values}
        arguments |= {"position": k["position"], "inverse_frequencies": k["inverse_frequencies"]}
        changes = (keys.index, values.index)
        made[four[3]] = Dispatch("rope_cache", arguments, turn_q.outputs, changes)
        gone.update(four[:3])
    _finish(program, made, gone)

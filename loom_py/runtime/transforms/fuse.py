"""Joining dispatches into kernels that do several at once. Results stay the same, bit for bit on NumPy.

    rms_norm → linear, linear, …                    norm_linear
    rms_norm → linear, linear → silu_mul            norm_gate_up
    linear → add                                    linear_add
    rope(k) → cache_write, cache_write(v), rope(q)  rope_cache

Dispatches are joined only if no other dispatch reads the tensors in between; all others stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..program import Dispatch, Program, Ref
from .dead_code import remove_dead_code
from .walk import Uses


def fuse(program: Program) -> Program:
    """A program with the same buffers and fewer dispatches."""
    fused = remove_dead_code(program)
    for step in (_norm_linear, _gate_up, _linear_add, _rope_cache):
        joined, removed = step(fused, Uses(fused))
        kept = [joined.get(at, d) for at, d in enumerate(fused.dispatches) if at in joined or at not in removed]
        fused = replace(fused, dispatches=kept)
    return fused


Rewriting = tuple[dict[int, Dispatch], set[int]]
"""Position → the dispatch that replaces the one there, and the positions whose work it does."""


def _norm_linear(program: Program, uses: Uses) -> Rewriting:
    joined: dict[int, Dispatch] = {}
    removed: set[int] = set()
    for at, d in enumerate(program.dispatches):
        if d.kernel != "rms_norm":
            continue
        h = d.outputs[0]
        readers = uses.readers(h)
        if not readers or readers[-1] == uses.end or len(set(readers)) != len(readers):
            continue
        linears = [program.dispatches[i] for i in readers]
        if any(y.kernel != "linear" or y.arguments["x"] != Ref(h) for y in linears):
            continue
        operands = [d.arguments["x"], d.arguments["gamma"]]
        for y in linears:
            operands += [y.arguments["weight"], y.arguments.get("bias")]
        if uses.changed_between(operands, at, readers[-1]):
            continue
        if any(uses.maker(o.index) >= at for o in operands if isinstance(o, Ref)):
            continue  # the weight is computed after the norm
        arguments = {name: d.arguments[name] for name in ("x", "gamma", "eps")}
        arguments["weights"] = tuple(y.arguments["weight"] for y in linears)
        arguments["biases"] = tuple(y.arguments.get("bias") for y in linears)
        joined[at] = Dispatch("norm_linear", arguments, tuple(y.outputs[0] for y in linears))
        removed.update(readers)
    return joined, removed


def _gate_up(program: Program, uses: Uses) -> Rewriting:
    joined: dict[int, Dispatch] = {}
    removed: set[int] = set()
    for at, d in enumerate(program.dispatches):
        if d.kernel != "silu_mul":
            continue
        gate, up = d.ref("gate").index, d.ref("up").index
        source = uses.maker(gate)
        norm = program.dispatches[source]
        if source < 0 or source in removed or norm.kernel != "norm_linear":
            continue
        if len(norm.outputs) != 2 or gate == up or set(norm.outputs) != {gate, up}:
            continue
        if not all(uses.read_only_by(i, {at}) for i in (gate, up)):
            continue
        arguments = {name: norm.arguments[name] for name in ("x", "gamma", "eps")}
        for name, index in (("gate", gate), ("up", up)):
            i = norm.outputs.index(index)
            arguments[name] = norm.arguments["weights"][i]
            arguments[f"{name}_bias"] = norm.arguments["biases"][i]
        if uses.changed_between(arguments.values(), source, at):
            continue
        joined[at] = Dispatch("norm_gate_up", arguments, d.outputs)
        removed.add(source)
    return joined, removed


def _linear_add(program: Program, uses: Uses) -> Rewriting:
    joined: dict[int, Dispatch] = {}
    removed: set[int] = set()
    for at, d in enumerate(program.dispatches):
        if d.kernel != "add" or d.arguments["a"] == d.arguments["b"]:
            continue
        for residual, product in (("a", "b"), ("b", "a")):
            index = d.ref(product).index
            source = uses.maker(index)
            linear = program.dispatches[source]
            if source < 0 or source in removed or linear.kernel != "linear" or not uses.read_only_by(index, {at}):
                continue
            if uses.changed_between(linear.arguments.values(), source, at):
                continue
            arguments: dict[str, Any] = {"x": linear.arguments["x"], "weight": linear.arguments["weight"]}
            arguments |= {"bias": linear.arguments.get("bias"), "residual": d.arguments[residual]}
            joined[at] = Dispatch("linear_add", arguments, d.outputs)
            removed.add(source)
            break
    return joined, removed


def _rope_cache(program: Program, uses: Uses) -> Rewriting:
    """rope(k), write, write, rope(q) one after another, as decoders are written; reshapes may stand in between."""
    joined: dict[int, Dispatch] = {}
    removed: set[int] = set()
    calls = [i for i, d in enumerate(program.dispatches) if d.kernel != "reshape"]
    for four in zip(calls, calls[1:], calls[2:], calls[3:], strict=False):
        turn_k, write_k, write_v, turn_q = (program.dispatches[i] for i in four)
        if [d.kernel for d in (turn_k, write_k, write_v, turn_q)] != ["rope", "cache_write", "cache_write", "rope"]:
            continue
        k, q = turn_k.arguments, turn_q.arguments
        keys, values = write_k.ref("cache"), write_v.ref("cache")
        row = write_k.arguments["position"]
        same = q["position"] == k["position"] and write_v.arguments["position"] == row
        if not same or k["inverse_frequencies"] != q["inverse_frequencies"] or k.get("inverse") or q.get("inverse"):
            continue
        rotated = turn_k.outputs[0]
        if write_k.arguments["x"] != Ref(rotated) or not uses.read_only_by(rotated, {four[1]}) or keys == values:
            continue
        if {program.root(keys.index), program.root(values.index)} & {program.root(r.index) for r in (k["x"], q["x"])}:
            continue
        tensors = [d.ref("x") for d in (turn_q, turn_k, write_v)] + [d.ref("cache") for d in (write_k, write_v)]
        shapes = [program.buffers[tensor.index].shape for tensor in tensors]
        if any(len(s) != 3 for s in shapes) or shapes[1] != shapes[2] or shapes[3] != shapes[4]:
            continue
        arguments = {"q": q["x"], "k": k["x"], "v": write_v.arguments["x"], "keys": keys, "values": values}
        arguments |= {"position": k["position"], "inverse_frequencies": k["inverse_frequencies"]}
        if row != k["position"]:
            arguments["row"] = row
        changes = (keys.index, values.index)
        joined[four[3]] = Dispatch("rope_cache", arguments, turn_q.outputs, changes)
        removed.update(four[:3])
    return joined, removed

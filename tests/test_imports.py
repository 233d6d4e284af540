"""Modules import downwards only, and in no cycle; the order is in tools/imports.py."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from tools.imports import floor, imports, place, room, sources


def circles(graph: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    """One shortest cycle in every group of nodes that reach each other (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            groups.append(set(stack[at:]))
            del stack[at:]

    for node in graph:
        if node not in index:
            visit(node)
    return [shortest(graph, group) for group in groups if len(group) > 1]


def shortest(graph: Mapping[str, Mapping[str, int]], group: set[str]) -> list[str]:
    """The shortest way from a node of the group back to itself, its first node repeated at the end."""
    best: list[str] = []
    for start in sorted(group):
        paths, seen = [[start]], {start}
        while paths:
            path = paths.pop(0)
            if best and len(path) + 1 >= len(best):
                break
            if start in graph[path[-1]]:
                best = [*path, start]
                break
            for other in graph[path[-1]]:
                if other in group and other not in seen:
                    seen.add(other)
                    paths.append([*path, other])
    return best


def test_every_room_has_a_place() -> None:
    for module in sources():
        floor(module)


def test_no_import_upwards() -> None:
    upwards = sorted((m, o) for m, edges in imports().items() for o in edges if floor(o) > floor(m))
    assert not upwards, "imports upwards:\n" + "\n".join(place(*edge) for edge in upwards)


def test_no_circle_of_modules() -> None:
    cycles = circles(imports())
    text = ["\n".join(place(a, b) for a, b in pairwise(path)) for path in cycles]
    assert not cycles, "circles of imports:\n" + "\n\n".join(text)


def test_no_circle_of_rooms() -> None:
    rooms: dict[str, dict[str, int]] = {}
    ways: dict[tuple[str, str], tuple[str, str]] = {}
    for module, edges in imports().items():
        targets = rooms.setdefault(room(module), {})
        for other in edges:
            if room(other) != room(module):
                targets[room(other)] = 0
                ways.setdefault((room(module), room(other)), (module, other))
    cycles = circles(rooms)
    text = ["\n".join(place(*ways[a, b]) for a, b in pairwise(path)) for path in cycles]
    assert not cycles, "circles of rooms:\n" + "\n\n".join(text)


def test_cycles_are_detected() -> None:
    graph = {"a": {"b": 1}, "b": {"c": 1, "d": 1}, "c": {"a": 1}, "d": {"b": 1}, "e": {"a": 1}}
    assert circles(graph) == [["b", "d", "b"]]
    assert circles({"a": {"b": 1}, "b": {}}) == []

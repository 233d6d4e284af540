"""Modules import downwards only, and in no circle: the order of the rooms is a line from floor to roof.

Every import counts: those inside functions, those under `TYPE_CHECKING`, and `importlib.import_module` with a constant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

import loom_py

ROOT = Path(loom_py.__file__).parent
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "schema", "marks", "values", "progress"),
    ("runtime",),
    ("nn",),
    ("formats",),
    ("training", "observe"),
    ("stepping", "tween"),
    ("models", "text"),
    ("generation",),
    ("network",),
    ("analysis", "assess", "compat"),
    ("bridge", "cli"),
    ("__init__", "__main__"),
)
"""Rooms from floor to roof. Rooms of one floor may import each other as long as no circle comes of it."""
KNOWN_UPWARDS: frozenset[tuple[str, str]] = frozenset(
    {
        ("loom_py.bridge.api", "loom_py"),
        ("loom_py.cli", "loom_py"),
    }
)
"""Imports upwards that are still there, as (importing module, imported module). Only ever shorter."""
KNOWN_CIRCLES: frozenset[frozenset[str]] = frozenset(
    {
        frozenset({"loom_py.runtime.simd.host", "loom_py.runtime.simd.wasmtime_host"}),
    }
)
"""Modules that still form a circle. Only ever fewer."""


def module_name(path: Path) -> str:
    """`loom_py/nn/layer.py` → `loom_py.nn.layer`; a package is named by its folder."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, Path]:
    return {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """(module, line) of everything of this package that a file imports; `from package import module` is the module."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *(node.module.split(".") if node.module else [])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        else:
            continue
        for name in names:
            if (found := known_module(name)) is not None:
                yield found, node.lineno


def known_module(name: str) -> str | None:
    """The module that a dotted name is of: itself, or the one that it is a member of."""
    while name and name not in sources():
        name = name.rpartition(".")[0]
    return name or None


@cache
def imports() -> dict[str, dict[str, int]]:
    """Module → what it imports, with the line of the first import."""
    graph: dict[str, dict[str, int]] = {}
    for name, path in sources().items():
        edges = graph.setdefault(name, {})
        for other, line in imported(path):
            if other != name:
                edges.setdefault(other, line)
    return graph


def room(module: str) -> str:
    """`loom_py.nn.layer` → `nn`; the package itself is `__init__`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def floor(module: str) -> int:
    """How high a module stands; `ValueError` for a room without a place in the order."""
    for i, rooms in enumerate(FLOORS):
        if room(module) in rooms:
            return i
    raise ValueError(f"{module}: the room {room(module)!r} has no place in FLOORS")


def place(module: str, other: str) -> str:
    """`loom_py/nn/grid.py:17 imports loom_py/nn/chain.py`."""
    here, there = (sources()[m].relative_to(ROOT.parent).as_posix() for m in (module, other))
    return f"{here}:{imports()[module][other]} imports {there}"


def circles(graph: Mapping[str, Mapping[str, int]]) -> list[list[str]]:
    """One circle, as short as possible, of every group of nodes that reach each other (Tarjan 1972)."""
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
    upwards = {(m, o) for m, edges in imports().items() for o in edges if floor(o) > floor(m)}
    fresh = sorted(upwards - KNOWN_UPWARDS)
    assert not fresh, "imports upwards:\n" + "\n".join(place(*edge) for edge in fresh)


def test_no_circle_of_modules() -> None:
    found = circles(imports())
    fresh = [path for path in found if frozenset(path) not in KNOWN_CIRCLES]
    text = ["\n".join(place(a, b) for a, b in pairwise(path)) for path in fresh]
    assert not fresh, "circles of imports:\n" + "\n\n".join(text)


def test_no_circle_of_rooms() -> None:
    rooms: dict[str, dict[str, int]] = {}
    ways: dict[tuple[str, str], tuple[str, str]] = {}
    for module, edges in imports().items():
        targets = rooms.setdefault(room(module), {})
        for other in edges:
            if room(other) != room(module) and (module, other) not in KNOWN_UPWARDS:
                targets[room(other)] = 0
                ways.setdefault((room(module), room(other)), (module, other))
    found = circles(rooms)
    text = ["\n".join(place(*ways[a, b]) for a, b in pairwise(path)) for path in found]
    assert not found, "circles of rooms:\n" + "\n\n".join(text)


def test_circles_are_found() -> None:
    graph = {"a": {"b": 1}, "b": {"c": 1, "d": 1}, "c": {"a": 1}, "d": {"b": 1}, "e": {"a": 1}}
    assert circles(graph) == [["b", "d", "b"]]
    assert circles({"a": {"b": 1}, "b": {}}) == []

"""The imports between the package's modules, and the order of its rooms, read from the sources.

Every import counts: those inside functions, those under `TYPE_CHECKING`, and `importlib.import_module` with a constant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tools import paths

ROOT = paths.REPOSITORY / "loom_py"
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "schema", "marks", "values", "output", "progress", "version"),
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
"""Rooms from floor to roof. Rooms of one floor may import each other as long as there is no cycle."""


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
            if (target := known_module(name)) is not None:
                yield target, node.lineno


def known_module(name: str) -> str | None:
    """The module of a dotted name: itself, or the one that it is a member of."""
    while name and name not in sources():
        name = name.rpartition(".")[0]
    return name or None


@cache
def imports() -> dict[str, dict[str, int]]:
    """Module → the modules it imports, with the line of the first import."""
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
    """The floor of a module; `ValueError` for a room without a place in the order."""
    for i, rooms in enumerate(FLOORS):
        if room(module) in rooms:
            return i
    raise ValueError(f"{module}: the room {room(module)!r} has no place in FLOORS")


def place(module: str, other: str) -> str:
    """`loom_py/nn/grid.py:17 imports loom_py/nn/chain.py`."""
    importer, target = (sources()[m].relative_to(ROOT.parent).as_posix() for m in (module, other))
    return f"{importer}:{imports()[module][other]} imports {target}"

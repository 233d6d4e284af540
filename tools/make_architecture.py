"""Writes the rooms in docs/architecture.md: the package as a picture and a table, from its imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

from tools import console, imports, paths

TARGET = paths.REPOSITORY / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: begin (python -m tools.make_architecture) -->", "<!-- rooms: end -->"
GROUND = "ground"
"""What everything may use: one box instead of five with an arrow from everywhere."""


def box(module: str) -> str:
    """The box a module is drawn in; "" for the package's own `__init__` and `__main__`."""
    room = imports.room(module)
    if room in imports.FLOORS[0]:
        return GROUND
    return "" if room in imports.FLOORS[-1] else room


def uses() -> dict[str, set[str]]:
    """Box → boxes that it imports."""
    graph: dict[str, set[str]] = {}
    for module, others in imports.imports().items():
        if name := box(module):
            below = {box(o) for o in others if imports.floor(o) <= imports.floor(module)}
            graph.setdefault(name, set()).update(below - {name, ""})
    return graph


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Every box reachable downwards from `start`."""
    seen: set[str] = set()
    stack = [start]
    while stack:
        fresh = graph[stack.pop()] - seen
        seen |= fresh
        stack.extend(fresh)
    return seen


def drawn(graph: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """The arrows that no longer path implies (transitive reduction; `graph` has no circle)."""
    for name in sorted(graph, key=position):
        implied = set().union(*(reachable(graph, other) for other in graph[name]))
        yield from ((name, other) for other in sorted(graph[name] - implied, key=position))


def position(name: str) -> tuple[int, str]:
    """From the roof down, then by name."""
    floor = next((i for i, rooms in enumerate(imports.FLOORS) if name in rooms), 0)
    return -floor, name


def summary(room: str) -> str:
    """The first line of a room's docstring."""
    path = imports.ROOT / room / "__init__.py"
    path = path if path.is_file() else imports.ROOT / f"{room}.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def picture() -> str:
    """Mermaid: one box per room, roof at the top, arrows for direct imports that no longer path implies."""
    graph = uses()
    lines = ["```mermaid", "flowchart TD"]
    for name in sorted(graph, key=position):
        label = " · ".join(imports.FLOORS[0]) if name == GROUND else name
        lines.append(f'    {name}["{label}"]')
    lines += [f"    {name} --> {other}" for name, other in drawn(graph)]
    return "\n".join([*lines, "```"])


def table() -> str:
    """Floor by floor, from the roof down: each room and what is in it."""
    lines = ["| room | what is in it |", "|---|---|"]
    for rooms in reversed(imports.FLOORS[:-1]):
        for room in rooms:
            folder = (imports.ROOT / room).is_dir()
            lines.append(f"| `loom_py/{room}{'/' if folder else '.py'}` | {summary(room)} |")
    return "\n".join(lines)


def text() -> str:
    """The page with its generated part up to date."""
    page = TARGET.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n\n{picture()}\n\n{table()}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    TARGET.write_text(text(), encoding="utf-8")
    console.detail(f"{TARGET.relative_to(paths.REPOSITORY)}: {len(uses())} boxes, {len(list(drawn(uses())))} arrows")


if __name__ == "__main__":
    sys.exit(console.run(main))

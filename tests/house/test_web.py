"""The rooms of web/: modules import downwards only, and the demonstrations import what any page could."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tools import paths

WEB = paths.REPOSITORY / "web"
# Room → the rooms that its modules may import from; modules at the top are "".
ALLOWED = {
    "storage": {"errors.js", "site.js"},
    "devices": {"errors.js", "runtime_files.js", "workers.js"},
    "engine": {"errors.js", "site.js", "runtime_files.js", "workers.js", "devices", "storage"},
    "api": {"errors.js", "site.js", "engine", "storage"},
    "view": {"errors.js"},
    "demos": {"loom.js", "globals.js", "live_view.js", "vendor"},
}
STATIC = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom\s+"(\.[^"]+)";""", re.MULTILINE)
IN_TYPES = re.compile(r"""import\("(\.[^"]+)"\)""")


def outside(path: Path, specifiers: list[str]) -> set[str]:
    """The rooms, or modules at the top, that a module refers to besides its own room."""
    room = path.parent
    targets = [(room / specifier).resolve().relative_to(WEB) for specifier in specifiers]
    return {target.parts[0] for target in targets if target.parts[0] != room.name}


def test_modules_import_from_the_rooms_below() -> None:
    for room, allowed in ALLOWED.items():
        modules = sorted((WEB / room).glob("*.js"))
        assert modules, room
        for path in modules:
            folders = outside(path, STATIC.findall(path.read_text(encoding="utf-8")))
            assert folders <= allowed, f"{path.relative_to(WEB)} imports {', '.join(sorted(folders - allowed))}"


def test_modules_import_in_no_circle() -> None:
    """`web/module_blobs.js` makes a module's imports before the module."""
    graph = {
        path.resolve(): [(path.parent / name).resolve() for name in STATIC.findall(path.read_text(encoding="utf-8"))]
        for path in sorted(WEB.rglob("*.js"))
        if "vendor" not in path.parts
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(str(path.relative_to(WEB)) for path in error.args[1]))


def test_demonstrations_use_public_types_only() -> None:
    for path in sorted((WEB / "demos").glob("*.js")):
        folders = outside(path, IN_TYPES.findall(path.read_text(encoding="utf-8")))
        assert folders <= ALLOWED["demos"], f"{path.name} uses types of {', '.join(sorted(folders - ALLOWED['demos']))}"


def test_an_import_upwards_is_detected() -> None:
    text = 'import {\n  Session,\n} from "../api/session.js";\n'
    assert outside(WEB / "engine" / "engine.js", STATIC.findall(text)) == {"api"}

"""Wheels with their byte-code inside, so that the page does not compile Python at each start.

Byte-code fits one version of Python only, so the runtime itself compiles: Pyodide in Node, once for each wheel. The
sources stay in the wheel (tracebacks and `inspect` need them); the byte-code goes into ``__pycache__`` in the unchecked
form of PEP 552, which does not look at the sources' dates.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tools import console, files, node, paths, pyodide_core, wheels

SCRIPT = Path(__file__).with_suffix(".mjs")


def compiled(sources: Sequence[Path]) -> list[Path]:
    """For each wheel the one with byte-code, from the cache or built now, under the same file name."""
    targets = [_target(wheel) for wheel in sources]
    todo = [(wheel, target) for wheel, target in zip(sources, targets, strict=True) if not target.is_file()]
    if todo:
        console.detail("byte-code for " + ", ".join(wheel.name.split("-")[0] for wheel, _ in todo))
        _compile(todo)
    return targets


def _target(wheel: Path) -> Path:
    tools = files.sha256_of_tree([SCRIPT, Path(__file__), Path(wheels.__file__)])
    key = f"{files.sha256(wheel)[:16]}-{tools[:8]}-{pyodide_core.version()}"
    return paths.cache("wheels", "compiled", key, wheel.name)


def _compile(todo: Sequence[tuple[Path, Path]]) -> None:
    """One Pyodide for all wheels: starting it takes longer than compiling."""
    with tempfile.TemporaryDirectory() as folder:
        packed = [Path(folder, f"{number}.zip") for number in range(len(todo))]
        pairs = [p for (wheel, _), zipped in zip(todo, packed, strict=True) for p in (wheel.resolve(), zipped)]
        node.run(SCRIPT, pyodide_core.directory(), *pairs, failed="Pyodide could not compile the wheels in Node")
        for (wheel, target), zipped in zip(todo, packed, strict=True):
            with zipfile.ZipFile(zipped) as bytecode:
                wheels.extended(wheel, target, {name: bytecode.read(name) for name in bytecode.namelist()})

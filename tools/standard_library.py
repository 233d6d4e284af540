"""Python's standard library with byte-code for what a start imports, which would be compiled at each start otherwise.

Pyodide comes with sources only. All stay in; byte-code of the other modules would add more to the download than it is
worth.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tools import console, files, node, paths, pyodide_core

SCRIPT = Path(__file__).with_suffix(".mjs")


def provide(wheels: Sequence[Path]) -> Path:
    """The library for a start with ``wheels``, from the cache or built now."""
    source = pyodide_core.directory() / pyodide_core.LIBRARY
    tools = files.sha256_of_tree([SCRIPT, Path(__file__), source, *wheels])
    target = paths.cache("wheels", "compiled", f"{tools[:16]}-{pyodide_core.version()}", pyodide_core.LIBRARY)
    if not target.is_file():
        console.detail("byte-code for the standard library")
        _extend(source, target, wheels)
    return target


def _extend(source: Path, target: Path, wheels: Sequence[Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder, "bytecode.zip")
        arguments = (pyodide_core.directory(), packed, *(wheel.resolve() for wheel in wheels))
        node.run(SCRIPT, *arguments, failed="Pyodide could not compile its standard library in Node")
        with (
            files.replacing(target) as temporary,
            zipfile.ZipFile(source) as library,
            zipfile.ZipFile(packed) as bytecode,
            zipfile.ZipFile(temporary, "w") as out,
        ):
            for archive in (library, bytecode):
                for entry in archive.infolist():
                    out.writestr(entry, archive.read(entry), zipfile.ZIP_DEFLATED, 9)

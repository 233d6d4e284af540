"""The memory of a Python that has started and imported what pages use: `pyodide/snapshot.bin`.

A page that begins with this memory starts no interpreter and imports no module (`web/engine/snapshot.js`). Pyodide in
Node makes it, once for each set of packages.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tools import console, files, node, packages, paths, pyodide_core

NAME = "snapshot.bin"
SCRIPT = Path(__file__).with_suffix(".mjs")
UNPACKING = paths.REPOSITORY / "web" / "engine" / "packed.js"


def place(runtime: Path) -> None:
    """Put the snapshot into the folder ``runtime``, from the cache or made now of the Pyodide and the packages there.

    It fits these files only: Python remembers, for example, where in the archive each module of its library lies.
    """
    inputs = [runtime / name for name in (*pyodide_core.CORE_FILES, packages.NAME)]
    key = files.sha256_of_tree([SCRIPT, Path(__file__), UNPACKING, *inputs])
    kept = paths.cache("snapshots", key[:16], NAME)
    if not kept.is_file():
        console.detail("memory of a started Python")
        with files.replacing(kept) as new:
            new.write_bytes(_memory_of(runtime))
    files.place(kept, runtime / NAME)


def _memory_of(runtime: Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        memory, head = Path(folder, "memory"), Path(folder, "head.json")
        node.run(SCRIPT, runtime, memory, head, failed="Pyodide could not be started in Node to keep its memory")
        return packages.packed(json.loads(head.read_text(encoding="utf-8")), memory.read_bytes())

"""Pyodide's own files, as npm delivers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools import console, files, paths, pyodide_patches

LIBRARY = "python_stdlib.zip"
CORE_FILES = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", LIBRARY)


def directory() -> Path:
    folder = paths.NODE_MODULES / "pyodide"
    missing = [name for name in (*CORE_FILES, "pyodide-lock.json") if not (folder / name).is_file()]
    if missing:
        raise console.Failure(
            f"{folder / missing[0]} is missing; delete node_modules and run ./build_pyodide.sh build."
        )
    return folder


def place(target: Path, library: Path) -> None:
    """Put Pyodide's files into the folder ``target``, with the site's changes and the standard library ``library``."""
    core = directory()
    changed = {patch.file for patch in pyodide_patches.PATCHES}
    for name in CORE_FILES:
        if name in changed:
            text = pyodide_patches.patched(name, (core / name).read_text(encoding="utf-8"))
            files.write_text(target / name, text)
        else:
            files.place(library if name == LIBRARY else core / name, target / name)


def version() -> str:
    return json.loads((directory() / "package.json").read_text(encoding="utf-8"))["version"]


def lock() -> dict[str, Any]:
    """Pyodide's own lock file: the files of its distribution, each with its hash."""
    return json.loads((directory() / "pyodide-lock.json").read_text(encoding="utf-8"))

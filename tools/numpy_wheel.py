"""The NumPy wheel for the runtime, from the first source that works here.

Pyodide's npm package holds the interpreter alone, so NumPy comes from, in this order: a folder that the user names in
LOOM_WHEELS, the package index (PEP 783 allows such wheels there), Pyodide's own distribution, or a build from source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tools import console, download, files, index, paths, pins, pyodide_core, wheels

Way = tuple[str, Callable[[], Path]]


def provide() -> Path:
    """The wheel. Raises `console.Failure` with the reason of every source when none works."""
    return first_that_works(
        [
            ("the folder in LOOM_WHEELS", from_folder),
            ("the package index", from_index),
            ("Pyodide's distribution", from_distribution),
            ("a build from source", from_source),
        ]
    )


def first_that_works(ways: Sequence[Way]) -> Path:
    reasons = []
    for name, way in ways:
        try:
            wheel = way()
        except console.Skipped as skipped:
            console.detail(f"NumPy: not from {name}: {skipped}")
            reasons.append(str(skipped))
            continue
        wheels.check_members(wheel)
        console.detail(f"NumPy: {wheel.name} from {name}")
        return wheel
    raise console.Failure(f"no NumPy wheel for Pyodide is available, since {reasons[-1]}.")


def expected() -> dict[str, str]:
    """Pyodide's own entry for NumPy: `version`, `file_name` and `sha256` of its wheel."""
    return pyodide_core.lock()["packages"]["numpy"]


def from_folder() -> Path:
    folder = os.environ.get("LOOM_WHEELS")
    if not folder:
        raise console.Skipped("the variable is not set")
    suffix = expected()["file_name"].split("-", 2)[2]
    candidates = sorted(Path(folder).glob(f"numpy-*-{suffix}"))
    if not candidates:
        raise console.Skipped(f"{folder} holds no numpy-*-{suffix}")
    return candidates[-1].resolve()


def from_index() -> Path:
    """Pyodide's own wheel: an index that offers other bytes under its name is passed over."""
    name, sha256 = expected()["file_name"], expected()["sha256"]
    for entry in index.listing("numpy"):
        if entry.name == name:
            if entry.sha256 not in (None, sha256):
                raise console.Skipped(f"its {name} is not the one that Pyodide names (SHA-256 {entry.sha256})")
            return download.fetch(entry.url, paths.cache("wheels", "index", name), sha256=sha256)
    raise console.Skipped(f"it has no {name}")


def from_distribution() -> Path:
    entry = expected()
    target = paths.cache("wheels", "pyodide", entry["file_name"])
    if target.is_file() and files.sha256(target) == entry["sha256"]:
        return target
    base = os.environ.get("LOOM_PYODIDE_URL") or pins.PYODIDE_DISTRIBUTION.format(version=pyodide_core.version())
    return download.fetch(base.rstrip("/") + "/" + entry["file_name"], target, sha256=entry["sha256"], timeout=10)


def from_source() -> Path:
    from tools.numpy_wasm import build

    return build.provide()

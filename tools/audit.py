"""Whether a wheel's extensions will load: every WebAssembly import must be something that the runtime offers.

Wheels may come from another compiler than the runtime, which Pyodide's loader notices only at import time, with a bare
name. This check makes sure that both still agree. `auditwheel_emscripten`, of pyodide-build, reads the modules.
"""

from __future__ import annotations

import functools
import re
import tempfile
import zipfile
from pathlib import Path

from auditwheel_emscripten.module import ModuleWritable

from tools import console, files, paths, pyodide_core

# Provided by Emscripten's loader for each side module.
LOADER = {
    "memory",
    "__indirect_function_table",
    "__memory_base",
    "__table_base",
    "__stack_pointer",
    "__cpp_exception",
    "__c_longjmp",
}


def check_wheel(wheel: Path) -> None:
    """Check all extensions of ``wheel``, once for each. Raises `console.Failure` naming the first fault."""
    mark = paths.cache("wheels", "audited", f"{files.sha256(wheel)}-{pyodide_core.version()}")
    if mark.exists():
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        for name in (name for name in archive.namelist() if name.endswith(".so")):
            missing = unresolved(Path(archive.extract(name, folder)))
            if missing:
                raise console.Failure(
                    f"{wheel} does not fit Pyodide {pyodide_core.version()}, since its {name} needs {missing[0]}; "
                    "remove it or provide one built for this runtime."
                )
    files.write_text(mark, wheel.name + "\n")


def unresolved(library: Path) -> list[str]:
    """The imports of ``library`` that neither the runtime nor the library itself (for weak symbols) defines."""
    with ModuleWritable(library) as module:
        imports = {(entry.module, entry.field) for entry in module.get_imports()}
        offered = {entry.name for entry in module.get_exports()}
    offered |= runtime_symbols() | LOADER
    return sorted(f"{space}.{name}" for space, name in imports if name not in offered)


@functools.cache
def runtime_symbols() -> frozenset[str]:
    """What the core module exports, and the functions that its JavaScript side provides."""
    core = pyodide_core.directory()
    with ModuleWritable(core / "pyodide.asm.wasm") as module:
        names = {entry.name for entry in module.get_exports()}
    script = (core / "pyodide.asm.mjs").read_text(encoding="utf-8")
    table = re.search(r"wasmImports\s*=\s*\{(.*?)\}", script, re.DOTALL)
    if table:
        names |= set(re.findall(r"(?:^|,)\s*\"?(\w+)", table.group(1)))
    return frozenset(names)

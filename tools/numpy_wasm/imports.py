"""Whether built extensions will load: every WebAssembly import must be something that the runtime offers.

The compiler is newer than the one the runtime was built with, so this is the check that both still agree.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from auditwheel_emscripten.module import ModuleWritable

from tools import pyodide_core

# What Emscripten's loader makes for each side module by itself.
LOADER = {
    "memory",
    "__indirect_function_table",
    "__memory_base",
    "__table_base",
    "__stack_pointer",
    "__cpp_exception",
    "__c_longjmp",
}


def unresolved(library: Path) -> list[str]:
    """The imports of ``library`` that neither the runtime nor itself (weak symbols resolve so) defines."""
    with ModuleWritable(library) as module:
        wanted = {(entry.module, entry.field) for entry in module.get_imports()}
        offered = {entry.name for entry in module.get_exports()}
    offered |= runtime_symbols() | LOADER
    return sorted(f"{space}.{name}" for space, name in wanted if name not in offered)


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

"""Compile the kernels in C to WebAssembly with PyPI's `zig`. `python -m tools.simd` builds them when they have changed.

Four binaries from one source: with and without relaxed SIMD, with and without threads. The device that loads them
chooses one. Two files are generated for them: the list of kernels, from the functions that the sources declare, and the
enumerations that Python declares.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import loom_py.runtime.kernels  # noqa: F401 (declares the enumerations)
from loom_py.runtime.enumeration import ENUMERATIONS
from tools import console, files, paths

SOURCES = paths.REPOSITORY / "simd"
BINARIES = paths.REPOSITORY / "loom_py" / "runtime" / "simd" / "bin"
STAMP = ".stamp"

# No fast-math: sums are in the order that the source says, so that results repeat.
FLAGS = (
    "-target", "wasm32-freestanding", "-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno",
    "-msimd128", "-mbulk-memory", "-mnontrapping-fptoint", "-msign-ext",
    "-Wall", "-Wextra", "-Werror", "-Wno-unused-command-line-argument",
    "-Wl,--no-entry", "-Wl,--import-memory", "-Wl,--export=__stack_pointer", "-Wl,--export=__heap_base",
    "-Wl,--strip-all",
)  # fmt: skip
RELAXED = ("-mrelaxed-simd",)
# 4 GiB less one page: the linker takes no more.
THREADS = ("-matomics", "-Wl,--shared-memory", "-Wl,--max-memory=4294901760")
VARIANTS = {
    "loom.wasm": (),
    "loom-relaxed.wasm": RELAXED,
    "loom-threads.wasm": THREADS,
    "loom-relaxed-threads.wasm": RELAXED + THREADS,
}


def provide() -> list[Path]:
    """The four binaries, built if the sources, the flags or the compiler changed."""
    declared = hashlib.sha256(enumerations().encode()).hexdigest()
    stamp = files.sha256_of_tree([SOURCES, Path(__file__)]) + declared + _compiler()
    targets = [BINARIES / name for name in VARIANTS]
    mark = BINARIES / STAMP
    if mark.is_file() and mark.read_text(encoding="utf-8") == stamp and all(t.is_file() for t in targets):
        return targets
    console.detail("kernels: " + ", ".join(VARIANTS))
    mark.unlink(missing_ok=True)
    build(VARIANTS)
    mark.write_text(stamp, encoding="utf-8")
    return targets


def build(names: Iterable[str]) -> None:
    """Compile some of the binaries."""
    BINARIES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as generated:
        Path(generated, "kernels.def").write_text(kernel_list(), encoding="utf-8")
        Path(generated, "enumerations.h").write_text(enumerations(), encoding="utf-8")
        for name in names:
            _compile(BINARIES / name, (*VARIANTS[name], f"-I{generated}"))


def kernel_list() -> str:
    """`K(name)` for every kernel: its number is its place here, its name is how programs ask for it."""
    declared = re.compile(r"^KERNEL\((\w+)\)", re.MULTILINE)
    texts = [path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.c"))]
    return "".join(f"K({name})\n" for text in texts for name in declared.findall(text))


def enumerations() -> str:
    """`EACH_<NAME>(X)`, X(member) for every member, and all of them as lines of text."""
    parts = ["#pragma once\n"]
    lines: list[str] = []
    for name, members in ENUMERATIONS.items():
        parts.append(f"#define EACH_{name.upper()}(X) {' '.join(f'X({member})' for member in members)}\n")
        lines += [f"{name}:", *(f"{name}:{member}" for member in members)]
    parts.append(f"#define ENUMERATION_LINES {' '.join(json.dumps(line + chr(10)) for line in lines)}\n")
    return "".join(parts)


def _compiler() -> str:
    from importlib.metadata import version

    return version("ziglang")


def _compile(target: Path, extra: tuple[str, ...]) -> None:
    sources = [str(p) for p in sorted(SOURCES.glob("*.c"))]
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *extra, "-o", str(target), *sources]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        print(ran.stderr, file=sys.stderr)
        raise console.Failure(f"{target.name} could not be compiled; the compiler's output is above.")


if __name__ == "__main__":
    sys.exit(console.run(lambda: 0 * len(provide())))

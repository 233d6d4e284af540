"""Stands in for emcc and em++ while NumPy and OpenBLAS are built: ``compiler.py emcc|em++ ARGUMENTS``.

Three kinds of calls need different flags: compiling, linking a Python extension (an Emscripten side module
that exports its init function alone), and Meson's probes, which link programs and must see missing functions as missing
(with side-module flags every function would be found).
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import PurePosixPath

# As the runtime was built: the exception and setjmp scheme is part of its binary interface.
ABI = ["-fwasm-exceptions", "-sSUPPORT_LONGJMP=wasm", "-sWASM_LEGACY_EXCEPTIONS=1"]
COMPILING = [*ABI, "-fPIC", "-g0", "-msimd128"]
SIDE_MODULE = [*ABI, "-sSIDE_MODULE=2", "-sWASM_BIGINT", "-O2", "-g0"]
# Of a native linker, or of libraries that the main module provides.
DROPPED = re.compile(r"-l|-shared$|-Wl,(-soname|-rpath|--start-group|--end-group|--as-needed|--no-undefined)|-O\d$")


def command(program: str, arguments: list[str]) -> list[str]:
    """The real compiler's command line for one call of the wrapper."""
    if "-shared" in arguments:
        output = PurePosixPath(arguments[arguments.index("-o") + 1])
        exported = f"-sEXPORTED_FUNCTIONS=_PyInit_{output.name.split('.', 1)[0]}"
        return [program, *(a for a in arguments if not DROPPED.match(a)), *SIDE_MODULE, exported]
    if {"-c", "-E", "-S"} & set(arguments):
        return [program, *COMPILING, *arguments]
    return [program, *ABI, *arguments]


if __name__ == "__main__":
    real = command(f"/usr/bin/{sys.argv[1]}", sys.argv[2:])
    os.execv(real[0], real)

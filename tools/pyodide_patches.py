"""What the site changes in Pyodide's own files.

Each change names the exact text that it replaces. A Pyodide that reads differently fails the build in words: nobody can
know then whether the fault that a patch mends is still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools import console


@dataclass(frozen=True)
class Patch:
    """One replacement in one file. ``why`` completes the sentence "without it, …"."""

    file: str
    before: str
    after: str
    why: str


def _pointer(before: str, after: str) -> Patch:
    return Patch("pyodide.asm.mjs", before, after, "values are wrong once Python's heap has more than 2 GiB")


PATCHES = (
    # Pointers from WebAssembly arrive as signed numbers. `subarray` and `slice` count a negative one from the end.
    _pointer(
        "decoder.decode(Module.HEAPU8.subarray(ptr,ptr+len))",
        "decoder.decode(Module.HEAPU8.subarray(ptr>>>0,(ptr>>>0)+len))",
    ),
    _pointer(
        "Module.HEAPU8.set(bufferAsUint8Array(buf),ptr)",
        "Module.HEAPU8.set(bufferAsUint8Array(buf),ptr>>>0)",
    ),
    _pointer(
        "bufferAsUint8Array(buf).set(Module.HEAPU8.subarray(ptr,ptr+buf.byteLength))",
        "bufferAsUint8Array(buf).set(Module.HEAPU8.subarray(ptr>>>0,(ptr>>>0)+buf.byteLength))",
    ),
    _pointer(
        "let n=e*r;return HEAP8.slice(t,t+n).buffer",
        "let n=e*r;return HEAP8.slice(t>>>0,(t>>>0)+n).buffer",
    ),
    _pointer(
        "Array.from(HEAP32.subarray(array/4>>>0,array/4+len>>>0))",
        "Array.from(HEAP32.subarray(array>>>2,(array>>>2)+len))",
    ),
    _pointer(
        "{format=UTF8ToString(format);return{start_ptr,",
        "{format=UTF8ToString(format);start_ptr>>>=0;smallest_ptr>>>=0;largest_ptr>>>=0;return{start_ptr,",
    ),
    # The page hands Python's files over itself, since it has to check them and to say what is wrong with them.
    Patch(
        "pyodide.mjs",
        "instantiateWasm:Ie(e.indexURL)",
        "instantiateWasm:e.instantiateWasm?e.instantiateWasm(K()):Ie(e.indexURL)",
        "a start whose WebAssembly cannot be had or compiled never ends",
    ),
    Patch(
        "pyodide.mjs",
        "function he(e){let t=j(e);",
        'function he(e){let t=typeof e==="string"?j(e):e;',
        "the standard library is not checked",
    ),
    Patch(
        "pyodide.asm.mjs",
        "var getMemory=size=>{if(runtimeInitialized)",
        "var getMemory=size=>{if(Module.placeLibrary)return Module.placeLibrary(size);if(runtimeInitialized)",
        "a page cannot go on from the memory of a started Python",
    ),
    Patch(
        "pyodide.asm.mjs",
        "try{return await ce(o,i)}catch(l)",
        "try{return await(n&&API.config.packageFile?API.config.packageFile(n):ce(o,i))}catch(l)",
        "a package that cannot be had is only logged",
    ),
)


def patched(file: str, text: str, patches: Sequence[Patch] = PATCHES) -> str:
    """``text`` of Pyodide's ``file`` with its patches. Raises `console.Failure` when one does not fit exactly once."""
    for patch in patches:
        if patch.file != file:
            continue
        count = text.count(patch.before)
        if count != 1:
            raise console.Failure(
                f"{file} of this Pyodide has «{patch.before}» {count} times, not once; without its change {patch.why}. "
                "Look at what replaced it and update tools/pyodide_patches.py."
            )
        text = text.replace(patch.before, patch.after)
    return text

"""The changes to Pyodide's own files."""

from __future__ import annotations

import pytest

from tools import console, pyodide_core, pyodide_patches
from tools.pyodide_patches import PATCHES, Patch, patched


def test_every_patch_fits_the_installed_pyodide() -> None:
    for file in {patch.file for patch in PATCHES}:
        text = (pyodide_core.directory() / file).read_text(encoding="utf-8")
        changed = patched(file, text)
        assert changed != text
        assert all(patch.after in changed for patch in PATCHES if patch.file == file)


@pytest.mark.parametrize(("text", "count"), [("nothing", 0), ("a+b a+b", 2)])
def test_a_pyodide_that_reads_differently_fails_the_build(text: str, count: int) -> None:
    patch = Patch("some.mjs", "a+b", "a-b", "sums are wrong")
    with pytest.raises(console.Failure, match=f"«a\\+b» {count} times, not once; without its change sums are wrong"):
        patched("some.mjs", text, [patch])
    assert patched("other.mjs", text, [patch]) == text


def test_no_pointer_is_left_signed() -> None:
    """Uses of the heap in Pyodide's own part that take a pointer as it comes from WebAssembly."""
    file = "pyodide.asm.mjs"
    text = patched(file, (pyodide_core.directory() / file).read_text(encoding="utf-8"))
    signed = (
        "HEAPU8.subarray(ptr,",
        "HEAPU8.set(bufferAsUint8Array(buf),ptr)",
        "HEAP8.slice(t,",
        "HEAP32.subarray(array/4",
    )
    assert not [use for use in signed if use in text]
    assert {patch.file for patch in pyodide_patches.PATCHES} <= set(pyodide_core.CORE_FILES)

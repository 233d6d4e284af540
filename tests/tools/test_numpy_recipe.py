"""The parts of NumPy's build that can be checked without a compiler."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from tools import audit, console, paths, pins, pyodide_core, wheels
from tools.numpy_wasm import build, compiler, pyconfig, root


def test_an_extension_is_linked_as_a_side_module_that_exports_its_init_function() -> None:
    call = ["-shared", "-O3", "-o", "numpy/fft/_umath.cpython-314-wasm32-emscripten.so", "a.o", "-lm", "-Wl,-soname,x"]
    command = compiler.command("emcc", [*call, "/build/libblas.a"])
    assert command[:5] == ["emcc", "-o", call[3], "a.o", "/build/libblas.a"]
    assert {"-sSIDE_MODULE=2", "-sEXPORTED_FUNCTIONS=_PyInit__umath", "-fwasm-exceptions"} <= set(command)


def test_compiling_and_probing() -> None:
    assert {"-fPIC", "-msimd128", "-O3"} <= set(compiler.command("emcc", ["-O3", "-c", "a.c"]))
    probe = compiler.command("em++", ["a.cpp", "-o", "a.js", "-lm"])
    assert "-lm" in probe
    assert not any("SIDE_MODULE" in flag for flag in probe)


def test_pyconfig_takes_names_from_one_side_and_values_from_the_other() -> None:
    native = (
        "#define SIZEOF_LONG 8\n#define HAVE_FORK 1\n/* #undef HAVE_DYLD */\n#define HAVE_DECL_TZNAME 1\n"
        '#define HASHES "md5"\n#define ONLY_NATIVE 1\n#ifndef X\n# define Y 1\n#endif\n/* #undef WASM_ONLY */\n'
    )
    values = {"SIZEOF_LONG": 4, "HAVE_FORK": 0, "HAVE_DECL_TZNAME": 0, "HASHES": '"sha2"', "WASM_ONLY": 1}
    assert pyconfig.translate(native, values) == (
        "#define SIZEOF_LONG 4\n/* #undef HAVE_FORK */\n/* #undef HAVE_DYLD */\n#define HAVE_DECL_TZNAME 0\n"
        '#define HASHES "sha2"\n/* #undef ONLY_NATIVE */\n#ifndef X\n# define Y 1\n#endif\n#define WASM_ONLY 1\n'
    )


def test_the_runtimes_own_configuration_is_read() -> None:
    with zipfile.ZipFile(pyodide_core.directory() / "python_stdlib.zip") as library:
        values = pyconfig.variables(library.read(build.SYSCONFIG).decode())
    assert (values["SIZEOF_LONG"], values["SIZEOF_SIZE_T"]) == (4, 4)
    assert values["EXT_SUFFIX"] == ".cpython-314-wasm32-emscripten.so"


def test_every_import_of_the_sites_numpy_is_there(tmp_path: Path) -> None:
    files = list((paths.SITE / "pyodide").glob("numpy-*.whl"))
    if not files:
        pytest.fail("the site in dist/ is missing; run ./build_pyodide.sh build first.")
    with zipfile.ZipFile(files[0]) as archive:
        names = [name for name in archive.namelist() if name.endswith(".so")]
        archive.extractall(tmp_path, names)
    assert len(names) >= 10
    for name in names:
        assert audit.unresolved(tmp_path / name) == []


def test_an_unresolved_import_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(name: bytes) -> bytes:  # module, field, kind function, type 0
        return b"\x03env" + bytes([len(name)]) + name + b"\x00\x00"

    section = b"\x02" + entry(b"malloc") + entry(b"nobody_offers_this")
    module = b"\0asm\1\0\0\0" + b"\x01\x04\x01\x60\0\0" + b"\x02" + bytes([len(section)]) + section
    path = tmp_path / "x.so"
    path.write_bytes(module)
    assert audit.unresolved(path) == ["env.nobody_offers_this"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    wheel = wheels.write_wheel(
        tmp_path / "x-1.0-cp314-cp314-pyemscripten_2026_0_wasm32.whl",
        tag="x",
        metadata=b"",
        contents={"x/x.so": module},
        pure=False,
    )
    for _ in range(2):  # a wheel that failed is not remembered as checked
        with pytest.raises(console.Failure, match=r"its x/x\.so needs env\.nobody_offers_this; remove it"):
            audit.check_wheel(wheel)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(console.Skipped, match="needs root"):
        root.check_machine()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(console.Skipped, match="needs Debian"):
        root.check_machine()


def test_the_recipes_name_changes_with_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = build.recipe_hash()
    assert before == build.recipe_hash()
    copy = tmp_path / "numpy_wasm"
    shutil.copytree(build.RECIPE, copy)
    monkeypatch.setattr(build, "RECIPE", copy)
    assert build.recipe_hash() == before
    with (copy / "recipe.sh").open("a") as file:
        file.write("#\n")
    assert build.recipe_hash() != before
    monkeypatch.setattr(build, "RECIPE", build.RECIPE)
    monkeypatch.setattr(pins, "NUMPY_SOURCE", pins.Pin("numpy", "numpy-9.tar.gz", "0" * 64))
    assert "-00000000-" in build.recipe_hash()

"""The standard library of the site: Pyodide's, with byte-code for what a start imports."""

from __future__ import annotations

import zipfile

import pytest

from tools import paths, pyodide_core


def test_all_sources_are_pyodides_and_the_start_is_compiled() -> None:
    site = paths.SITE / "pyodide" / pyodide_core.LIBRARY
    if not site.is_file():
        pytest.fail("the site in dist/ is missing; run ./build_pyodide.sh build first.")
    with zipfile.ZipFile(site) as ours, zipfile.ZipFile(pyodide_core.directory() / pyodide_core.LIBRARY) as theirs:
        bytecode = {name for name in ours.namelist() if name.endswith(".pyc")}
        assert set(ours.namelist()) - bytecode == set(theirs.namelist())
        assert all(ours.read(name) == theirs.read(name) for name in theirs.namelist())
        assert {"typing.pyc", "json/__init__.pyc", "_pyodide/_base.pyc", "dataclasses.pyc"} <= bytecode
        assert "unittest/mock.pyc" not in bytecode
        heads = {ours.read(name)[:8] for name in bytecode}
    assert len(heads) == 1
    assert heads.pop()[4:] == (1).to_bytes(4, "little")  # PEP 552: by hash, and not compared

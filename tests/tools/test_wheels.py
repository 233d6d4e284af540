"""Wheels: packed files match their record, and the site's wheels carry byte-code for the runtime's Python."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tools import paths, wheels

MAGIC_3_14 = (3627).to_bytes(2, "little") + b"\r\n"
UNCHECKED_HASH = (1).to_bytes(4, "little")


def test_the_same_contents_give_the_same_bytes_and_check_out(tmp_path: Path) -> None:
    copies = [
        wheels.write_wheel(
            tmp_path / folder / "x-1.0-py3-none-any.whl",
            tag="py3-none-any",
            metadata=b"Metadata-Version: 2.1\nName: x\nVersion: 1.0\n",
            contents={"x/__init__.py": b"a = 1\n"},
            pure=True,
        )
        for folder in ("a", "b")
    ]
    assert copies[0].read_bytes() == copies[1].read_bytes()
    wheels.check_members(copies[0])
    more = wheels.extended(copies[0], tmp_path / "c" / copies[0].name, {"x/y.txt": b"more"})
    wheels.check_members(more)
    with zipfile.ZipFile(more) as archive:
        assert archive.namelist() == [
            "x/__init__.py",
            "x-1.0.dist-info/METADATA",
            "x-1.0.dist-info/WHEEL",
            "x/y.txt",
            "x-1.0.dist-info/RECORD",
        ]
        assert archive.read("x/y.txt") == b"more"


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("numpy", "numpy/_core/multiarray"),
        ("jinja2", "jinja2/sandbox"),
        ("markupsafe", "markupsafe/_native"),
        ("loom_py", "loom_py/errors"),
    ],
)
def test_the_sites_wheels_carry_byte_code_beside_the_source(package: str, module: str) -> None:
    files = list((paths.SITE / "pyodide").glob(f"{package}-*.whl"))
    if not files:
        pytest.fail("the site in dist/ is missing; run ./build_pyodide.sh build first.")
    wheels.check_members(files[0])
    folder, _, name = module.rpartition("/")
    with zipfile.ZipFile(files[0]) as archive:
        assert f"{module}.py" in archive.namelist()
        header = archive.read(f"{folder}/__pycache__/{name}.cpython-314.pyc")[:8]
    assert header == MAGIC_3_14 + UNCHECKED_HASH

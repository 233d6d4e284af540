"""The file of installed packages."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

from tools import packages


def test_files_lie_one_after_another_behind_an_aligned_head(tmp_path: Path) -> None:
    contents = {"a/__init__.py": b"x = 1\n", "a/data.json": b"{}", "b.py": "é".encode()}
    unused = {"a/__init__.pyi": b"x: int", "numpy/f2py/rules.py": b"pass"}
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in (contents | unused).items():
            archive.writestr(name, data)
    packages.pack(tmp_path / packages.NAME, [wheel], ["a"])
    data = gzip.decompress((tmp_path / packages.NAME).read_bytes())
    begin = 4 + int.from_bytes(data[:4], "little")
    head = json.loads(data[4:begin])
    assert begin % packages.ALIGNMENT == 0
    assert head == {"packages": ["a"], "files": [[name, len(text)] for name, text in contents.items()]}
    assert data[begin:] == b"".join(contents.values())


def test_the_same_wheels_give_the_same_bytes() -> None:
    assert packages.packed({"files": []}, b"abc") == packages.packed({"files": []}, b"abc")

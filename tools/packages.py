"""The installed packages of the page as one file: `pyodide/packages.bin`.

A page that unpacks wheels with Python's own means spends half a second on it at each start. Here the files of all
wheels lie one after another, compressed as a whole, and JavaScript puts them into Python's file system
(`web/engine/packed.js`).
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools import files

NAME = "packages.bin"
ALIGNMENT = 16
UNUSED_ENDINGS = (".pyi", ".h", ".a", ".lib", ".pxd", ".pyx", ".c", ".ini", ".tmpl", ".md", ".wasm")
"""Of files in wheels that are there for compilers, type checkers, readers and other hosts than a page."""
UNUSED_FOLDERS = ("numpy/f2py/",)


def pack(target: Path, wheels: Sequence[Path], names: Sequence[str]) -> None:
    """Write the file for `wheels`, which hold the packages called `names`."""
    contents: dict[str, bytes] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(archive.namelist()):
                if not name.endswith(("/", *UNUSED_ENDINGS)) and not name.startswith(UNUSED_FOLDERS):
                    contents[name] = archive.read(name)
    head = {"packages": list(names), "files": [[name, len(data)] for name, data in contents.items()]}
    with files.replacing(target) as new:
        new.write_bytes(packed(head, b"".join(contents.values())))


def packed(head: dict[str, Any], body: bytes) -> bytes:
    """The length of the head as four bytes, the head as JSON, padded so that the body is aligned, the body; as gzip."""
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(4 + len(text)) % ALIGNMENT)
    return gzip.compress(len(text).to_bytes(4, "little") + text + body, mtime=0)

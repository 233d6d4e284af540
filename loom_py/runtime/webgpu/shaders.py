"""The WGSL files: where they are, what they bind, and how the pieces of a shader are joined.

A file declares its storage buffers as `@group(0) @binding(N) var<storage, read|read_write> name: …` and the numbers it
is given as `struct P { name: u32|i32|f32, … }` in the uniform buffer at binding 0. Both are read from the source, so
that nothing is said twice. A line `//: include other` is replaced by the text of `other.wgsl`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors import DeviceError

PACKAGE = Path(__file__).parents[2]
FOLDERS = (PACKAGE / "wgsl", PACKAGE.parent / "wgsl")
"""In an installed package, and in a checkout."""

_INCLUDE = re.compile(r"^//: include (\w+)$", re.MULTILINE)
_BUFFER = re.compile(r"@group\(0\) @binding\((\d+)\) var<storage, (read|read_write)> (\w+)")
_STRUCT = re.compile(r"struct P \{(.*?)\}", re.DOTALL)
_FIELD = re.compile(r"(\w+): (u32|i32|f32)")
_COMMENT = re.compile(r"//.*$", re.MULTILINE)


@dataclass(frozen=True)
class Shader:
    """A file with its includes: `buffers` are name → (binding, written), `fields` name → type in order."""

    name: str
    source: str
    buffers: dict[str, tuple[int, bool]]
    fields: dict[str, str]


def names() -> list[str]:
    """All files, without their suffix."""
    return sorted(path.stem for path in _folder().glob("*.wgsl"))


@cache
def shader(name: str) -> Shader:
    """Read one. Raises `DeviceError` if it is not there."""
    source = _text(name)
    plain = _COMMENT.sub("", source)
    buffers = {n: (int(binding), access == "read_write") for binding, access, n in _BUFFER.findall(plain)}
    struct = _STRUCT.search(plain)
    return Shader(name, source, buffers, dict(_FIELD.findall(struct[1])) if struct else {})


@cache
def _text(name: str) -> str:
    path = _folder() / f"{name}.wgsl"
    if not path.is_file():
        raise DeviceError(f"the shader {name}.wgsl is missing", where="webgpu", remedy="Install the package again.")
    return _INCLUDE.sub(lambda found: _text(found[1]), path.read_text(encoding="utf-8"))


@cache
def _folder() -> Path:
    for folder in FOLDERS:
        if folder.is_dir():
            return folder
    raise DeviceError("the folder wgsl is missing", where="webgpu", remedy="Install the package again.")

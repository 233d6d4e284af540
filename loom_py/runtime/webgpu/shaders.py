"""The WGSL files: their folder, what they bind, and how the pieces of a shader are joined.

A file declares its storage buffers as `@group(0) @binding(N) var<storage, read|read_write> name: …` and the numbers it
is given as `struct P { name: u32|i32|f32, … }` in the uniform buffer at binding 0. Both are read from the source, so
that Python does not repeat them. A line `//: include other` is replaced by the text of `other.wgsl`, and a line
`//: enumeration name CONSTANT` by an override constant and the numbers of the enumeration's members, in capitals. Every
`switch CONSTANT` must then have a case for every member.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors import DeviceError
from ..enumeration import ENUMERATIONS

PACKAGE = Path(__file__).parents[2]
FOLDERS = (PACKAGE / "wgsl", PACKAGE.parent / "wgsl")
"""In an installed package, and in a checkout."""

_INCLUDE = re.compile(r"^//: include (\w+)$", re.MULTILINE)
_ENUMERATION = re.compile(r"^//: enumeration (\w+) (\w+)$", re.MULTILINE)
_CASES = re.compile(r"\bcase ([\w, ]+?)\s*\{")
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
    """Read one. Raises `DeviceError` if it is missing."""
    joined = _text(name)
    source = _ENUMERATION.sub(lambda match: _constants(match[1], match[2]), joined)
    plain = _COMMENT.sub("", source)
    for enumeration, constant in _ENUMERATION.findall(joined):
        check_switches(f"{name}.wgsl", plain, constant, ENUMERATIONS[enumeration])
    buffers = {n: (int(binding), access == "read_write") for binding, access, n in _BUFFER.findall(plain)}
    struct = _STRUCT.search(plain)
    return Shader(name, source, buffers, dict(_FIELD.findall(struct[1])) if struct else {})


def _constants(enumeration: str, constant: str) -> str:
    """The declarations that replace an enumeration's line."""
    members = ENUMERATIONS[enumeration]
    return f"override {constant}: u32;\n" + "\n".join(f"const {m.upper()}: u32 = {i}u;" for i, m in enumerate(members))


def check_switches(where: str, source: str, constant: str, members: Iterable[str]) -> None:
    """Raises `DeviceError` where a `switch` over an enumeration's constant leaves a member to its default."""
    for switch in re.finditer(rf"\bswitch {constant} \{{", source):
        body = _block(source, switch.end())
        cases = {selector.strip() for match in _CASES.findall(body) for selector in match.split(",")}
        missing = [member for member in members if member.upper() not in cases]
        if missing:
            problem = f"switch {constant} has no case for {', '.join(missing)}"
            raise DeviceError(problem, where=where, remedy="Add one for each.")


def _block(source: str, start: int) -> str:
    """The text up to the brace that closes the one before `start`."""
    depth = 1
    for end in range(start, len(source)):
        depth += {"{": 1, "}": -1}.get(source[end], 0)
        if depth == 0:
            return source[start:end]
    return source[start:]


@cache
def _text(name: str) -> str:
    path = _folder() / f"{name}.wgsl"
    if not path.is_file():
        raise DeviceError(f"the shader {name}.wgsl is missing", where="webgpu", remedy="Install the package again.")
    return _INCLUDE.sub(lambda match: _text(match[1]), path.read_text(encoding="utf-8"))


@cache
def _folder() -> Path:
    for folder in FOLDERS:
        if folder.is_dir():
            return folder
    raise DeviceError("the folder wgsl is missing", where="webgpu", remedy="Install the package again.")

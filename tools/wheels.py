"""Packing and reading wheels (the binary distribution format of PEP 427)."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tools import console, files

# One moment for every member, so that the same contents always give the same bytes.
MOMENT = (2026, 1, 1, 0, 0, 0)


def write_wheel(target: Path, *, tag: str, metadata: bytes, contents: Mapping[str, bytes], pure: bool) -> Path:
    """Write ``contents`` (archive name to bytes) as a wheel at ``target``, named ``<name>-<version>-<tag>.whl``."""
    info = "-".join(target.name.split("-")[:2]) + ".dist-info"
    about = f"Wheel-Version: 1.0\nGenerator: loom-build\nRoot-Is-Purelib: {str(pure).lower()}\nTag: {tag}\n"
    return _pack(target, info, dict(contents) | {f"{info}/METADATA": metadata, f"{info}/WHEEL": about.encode()})


def extended(source: Path, target: Path, extra: Mapping[str, bytes]) -> Path:
    """Write the wheel ``source`` with ``extra`` members at ``target``."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    record = next(name for name in members if name.endswith(".dist-info/RECORD"))
    del members[record]
    return _pack(target, record.removesuffix("/RECORD"), members | dict(extra))


def _pack(target: Path, info: str, members: dict[str, bytes]) -> Path:
    record = "".join(f"{name},{_record_hash(data)},{len(data)}\n" for name, data in sorted(members.items()))
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with files.replacing(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return target


def _record_hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def check_members(wheel: Path) -> None:
    """Check every member of ``wheel`` against its RECORD. Raises `console.Failure` naming the first that differs."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        for line in archive.read(record).decode().splitlines():
            name, digest, _ = line.rsplit(",", 2)
            if digest and (name not in names or _record_hash(archive.read(name)) != digest):
                raise console.Failure(f"{wheel} is damaged at {name}; delete it and run the same command again.")

"""Reading and atomically writing whole files, with errors that name the caller's path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import FormatError, InputError
from ..schema.foreign import BYTE_ORDER_MARKS, HEAD_BYTES, foreign
from ..schema.strict import parse_json
from .source import Source


def checked_path(value: object, where: str = "path") -> Path:
    """A path as callers give it; `InputError` at `where` for what is none."""
    path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(path, str):
        raise InputError(f"expected a path, got {type(path).__name__}", where=where)
    if not path:
        raise InputError("is empty, expected a path", where=where)
    if "\0" in path:
        raise InputError("a path cannot hold a null character", where=where)
    return Path(path)


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` atomically, by a temporary file and one rename. Keeps the file's mode and follows links.

    Raises `InputError` on failure; the old content is then untouched.
    """
    temporary: Path | None = None
    checked_path(path)
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise IsADirectoryError(None, "Is a directory", str(path))
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_bytes(data)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot be written ({reason})", where=str(path)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; `InputError` with its path if it cannot be read."""
    place = checked_path(path)
    try:
        return place.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from error


def read_json_file(source: Source, *, max_bytes: int) -> Any:
    """A whole JSON file, parsed strictly; a file that is too large or not JSON is refused before all of it is read."""
    head = source.read(0, min(source.size, HEAD_BYTES))
    other = foreign(head, source.size) if source.size > HEAD_BYTES else None
    if other is not None and bytes(head).lstrip()[:1] not in (b"{", b"["):
        raise FormatError(f"{other.what}, not JSON", where=f"{source.name} at byte 0", remedy=other.remedy)
    if source.size > max_bytes:
        message = f"{source.size} bytes are more than the limit of {max_bytes}"
        raise FormatError(message, where=f"{source.name} at its root")
    return parse_json(source.read(0, source.size), where=source.name, max_bytes=max_bytes)


def read_text_file(source: Source, *, max_bytes: int) -> str:
    """The beginning of a text in UTF-8, or in the encoding of its byte order mark, which is left out."""
    raw = bytes(source.read(0, min(source.size, max_bytes)))
    codec = next((name for mark, name in BYTE_ORDER_MARKS.items() if raw.startswith(mark)), "UTF-8")
    return raw.decode("utf-8-sig" if codec == "UTF-8" else codec, "replace")

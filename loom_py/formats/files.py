"""Reading and atomically writing whole files, with errors that name the caller's path."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path` atomically, by a temporary file and one rename. Keeps the file's mode and follows links.

    Raises `InputError` on failure; the old content is then untouched.
    """
    temporary: Path | None = None
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
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot be read ({reason})", where=str(path)) from error

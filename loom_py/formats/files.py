"""Files written whole or not at all, with errors that name the path the caller gave."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`: another name first, then one rename. Keeps the file's mode and follows links.

    Raises `InputError` where that cannot be done; what was there before is then still there.
    """
    replace_files({path: data})


def replace_files(files: dict[str | os.PathLike[str], bytes]) -> None:
    """Several files together: all are written under other names before the first takes its place."""
    staged: list[tuple[Path, Path]] = []
    place: str | os.PathLike[str] = ""
    try:
        for place, data in files.items():
            target = Path(os.path.realpath(place))
            if target.is_dir():
                raise IsADirectoryError(None, "Is a directory", str(place))
            temporary = target.with_name(f".{target.name}.{os.getpid()}")
            staged.append((temporary, target))
            temporary.write_bytes(data)
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o7777)
        for temporary, target in staged:
            temporary.replace(target)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot be written ({reason})", where=str(place)) from error
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file; `InputError` naming it where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"cannot be read ({reason})", where=str(path)) from error

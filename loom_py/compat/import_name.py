"""Make `import welvet` give this package's `simple`, wherever the original's package is not installed.

Nothing is hidden: the finder stands behind all others, and the file that `install` writes is a module, which Python
prefers a package of the same name to. So the original's `welvet` wins wherever it is there.
"""

from __future__ import annotations

import importlib
import sys
import sysconfig
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from ..errors import InputError
from ..formats.files import replace_file

NAME = "welvet"
TARGET = "loom_py.compat.welvet"
MARK = "# Written by `python -m loom_py welvet`; `python -m loom_py welvet --remove` removes it.\n"
SOURCE = f"""{MARK}import importlib
import sys

sys.modules[__name__] = importlib.import_module("{TARGET}")
"""


class _Alias(MetaPathFinder, Loader):
    """Finds the one name and gives the module that stands for it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(NAME, self, origin=TARGET) if fullname == NAME else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(NAME)

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[NAME] = importlib.import_module(TARGET)


_alias = _Alias()


def provide() -> None:
    """Let this process `import welvet`; no effect where the original's package is installed."""
    if _alias not in sys.meta_path:
        sys.meta_path.append(_alias)


def withdraw() -> None:
    """Undo `provide`; modules that were imported stay with those who have them."""
    if _alias in sys.meta_path:
        sys.meta_path.remove(_alias)
    if sys.modules.get(NAME) is sys.modules.get(TARGET):
        sys.modules.pop(NAME, None)


def installed() -> str:
    """Where the original's package (or any other module of that name) is; "" if there is none."""
    spec = PathFinder.find_spec(NAME)
    origin = (spec.origin if spec else None) or ""
    return "" if not origin or _is_ours(Path(origin)) else origin


def place() -> Path:
    """The file that makes the name known to every program of this environment."""
    return Path(sysconfig.get_path("purelib")) / f"{NAME}.py"


def install() -> Path:
    """Write that file; the place where it is. Raises `InputError` where something else has that name."""
    file = place()
    if file.exists() and not _is_ours(file):
        raise InputError("is another module", where=str(file), remedy="Use it, or remove it first.")
    replace_file(file, SOURCE.encode())
    importlib.invalidate_caches()
    return file


def remove() -> bool:
    """Remove the file that `install` wrote; whether there was one."""
    file = place()
    if not file.is_file() or not _is_ours(file):
        return False
    file.unlink()
    importlib.invalidate_caches()
    return True


def _is_ours(file: Path) -> bool:
    try:
        return file.is_file() and file.read_text(encoding="utf-8").startswith(MARK)
    except (OSError, UnicodeDecodeError):
        return False

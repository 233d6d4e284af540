"""A wheel of LOOM has its compiled kernels: where they are not there yet, hatchling compiles them with PyPI's `zig`.

`pip install` of a clone then gives the simd device. Where no compiler is to be had the wheel is built without it, and
`loom_py` says at run time what is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ZIG = "ziglang==0.17.0"  # as in requirements.lock
NEEDS = [ZIG, "numpy>=2.0", "jinja2>=3.1"]
"""The compiler, and what importing the declarations of the kernels takes."""


class KernelsHook(BuildHookInterface[Any]):
    """See the module."""

    @property
    def _missing(self) -> bool:
        folder = Path(self.root, "loom_py/runtime/simd/bin")
        names = ("loom", "loom-relaxed", "loom-threads", "loom-relaxed-threads")
        return not all((folder / f"{name}.wasm").is_file() for name in names)

    def dependencies(self) -> list[str]:
        return NEEDS if self._missing else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._missing:
            return
        # beside what is there: pip's isolated environment is on that path
        path = os.pathsep.join(filter(None, (self.root, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "tools.simd"]
        ran = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        if ran.returncode:
            self.app.display_warning(f"The kernels could not be compiled; loom_py will run on NumPy.\n{ran.stderr}")

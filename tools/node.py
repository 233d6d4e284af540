"""Runs the build's scripts in Node."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools import console


def run(script: Path, *arguments: str | Path, failed: str) -> None:
    """Run a script with a Pyodide from node_modules. Raises `console.Failure` that begins with ``failed``."""
    command = ["node", *map(str, (script, *arguments))]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        print(ran.stderr, file=sys.stderr)
        raise console.Failure(f"{failed} (see above); delete node_modules and run the same command again.")

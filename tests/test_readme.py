"""The README's Python runs, its links have targets, and its map is correct."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_python_example() -> None:
    (code,) = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, last = re.findall(r"[\d.]+", done.stdout)
    assert float(first) > 0.25
    assert float(last) < 0.002
    assert len(code.strip().splitlines()) <= 10


def test_commands_exist() -> None:
    help_text = subprocess.run(
        [str(ROOT / "build_pyodide.sh"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in re.findall(r"build_pyodide\.sh (\w+)", TEXT):
        assert command in help_text
    usage = subprocess.run(
        [sys.executable, "-m", "loom_py", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in re.findall(r"python -m loom_py (\w+)", TEXT):
        assert command in usage


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT))))
def test_links(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"^\| `([\w/.]+)`", TEXT, re.MULTILINE))))
def test_map(name: str) -> None:
    assert (ROOT / name).exists() or list(ROOT.glob(name))

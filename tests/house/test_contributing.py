"""CONTRIBUTING.md: the files to edit exist, and are as few as promised."""

from __future__ import annotations

import ast
import re
from operator import attrgetter
from pathlib import Path

import pytest

import loom_py
from loom_py.cli import COMMANDS
from tools import paths

HERE = Path(__file__).parent
PAGE = paths.REPOSITORY / "CONTRIBUTING.md"
TESTS = {
    "activation": "An activation",
    "layer": "A layer",
    "optimiser": "An optimiser",
    "kernel": "A kernel",
    "family": "A model family",
}
PROMISED = {"An activation": 3, "A layer": 1, "An optimiser": 5, "A kernel": 6, "A model family": 1}


def listed(title: str) -> list[str]:
    """The files of one section, with their placeholders."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, title
    return re.findall(r"^- `([^`]+)`", section[1], re.MULTILINE)


def test_the_example_of_a_family_is_a_file_of_the_package() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert code == (paths.REPOSITORY / "loom_py" / "models" / "qwen3.py").read_text("utf-8")


@pytest.mark.parametrize(("title", "count"), PROMISED.items())
def test_as_few_files_as_promised(title: str, count: int) -> None:
    files = listed(title)
    assert len(files) == len(set(files)) == count


@pytest.mark.parametrize("title", [*PROMISED, "A page"])
def test_the_files_exist(title: str) -> None:
    """With one name for all placeholders: `<family>` is the same word in every file of a section."""
    files = listed(title)
    assert files
    for name in ("norm", "dense", "llama", "optimizer"):
        if all((paths.REPOSITORY / re.sub("<[a-z_]+>", name, file)).is_file() for file in files):
            return
    pytest.fail(f"{title}: not all of {', '.join(files)} exist")


def edited(path: Path) -> set[str]:
    """The files of the package that a test of adding something writes: `copy / "loom_py" / "nn" / "name.py"`."""
    files: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts: list[str] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.Constant):
            parts.insert(0, str(node.right.value))
            node = node.left
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts.insert(0, node.value)
        files.add("/".join(parts))
    return {file for file in files if re.fullmatch(r"(loom_py/[\w/]+\.py|simd/\w+\.c|wgsl/\w+\.wgsl)", file)}


@pytest.mark.parametrize("path", sorted(HERE.glob("test_add_*.py")), ids=lambda path: path.stem)
def test_the_lists_are_those_that_the_tests_of_adding_go_by(path: Path) -> None:
    files = sorted(listed(TESTS[path.stem.removeprefix("test_add_")]))
    patterns = [re.sub("<[a-z_]+>", r"\\w+", file) for file in files]
    written = sorted(edited(path))
    assert len(written) == len(files), written
    assert all(any(re.fullmatch(pattern, file) for file in written) for pattern in patterns), written


def test_commands_and_generators_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    usage = (paths.REPOSITORY / "build_pyodide.sh").read_text(encoding="utf-8")
    for command in re.findall(r"^\./build_pyodide\.sh (\w+)", text, re.MULTILINE):
        assert re.search(rf"^    {command}\) ", usage, re.MULTILINE), command
    for module in re.findall(r"python -m tools\.(\w+)", text):
        assert (paths.REPOSITORY / "tools" / f"{module}.py").is_file(), module


def test_the_pre_commit_hook_is_the_check_command() -> None:
    hook = (paths.REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.search(r"^ +entry: \./build_pyodide\.sh check$", hook, re.MULTILINE)


def test_reports_ask_for_what_exists() -> None:
    templates = sorted((paths.REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in templates)
    declarations = (paths.REPOSITORY / "web" / "loom.d.ts").read_text(encoding="utf-8")
    assert len(templates) == 4
    for name in re.findall(r"`session\.(\w+)", text):
        assert re.search(rf"\b{name}\b", declarations), name
    for name in re.findall(r"`loom_py\.([\w.]+)\(\)", text):
        assert callable(attrgetter(name)(loom_py)), name
    for command in re.findall(r"python -m loom_py (\w+)", text):
        assert command in COMMANDS

"""CONTRIBUTING.md: the files that one has to edit exist, and are as few as promised."""

from __future__ import annotations

import re

import pytest

from tools import paths

PAGE = paths.REPOSITORY / "CONTRIBUTING.md"
PROMISED = {"An activation": 3, "A layer": 1, "An optimiser": 5, "A kernel": 6, "A model family": 1}


def listed(title: str) -> list[str]:
    """The files of one section, with their placeholders."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.search(rf"^### {re.escape(title)}\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, title
    return re.findall(r"^- `([^`]+)`", section[1], re.MULTILINE)


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


def test_commands_and_generators_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    usage = (paths.REPOSITORY / "build_pyodide.sh").read_text(encoding="utf-8")
    for command in re.findall(r"^\./build_pyodide\.sh (\w+)", text, re.MULTILINE):
        assert re.search(rf"^    {command}\) ", usage, re.MULTILINE), command
    for module in re.findall(r"python -m tools\.(\w+)", text):
        assert (paths.REPOSITORY / "tools" / f"{module}.py").is_file(), module

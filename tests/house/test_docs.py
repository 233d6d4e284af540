"""The documents name files that exist, and link to pages that do."""

from __future__ import annotations

import importlib
import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tools import paths

ROOT = paths.REPOSITORY
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if page.is_file()]
SOURCE = (".py", ".js", ".mjs", ".c", ".h", ".def", ".wgsl", ".sh", ".jinja", ".md", ".toml")
MADE_LATER = ("dist/", "node_modules/", "build/", "models/")  # by the build, by the user
EXAMPLES = {"app.js"}  # names of files that a reader might write
# Files that the pages name and that will move there.
PENDING: set[str] = set()


@cache
def names() -> set[str]:
    """Every file name in the repository."""
    folders = ("bench", "docs", "examples", "loom_py", "simd", "tests", "tools", "web", "wgsl", ".github", ".ci")
    files = [p for folder in folders for p in (ROOT / folder).rglob("*") if "node_modules" not in p.parts]
    return {p.name for p in (*files, *ROOT.iterdir())}


def mentioned(page: Path) -> set[str]:
    """Paths and source files in backticks, outside of code blocks."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", text)
    return {s for s in spans if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", s) and ("/" in s or s.endswith(SOURCE))}


def exists(name: str) -> bool:
    """A path from the root, from the package, from web/ or from runtime/; or a bare file name anywhere."""
    if name.startswith(MADE_LATER) or name in EXAMPLES:
        return True
    if "/" not in name:
        return name in names() or any(fnmatch(path, name) for path in names())
    bases = (ROOT, ROOT / "loom_py", ROOT / "loom_py" / "runtime", ROOT / "web")
    return any(any(base.glob(name.rstrip("/"))) for base in bases)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    tops = {p.name for base in (ROOT, ROOT / "loom_py", ROOT / "web") for p in base.iterdir() if p.is_dir()} | {
        "runtime"
    }
    paths_of_ours = {m for m in mentioned(page) if "/" not in m or m.split("/")[0] in tops}
    missing = {name for name in paths_of_ours if not exists(name)} - PENDING
    assert not missing, missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = {link for link in links if not (page.parent / link).exists()}
    assert not missing, missing


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=lambda page: page.name)
def test_dotted_names_that_a_page_mentions_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    dotted = set(re.findall(r"(?<![\w./-])loom_py(?:\.[A-Za-z]\w*)+", text))
    missing = {name for name in dotted if not resolves(name)}
    assert not missing, missing


def resolves(name: str) -> bool:
    """Whether a dotted name is a module or a member of one."""
    parts = name.split(".")
    value: object = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], start=2):
        if not hasattr(value, part):
            try:
                importlib.import_module(".".join(parts[:i]))
            except ModuleNotFoundError:
                return False
        value = getattr(value, part)
    return True


def test_missing_files_and_names_are_detected() -> None:
    assert "loom_py/nn/grid.py" in mentioned(ROOT / "docs" / "architecture.md")
    assert not exists("loom_py/nn/no_such_layer.py")
    assert not exists("no_such_file.py")
    assert resolves("loom_py.nn.grid.Grid")
    assert not resolves("loom_py.nn.grid.NoSuchGrid")

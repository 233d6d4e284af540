"""The version is written in `loom_py/version.py`; everything else either reads it there or is held to it here."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

import loom_py
from tools import paths

VERSION = loom_py.__version__


def read(name: str) -> str:
    return (paths.REPOSITORY / name).read_text(encoding="utf-8")


def test_the_wheel_reads_it() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "loom_py/version.py"


def test_the_npm_package_has_the_same() -> None:
    lock = json.loads(read("package-lock.json"))
    assert {json.loads(read("package.json"))["version"], lock["version"], lock["packages"][""]["version"]} == {VERSION}


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in (paths.REPOSITORY / "docs").glob("*.md"))])
def test_pages_name_the_wheel_of_this_version(page: str) -> None:
    assert set(re.findall(r"loom_py-(\d[\w.]*)-py3", read(page))) <= {VERSION}


def test_the_changelog_has_a_section_for_it() -> None:
    versions = re.findall(r"^## \[([^]]+)\](?: - \d{4}-\d\d-\d\d)?$", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert VERSION in versions

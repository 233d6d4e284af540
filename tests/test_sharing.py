"""Runs of pytest that share files: each file runs once, in one of them, and what fixtures need stays in order."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .conftest import ROOT

CONFTEST = "from tests.conftest import pytest_addoption, pytest_configure\n"
TESTS = """
import pytest

@pytest.fixture(scope="module", autouse=True)
def whole():
    yield

@pytest.mark.parametrize("number", range(3))
def test_one(number, log):
    log(__name__)
"""
FIXTURES = """
import os
from pathlib import Path

import pytest

@pytest.fixture(scope="package")
def log():
    def write(name):
        with open(os.environ["SHARING_LOG"], "a") as file:
            file.write(name + "\\n")
    yield write
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Four files in two packages, which pass with the fixtures of their own package."""
    for folder in ("one", "two"):
        (tmp_path / "project" / folder).mkdir(parents=True)
        (tmp_path / "project" / folder / "__init__.py").touch()
        (tmp_path / "project" / folder / "conftest.py").write_text(FIXTURES)
        for name in ("a", "b"):
            (tmp_path / "project" / folder / f"test_{name}.py").write_text(TESTS)
    (tmp_path / "project" / "conftest.py").write_text(CONFTEST)
    (tmp_path / "project" / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "share").mkdir()
    return tmp_path / "project"


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--share=../share", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "SHARING_LOG": str(project / "log"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True)


def test_each_file_runs_once(project: Path) -> None:
    runs = [start(project) for _ in range(3)]
    outputs = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    names = Counter((project / "log").read_text().split())
    assert names == {f"{folder}.test_{name}": 3 for folder in ("one", "two") for name in ("a", "b")}


def test_files_in_between_may_be_anothers(project: Path) -> None:
    """Fixtures of a package end with its last file of this run, wherever that is."""
    for claimed in ("one-test_b.py", "two-test_a.py"):
        (project.parent / "share" / claimed).touch()
    run = start(project)
    output, _ = run.communicate()
    assert run.returncode == 0, output
    assert (project / "log").read_text().split() == ["one.test_a"] * 3 + ["two.test_b"] * 3


def test_a_failure_counts_and_stops_where_it_should(project: Path) -> None:
    (project / "one" / "test_a.py").write_text("def test_one(): assert False\n")
    run = start(project, "-x")
    output, _ = run.communicate()
    assert run.returncode != 0
    assert "1 failed" in output
    assert not (project / "log").exists()

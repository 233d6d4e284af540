"""Fixtures of the format tests: the real model's file, and a small model's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loom_py.formats.source import FileSource
from tools import paths

from .tiny_gguf import TinyGGUF, write_tiny_gguf


@pytest.fixture(scope="session")
def real_gguf() -> Path:
    """SmolLM2-135M-Instruct Q4_1, from LOOM_TEST_GGUF, models/, the site or the download cache."""
    named = os.environ.get("LOOM_TEST_GGUF")
    if named:
        return Path(named)
    for folder in (paths.REPOSITORY / "models", paths.REPOSITORY / "dist" / "models", paths.cache("models")):
        for path in sorted(folder.glob("**/SmolLM2-135M-Instruct*Q4_1.gguf")):
            return path
    pytest.skip("the SmolLM2 GGUF file is not at hand: ./build_pyodide.sh build fetches it")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyGGUF:
    """A small Llama with an untied head, Q8_0 matrices and a byte-level tokenizer."""
    return write_tiny_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture
def open_file() -> Iterator[Callable[[Path], FileSource]]:
    """Opens files that are closed after the test."""
    sources: list[FileSource] = []

    def opened(path: Path) -> FileSource:
        sources.append(FileSource(path))
        return sources[-1]

    yield opened
    for source in sources:
        source.close()

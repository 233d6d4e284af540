"""docs/seeds.md is up to date, names what exists, and leaves out nothing that the documents have."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.seed_blocks import blocks
from tools import make_seeds, paths
from tools.seed_item import Item
from tools.seed_items import DOCUMENTS
from tools.seed_readme import README
from tools.seed_wasm import WASM

ITEMS = [item for items in DOCUMENTS.values() for item in items]
BEGINNINGS = {"# LOOM - Layered": README, "# LOOM WASM Module": WASM}


def documents() -> list[Path]:
    """The original's documents, which lie beside the repository on some machines."""
    folders = (folder / "shared" / "seeds" for folder in paths.REPOSITORY.parents)
    return sorted(file for folder in folders if folder.is_dir() for file in folder.glob("*.txt"))


def outline(text: str) -> list[tuple[str, list[str]]]:
    """Headings in order, without pictograms, each with the languages of its code blocks."""
    headings: list[tuple[str, list[str]]] = []
    for match in re.finditer(r"^```(\w*)\n.*?^```$|^#+ ([^\n]+)$", text, re.MULTILINE | re.DOTALL):
        language, title = match.groups()
        if title is not None:
            headings.append((re.sub(r"[^\x20-\x7e]+", "", title).strip(), []))
        elif headings:
            headings[-1][1].append(language or "text")
    return headings


@pytest.mark.skipif(not documents(), reason="the original's documents are not on this machine")
def test_every_heading_and_block_has_a_row() -> None:
    seen = []
    for file in documents():
        text = file.read_text(encoding="utf-8")
        items = next(items for start, items in BEGINNINGS.items() if text.startswith(start))
        assert outline(text) == [(item.heading, item.blocks.split()) for item in items]
        seen.append(items)
    assert len(seen) == len(BEGINNINGS)


@pytest.mark.parametrize(("document", "items"), [("readme", README), ("wasm", WASM)])
def test_every_block_kept_for_the_tests_has_a_row(document: str, items: tuple[Item, ...]) -> None:
    """The blocks that this repository runs, always: a heading with that many blocks of that language."""
    listed = [(item.heading, language) for item in items for language in item.blocks.split()]
    for block in blocks(document):
        heading = re.sub(r" \(\d+\)$", "", block.name.split(": ", 1)[1])
        assert (re.sub(r"[^\x20-\x7e]+", "", heading).strip(), block.language) in listed


def test_the_page_is_up_to_date() -> None:
    page = make_seeds.PAGE.read_text(encoding="utf-8")
    assert page == make_seeds.text(), "run python -m tools.make_seeds"


@cache
def functions(path: Path) -> set[str]:
    return {n.name for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)}


@pytest.mark.parametrize("test", sorted({item.test for item in ITEMS if item.test}))
def test_the_tests_exist(test: str) -> None:
    file, _, function = test.partition("::")
    assert not function or function in functions(paths.REPOSITORY / file)
    assert (paths.REPOSITORY / file).is_file()


def test_the_places_exist_and_reasons_are_given() -> None:
    root = paths.REPOSITORY
    for item in ITEMS:
        assert item.where, item.heading
        for name in re.findall(r"`([\w./-]+/[\w./-]*|[\w-]+\.(?:html|md|sh))`", item.where):
            bases = (root, root / "web" / "demos")
            assert any((base / name.removeprefix("./")).exists() for base in bases), f"{item.heading}: {name}"
        if not item.test:
            assert item.where.startswith(
                ("not here", "the headings below", "nothing to hold", "none of", "`LICENSE`", "[")
            )

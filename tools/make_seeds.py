"""Writes docs/seeds.md: every heading and code block of the original's documents, where it is, and its test.

`python -m tools.make_seeds` writes it from the list in `tools/seed_items.py`.
"""

from __future__ import annotations

import sys

from tools import console, files, paths
from tools.seed_item import Item
from tools.seed_items import DOCUMENTS

PAGE = paths.REPOSITORY / "docs" / "seeds.md"
HEAD = """# The original's documents, item by item

Every heading of the original's README and of its WASM README with the code blocks under it, where that is here, and the
test that fails when it is gone. Differences have their reasons in [compatibility.md](compatibility.md). This page is
written by `python -m tools.make_seeds` from `tools/seed_items.py`.
"""


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def row(item: Item) -> str:
    test = f"`{item.test}`" if item.test else "–"
    return f"| {cell(item.heading)} | {item.blocks.replace(' ', ', ')} | {cell(item.where)} | {test} |"


def text() -> str:
    """The page as it should be."""
    parts = [HEAD]
    for name, items in DOCUMENTS.items():
        parts.append(f"\n## {name}\n\n| heading | code | where | test |\n|---|---|---|---|")
        parts += [row(item) for item in items]
    return "\n".join(parts) + "\n"


def main() -> None:
    files.write_text(PAGE, text())
    console.detail(f"{PAGE.relative_to(paths.REPOSITORY)}: {sum(map(len, DOCUMENTS.values()))} headings")


if __name__ == "__main__":
    sys.exit(console.run(main))

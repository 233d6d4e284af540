"""One heading of the original's documents, and words that many of them share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One heading.

    **Arguments:**

    - `heading`: as in the document, without pictograms.
    - `blocks`: languages of its code blocks, in order; `text` for a block without one.
    - `where`: files and names here, in Markdown; a reason where there is nothing.
    - `test`: `path::function` of a test that fails when it is gone; "" for what no test can hold.
    """

    heading: str
    blocks: str
    where: str
    test: str = ""


GO = "not here: the original's shared library in Go; the same calls are in Python and JavaScript"
OTHER = "not here: the original's .NET package"
SNIPPETS = "tests/browser/test_seed_snippets.py::test_block"
PYTHON = "tests/test_seed_python.py::"
TROUBLE = "tests/trouble/test_seeds.py::"
PAGE = "tests/trouble/test_seeds_page.py::"
EXAMPLES = "tests/test_examples.py::"
DEMOS = "tests/browser/test_demo_pages.py::"

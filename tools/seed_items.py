"""What the original's two documents have, heading by heading, in their order.

`python -m tools.make_seeds` writes docs/seeds.md from this; a test compares it with the documents, where they are, and
with the files and tests that it names.
"""

from __future__ import annotations

from tools.seed_item import Item
from tools.seed_readme import README
from tools.seed_wasm import WASM

DOCUMENTS: dict[str, tuple[Item, ...]] = {"README": README, "WASM README": WASM}

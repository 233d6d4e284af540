"""The code blocks of the original's two documents, in order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "seeds"


@dataclass(frozen=True)
class Block:
    """`name` is "document: heading", with a number when the heading is repeated."""

    name: str
    language: str
    code: str


def blocks(document: str, *languages: str) -> list[Block]:
    """All blocks of `readme` or `wasm` in the given languages (in any, without)."""
    text = (FOLDER / f"{document}.md").read_text(encoding="utf-8")
    seen: Counter[str] = Counter()
    result: list[Block] = []
    heading = ""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$|^#+ ([^\n]+)$", text, re.MULTILINE | re.DOTALL):
        language, code, title = match.groups()
        if title:
            heading = title
            continue
        key = f"{language} {heading}"
        seen[key] += 1
        number = f" ({seen[key]})" if seen[key] > 1 else ""
        result.append(Block(f"{document}: {heading}{number}", language, code))
    return [block for block in result if not languages or block.language in languages]

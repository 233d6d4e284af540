"""Random texts through a tokenizer of every kind, ours beside `tokenizers`: ids, pairs, types, decoded text."""

from __future__ import annotations

import json
import random
from functools import cache

from ..text.oracle import BORDER, NASTY_STRINGS, Pair, smollm2
from ..text.test_tokenizer_fixtures import JSON, unpacked

KINDS = ("byte-level-bpe", *JSON)
"""A byte-level BPE, and those whose expected ids are kept with the tests."""
_RANGES = (
    (0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x900, 0xE80), (0x1E00, 0x2100),
    (0x3040, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0x1F300, 0x1FAFF), (0, 0xD800), (0xE000, 0x110000),
)  # fmt: skip


@cache
def _pair(kind: str) -> Pair:
    return smollm2() if kind == KINDS[0] else Pair(json.loads(unpacked(f"{kind}.json")))


def _text(rng: random.Random) -> str:
    """A few words, snippets from the borders of some rule, and characters of any script."""
    parts: list[str] = []
    for _ in range(rng.randrange(1, 12)):
        source = rng.randrange(4)
        if source == 0:
            parts.append(rng.choice(BORDER))
        elif source == 1:
            nasty = rng.choice(NASTY_STRINGS)
            start = rng.randrange(len(nasty) + 1)
            parts.append(nasty[start : start + rng.randrange(1, 20)])
        else:
            low, high = rng.choice(_RANGES)
            parts.append("".join(chr(rng.randrange(low, high)) for _ in range(rng.randrange(1, 8))))
        parts.append(rng.choice(("", "", " ")))
    return "".join(parts)


def attempt(seed: int, number: int) -> str:
    """One text and one pair, for the kind that the number falls to; `equal`, or what differs."""
    rng = random.Random(f"{seed}.{number}")
    kind = KINDS[number % len(KINDS)]
    text, other = _text(rng), _text(rng)
    try:
        _pair(kind).check(text)
        _pair(kind).check_pair(text, other)
    except Exception as error:
        return f"{kind}: {type(error).__name__} with {text!r} and {other!r}: {error}"
    return "equal"

"""Finding tokens in linear time: against a plain search, and by its cost."""

from __future__ import annotations

import random
from typing import Any

import pytest

from loom_py.text.long_tokens import LongTokens

from ..cost import check_cost


def spans(tokens: LongTokens, *search: Any) -> list[tuple[int, int]]:
    """The matches; empty ones say only that the search goes on."""
    return [(start, end) for start, end in tokens.find(*search) if start < end]


def plainly(contents: list[str], text: str, at: int, end: int) -> list[tuple[int, int]]:
    """Leftmost, then longest, place by place."""
    spans: list[tuple[int, int]] = []
    while at < end:
        length = max((len(c) for c in contents if text.startswith(c, at) and at + len(c) <= end), default=0)
        if length:
            spans.append((at, at + length))
        at += length or 1
    return spans


@pytest.mark.parametrize("seed", range(60))
def test_it_finds_what_a_plain_search_finds(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loom_py.text.long_tokens._BLOCK", 16)
    rng = random.Random(seed)
    letters = "ab" if seed % 2 else "abß𝄞"
    contents = list({"".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(rng.randint(1, 12))})
    tokens = LongTokens(contents)
    for _ in range(8):
        text = "".join(rng.choices(letters + "x", k=rng.randint(0, 90)))
        at, end = rng.randint(0, len(text)), rng.choice([10**9, rng.randint(0, len(text))])
        assert spans(tokens, text, at, end) == plainly(contents, text, at, min(end, len(text)))
        assert next(iter(spans(tokens, text, at)), None) == next(iter(plainly(contents, text, at, len(text))), None)


# Found by attack: one very long token among many, in a text that is almost that token, over and over.
@pytest.mark.parametrize(
    "contents", [["a" * 4000 + "b"], ["a" * 4000 + "b", "a"], ["a" * i + "b" for i in range(1, 300)]]
)
def test_a_text_that_is_almost_a_long_token_costs_a_step_a_character(contents: list[str]) -> None:
    tokens = LongTokens(contents)
    matches = check_cost(2, lambda: spans(tokens, "a" * 60_000))
    assert matches == ([(i, i + 1) for i in range(60_000)] if "a" in contents else [])

"""Bounds on cost: 10 kB of text take less than two seconds and little memory, whatever the tokenizer file says."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.errors import TokenizerError
from loom_py.text.added_tokens import _TokenTrie
from loom_py.text.regex import Regex
from loom_py.text.regex_syntax import PatternError
from loom_py.text.tokenizer import Tokenizer

from ..cost import check_cost
from .oracle import Pair
from .test_tokenizer_hostile import small


def added(content: str, token_id: int, **flags: bool) -> dict[str, Any]:
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"id": token_id, "content": content, **dict.fromkeys(names, False), **flags}


def replacing(*steps: tuple[Any, str]) -> Tokenizer:
    """A tokenizer whose normaliser replaces a number of times."""
    document = small()
    document["added_tokens"] = []
    document["post_processor"] = None
    document["normalizer"] = {
        "type": "Sequence",
        "normalizers": [{"type": "Replace", "pattern": pattern, "content": content} for pattern, content in steps],
    }
    return Tokenizer.from_json(document)


@pytest.mark.parametrize("pattern", ["a*a*b", r"\s*\s*x", "(?:a*a+)b", "a+(?:a*b|c)", r"(\w*\p{L}*)!", "a*?a*?b"])
def test_two_repeats_that_are_retried_together_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError, match="take forever"):
        Regex(pattern)


@pytest.mark.parametrize("pattern", [r"\s*[\r\n]+", r"\s+(?!\S)", "a*b", r"[A-Za]*[a-z]+(?:'s|'t)?", "a*a*", "a*+a*b"])
def test_one_repeat_that_is_retried_is_fine(pattern: str) -> None:
    regex = Regex(pattern)
    check_cost(6, lambda: [list(regex.spans(text)) for text in ("a" * 10_000, " " * 10_000, "aA" * 5_000)])


@pytest.mark.parametrize(
    "steps",
    [
        [({"String": "a"}, "aa")] * 26,
        [({"Regex": "a"}, "aa")] * 26,
        [({"String": "a"}, "b" * 1_000_000)],
        [({"Regex": "a|b"}, "b" * 1_000_000)],
        [({"Regex": ""}, "b" * 100_000)],
    ],
)
def test_normalisers_cannot_blow_a_text_up(steps: list[tuple[Any, str]]) -> None:
    tokenizer = replacing(*steps)
    tracemalloc.start()
    try:
        with pytest.raises(TokenizerError, match="makes a text many times as long"):
            tokenizer.encode("a" * 10_000)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert tokenizer.encode("") == []


def test_a_normaliser_may_lengthen_a_text() -> None:
    assert replacing(({"String": " "}, "the")).encode(" " * 500) == replacing().encode("the" * 500)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("right", [False, True])
def test_a_space_that_strips_takes_linear_time(left: bool, right: bool) -> None:
    document = small()
    document["added_tokens"].append(added(" ", len(document["model"]["vocab"]) + 1, lstrip=left, rstrip=right))
    pair = Pair(document)
    for text in ("the  the", " " * 20, " the" * 9 + "  ", " <new> ", "   the \t\n  "):
        pair.check(text)
    check_cost(4, lambda: [pair.ours.encode(text) for text in (" " * 10_000, "the " * 2_500)])


def test_a_hundred_thousand_added_tokens() -> None:
    document = small()
    base = len(document["model"]["vocab"]) + 1
    document["added_tokens"] += [added(f"<|extra_{i}|>", base + i) for i in range(99_990)]
    text = "the<|extra_7|>the<|extra_77777|>" * 100
    # 17 s for the pattern alone when it was a regex
    ids = check_cost(10, lambda: Tokenizer.from_json(document).encode(text, add_special_tokens=False))
    assert ids[1::2] == [base + 7, base + 77_777] * 100


@settings(max_examples=200)
@given(st.sets(st.text("ab ", min_size=1, max_size=4), min_size=1, max_size=12), st.text("abc ", max_size=30))
def test_the_trie_matches_like_a_regex(contents: set[str], text: str) -> None:
    pattern = re.compile("|".join(map(re.escape, sorted(contents, key=len, reverse=True))))
    assert [span for span in _TokenTrie(contents).find(text) if span[0] < span[1]] == [
        match.span() for match in pattern.finditer(text)
    ]

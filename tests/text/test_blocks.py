"""Texts cut into blocks have the ids of texts in one piece, wherever the cuts fall; and no step is long."""

from __future__ import annotations

import importlib
import pkgutil
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

import loom_py.text
from loom_py.text.tokenizer import Tokenizer

from . import test_tokenizer_models, test_tokenizer_trained
from .oracle import NASTY_STRINGS, Pair, smollm2
from .test_sentencepiece import SWITCHES, kept, kept_models, tokenizer_of
from .test_tokenizer_hostile import small

SIZES = {"BLOCK": 5, "TURNS": 3, "_TURNS": 3, "_STEP": 3, "_BLOCK": 4, "LONG": 7, "PIECES": 2}
PAIRS: dict[str, Callable[[], Pair]] = {
    "smollm2": smollm2,
    **{f"models: {name}": lambda name=name: test_tokenizer_models.build(name) for name in test_tokenizer_models.BUILDS},
    **{
        f"trained: {name}": lambda name=name: test_tokenizer_trained.build(name, True)
        for name in test_tokenizer_trained.BUILDS
    },
}


def resize(monkeypatch: pytest.MonkeyPatch, sizes: Callable[[str, int], int]) -> None:
    for module in pkgutil.iter_modules(loom_py.text.__path__):
        loaded = importlib.import_module(f"loom_py.text.{module.name}")
        for name in SIZES.keys() & vars(loaded).keys():
            monkeypatch.setattr(loaded, name, sizes(name, vars(loaded)[name]))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few characters."""
    resize(monkeypatch, lambda name, size: SIZES[name])


@pytest.fixture
def blocks_of_a_sixteenth(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many steps in a text that one of them is a small part of the work, on a slow machine too."""
    resize(monkeypatch, lambda name, size: size // 16)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", PAIRS)
def test_cuts_change_nothing(name: str) -> None:
    pair = PAIRS[name]()
    pair.ours = Tokenizer.from_json(pair.document)  # without the words that it has cached
    rng = random.Random(name)
    for text in [*NASTY_STRINGS, *("".join(rng.choices(NASTY_STRINGS, k=4)) for _ in range(60))]:
        for special in (True, False):
            assert pair.ours.encode(text, special) == pair.theirs.encode(text, add_special_tokens=special).ids, text


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", SWITCHES)
def test_cuts_change_nothing_in_sentencepiece(name: str) -> None:
    tokenizer = tokenizer_of(kept(name))
    for row in kept_models()[name]["rows"]:
        assert tokenizer.encode(row["text"]) == row["plain"], row["text"]


SPLIT = {"type": "Split", "pattern": {"Regex": r"\s+(?!\S)|\S+|\s"}, "invert": False}
PARTS: dict[str, dict[str, Any]] = {
    "bytes": {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}},
    "one word": {"pre_tokenizer": None, "normalizer": None},
    "form": {"normalizer": {"type": "NFKD"}},
    "accents": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}},
    "replace": {"normalizer": {"type": "Replace", "pattern": {"Regex": "[aeo]h?"}, "content": ""}},
    "strip": {"normalizer": {"type": "Strip", "strip_left": True, "strip_right": True}},
    "removed": {"pre_tokenizer": SPLIT | {"behavior": "Removed"}},
    "merged": {"pre_tokenizer": SPLIT | {"behavior": "MergedWithNext"}},
    "contiguous": {"pre_tokenizer": SPLIT | {"behavior": "Contiguous"}},
    "scripts": {"pre_tokenizer": {"type": "UnicodeScripts"}},
    "lengths": {"pre_tokenizer": {"type": "FixedLength", "length": 1}},
    "added": {"added_tokens": [{"id": 60, "content": "<<<b>>>", "special": True, "normalized": False}]},
}  # fmt: skip
LONG = {
    "words": "the cat sat ",
    "accents": "thé ca\u0301t ",
    "no space": "世界你好",
    "spaces": " ",
    "angles": "<",
    "letters": "a",
}


# Measured in a worker: a stop waited 560 ms while a text of 12 MB was split into words, in one call.
@pytest.mark.usefixtures("blocks_of_a_sixteenth")
@pytest.mark.parametrize("text", LONG)
@pytest.mark.parametrize("name", PARTS)
def test_no_step_is_long(name: str, text: str) -> None:
    parts = {"post_processor": None, "added_tokens": []} | PARTS[name]
    parts["added_tokens"] = [
        {"single_word": False, "lstrip": False, "rstrip": False} | token for token in parts["added_tokens"]
    ]
    tokenizer = Tokenizer.from_json(small() | parts)
    check_no_step_is_long(tokenizer, LONG[text] * (400_000 // len(LONG[text])))


def check_no_step_is_long(tokenizer: Tokenizer, text: str) -> None:
    measured: list[tuple[float, float]] = []
    for _ in range(3):
        seconds, share = _longest_step(tokenizer, text)
        if share < 0.2 or seconds < 0.02:
            return
        measured.append((seconds, share))
    raise AssertionError(measured)


def _longest_step(tokenizer: Tokenizer, text: str) -> tuple[float, float]:
    """Seconds of the longest step, and their share of all."""
    steps = tokenizer.encode_steps(text)
    took: list[float] = []
    while True:
        started = time.process_time()
        try:
            next(steps)
        except StopIteration:
            return max(took), max(took) / (sum(took) + time.process_time() - started)
        took.append(time.process_time() - started)

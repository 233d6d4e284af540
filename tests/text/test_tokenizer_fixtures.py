"""Tokenizers of every kind against what `tokenizers` and SentencePiece gave for the same texts, kept with the tests."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from loom_py.text.tokenizer import Tokenizer

from .oracle import DATA

FIXTURES = DATA / "tokenizers"
JSON = ("bpe-byte-fallback", "unigram", "unigram-precompiled", "wordpiece-cased", "wordpiece-uncased")
PAIR = "second part"


def unpacked(name: str) -> bytes:
    return gzip.decompress((FIXTURES / f"{name}.gz").read_bytes())


def expected(name: str) -> list[dict[str, Any]]:
    rows = json.loads(unpacked(f"{name}.expected.json"))
    assert len(rows) == 64
    return rows


@pytest.mark.parametrize("name", JSON)
def test_tokenizer_json(name: str) -> None:
    tokenizer = Tokenizer.from_json(unpacked(f"{name}.json"))
    for row in expected(name):
        text = row["text"]
        pair = tokenizer.encode_pair(text, PAIR)
        results = {
            "text": text,
            "ids": tokenizer.encode(text),
            "plain": tokenizer.encode(text, add_special_tokens=False),
            "pair_ids": pair.ids,
            "pair_types": pair.type_ids,
            "decoded": tokenizer.decode(row["ids"]),
            "decoded_keep": tokenizer.decode(row["ids"], skip_special_tokens=False),
        }
        assert results == row

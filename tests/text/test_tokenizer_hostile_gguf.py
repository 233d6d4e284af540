"""Corrupt and hostile tokenizer metadata of GGUF files."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.errors import TokenizerError
from loom_py.text.tokenizer import Tokenizer

from .oracle import SURROGATE_FREE
from .test_tokenizer_hostile import DELETE, VALUES, edit, small


def metadata() -> dict[str, Any]:
    vocab = small()["model"]["vocab"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": list(vocab),
        "tokenizer.ggml.merges": ["t h", "th e", "Ġ the"],
        "tokenizer.ggml.token_type": [1] * (len(vocab) - 2) + [3, 2],
        "tokenizer.ggml.bos_token_id": vocab["<s>"],
        "tokenizer.ggml.eos_token_id": vocab["<s>"],
        "tokenizer.ggml.add_bos_token": True,
    }


GGUF_CASES: list[tuple[str, Any, str]] = [
    ("model", DELETE, "model"),
    ("model", "rwkv", "model"),
    ("model", 3, "model"),
    ("pre", "no-such", "pre"),
    ("pre", ["gpt-2"], "pre"),
    ("tokens", DELETE, "tokens"),
    ("tokens", "abc", "tokens"),
    ("tokens", [], "tokens"),
    ("tokens", ["a", 1], "tokens[1]"),
    ("tokens", ["a", b"b"], "tokens[1]"),
    ("tokens", ["a", "b", "a"], "tokens[0]"),
    ("tokens", np.arange(4), "tokens[0]"),
    ("merges", DELETE, "merges"),
    ("merges", ["t h", "th"], "merges[1]"),
    ("merges", ["t h", " "], "merges[1]"),
    ("merges", ["t h", ""], "merges[1]"),
    ("merges", ["t h", "t h e"], "merges[1]"),
    ("merges", ["t h", "th q\u2603"], "merges[1]"),
    ("merges", [["t", "h"]], "merges[0]"),
    ("merges", 5, "merges"),
    ("token_type", [1], "token_type"),
    ("token_type", "1" * 261, "token_type"),
    ("token_type", [9] * 261, "token_type[0]"),
    ("token_type", [float("nan")] * 261, "token_type[0]"),
    ("bos_token_id", 261, "bos_token_id"),
    ("bos_token_id", -1, "bos_token_id"),
    ("bos_token_id", "1", "bos_token_id"),
    ("bos_token_id", True, "bos_token_id"),
    ("bos_token_id", 1.5, "bos_token_id"),
    ("bos_token_id", DELETE, "bos_token_id"),
    ("add_bos_token", "yes", "add_bos_token"),
    ("add_bos_token", 7, "add_bos_token"),
    ("add_bos_token", np.ones(3), "add_bos_token"),
    ("add_eos_token", None, "add_eos_token"),
]


@pytest.mark.parametrize(("key", "value", "place"), GGUF_CASES)
def test_wrong_metadata_names_its_key(key: str, value: Any, place: str) -> None:
    entries = metadata()
    edit(entries, [f"tokenizer.ggml.{key}"], value)
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_gguf(entries, "file.gguf")
    assert caught.value.where == f"file.gguf: tokenizer.ggml.{place}"
    assert caught.value.remedy


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_metadata_that_is_no_mapping(value: Any) -> None:
    with pytest.raises(TokenizerError):
        Tokenizer.from_gguf(value)


def test_metadata_as_numpy_and_with_beginning() -> None:
    entries = metadata()
    entries["tokenizer.ggml.token_type"] = np.array(entries["tokenizer.ggml.token_type"], np.int32)
    entries["tokenizer.ggml.bos_token_id"] = np.uint32(entries["tokenizer.ggml.bos_token_id"])
    entries["tokenizer.ggml.add_bos_token"] = np.bool_(True)
    tokenizer = Tokenizer.from_gguf(entries)
    assert tokenizer.encode("the") == [259, 257]
    assert tokenizer.encode("the", add_special_tokens=False) == [257]
    assert tokenizer.decode([259, 257]) == "the"


KEYS = [key.removeprefix("tokenizer.ggml.") for key in metadata()]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=3), st.text(SURROGATE_FREE, max_size=8))
def test_mutated_metadata(changes: list[tuple[str, Any]], text: str) -> None:
    entries = metadata()
    for key, value in changes:
        entries[f"tokenizer.ggml.{key}"] = value
    with contextlib.suppress(TokenizerError):
        Tokenizer.from_gguf(entries).encode(text)

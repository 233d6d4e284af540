"""Corrupt and hostile definitions of the models other than BPE and of the parts that go with them."""

from __future__ import annotations

import base64
import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.text.charsmap import Charsmap
from loom_py.text.tokenizer import Tokenizer
from tools.charsmap import charsmap

from .oracle import SURROGATE_FREE
from .test_tokenizer_hostile import DELETE, TYPES, VALUES, check_refusal, edit, leaves, try_out

MAP = charsmap({"a": "b", "é": "e\u0301", "ab": ""})
UNIGRAM: dict[str, Any] = {
    "version": "1.0",
    "truncation": {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0},
    "padding": {
        "strategy": {"Fixed": 8}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "<unk>",
    },
    "added_tokens": [],
    "normalizer": {
        "type": "Sequence",
        "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(MAP).decode()},
            {"type": "Nmt"},
        ],
    },
    "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True},
    "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 2], "trim_offsets": True},
    "decoder": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True},
    "model": {
        "type": "Unigram",
        "unk_id": 0,
        "byte_fallback": False,
        "vocab": [["<unk>", 0.0], ["</s>", 0.0], ["<s>", 0.0], ["▁", -2.5], ["a", -3], ["▁the", -4.0], ["b", -5.0]],
    },
}  # fmt: skip
WORDPIECE: dict[str, Any] = {
    **UNIGRAM,
    "normalizer": {
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "model": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": {"[UNK]": 0, "a": 1, "##a": 2, "the": 3, "b": 4},
    },
}  # fmt: skip
WORD_LEVEL: dict[str, Any] = {
    **WORDPIECE,
    "pre_tokenizer": {"type": "UnicodeScripts"},
    "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "a": 1, "the": 2}},
}
DOCUMENTS = {"Unigram": UNIGRAM, "WordPiece": WORDPIECE, "WordLevel": WORD_LEVEL}
CHARSMAP = "normalizer normalizers 0 precompiled_charsmap"


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


# The document; the path; the value put there; the place in the error, where that differs.
CASES: list[tuple[str, str, Any, str]] = [
    ("Unigram", "model vocab", {"a": 1}, ""),
    ("Unigram", "model vocab 4", "a", ""),
    ("Unigram", "model vocab 4", ["a"], ""),
    ("Unigram", "model vocab 4", [1, 2.0], ""),
    ("Unigram", "model vocab 4 1", "x", "model.vocab[4][1]"),
    ("Unigram", "model vocab 4 1", None, "model.vocab[4][1]"),
    ("Unigram", "model vocab 4 1", float("nan"), "model.vocab[4][1]"),
    ("Unigram", "model vocab 4 1", -1e300, "model.vocab[4][1]"),
    ("Unigram", "model unk_id", 7, ""),
    ("Unigram", "model unk_id", -1, ""),
    ("Unigram", "model unk_id", "0", ""),
    ("Unigram", "model byte_fallback", 1, ""),
    ("Unigram", CHARSMAP, DELETE, "normalizer.normalizers[0]"),
    ("Unigram", CHARSMAP, "not base64!", ""),
    ("Unigram", CHARSMAP, "", ""),
    ("Unigram", CHARSMAP, encoded(b"\xff\xff\xff\xff1234"), ""),
    ("Unigram", CHARSMAP, encoded(MAP[:40]), ""),
    ("Unigram", CHARSMAP, encoded(MAP + b"\xff"), ""),
    ("Unigram", CHARSMAP, encoded(MAP + b"a" * 300), ""),
    ("Unigram", CHARSMAP, encoded(MAP[: 4 + int.from_bytes(MAP[:4], "little")]), ""),
    ("Unigram", "pre_tokenizer replacement", "▁▁", ""),
    ("Unigram", "pre_tokenizer prepend_scheme", "last", ""),
    ("Unigram", "decoder pad_token", "", ""),
    ("Unigram", "decoder cleanup", DELETE, "decoder"),
    ("Unigram", "post_processor sep", ["</s>"], ""),
    ("Unigram", "truncation max_length", DELETE, "truncation"),
    ("Unigram", "padding strategy", {"Fixed": -1}, "padding.strategy.Fixed"),
    ("WordPiece", "model vocab", [["a", 1.0]], ""),
    ("WordPiece", "model vocab the", 1, ""),
    ("WordPiece", "model unk_token", None, ""),
    ("WordPiece", "model continuing_subword_prefix", DELETE, "model"),
    ("WordPiece", "model max_input_chars_per_word", -1, ""),
    ("WordPiece", "model max_input_chars_per_word", "100", ""),
    ("WordPiece", "normalizer lowercase", DELETE, "normalizer"),
    ("WordPiece", "normalizer strip_accents", "yes", ""),
    ("WordLevel", "model unk_token", DELETE, "model"),
    ("WordLevel", "model vocab a", -1, ""),
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_they_are_fine(name: str) -> None:
    tokenizer = Tokenizer.from_json(DOCUMENTS[name])
    assert tokenizer.encode_batch(["the a", ("the", "a")]).ids.shape == (2, 8)


@pytest.mark.parametrize(("name", "path", "value", "place"), CASES)
def test_wrong_fields_name_their_path(name: str, path: str, value: Any, place: str) -> None:
    check_refusal(copy.deepcopy(DOCUMENTS[name]), path, value, place)


PATHS = [(name, path) for name, document in DOCUMENTS.items() for path in leaves(document)]
MORE = ["Unigram", "WordLevel", "BertNormalizer", "Nmt", "Precompiled", "UnicodeScripts", "CTC", "RobertaProcessing"]
ANY = st.one_of(VALUES, st.sampled_from([*TYPES, *MORE]), st.sampled_from([["a", -1.0], [["a", -1.0]], "BatchLongest"]))


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PATHS), ANY, st.booleans()), min_size=1, max_size=3),
    st.text(SURROGATE_FREE, max_size=8),
)
def test_mutated_documents(changes: list[tuple[tuple[str, tuple[Any, ...]], Any, bool]], text: str) -> None:
    document = copy.deepcopy(DOCUMENTS[changes[0][0][0]])
    for (_, path), value, delete in changes:
        try:
            edit(document, path, DELETE if delete else copy.deepcopy(value))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change removed the place, or the document has none such
    try_out(document, text)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(MAP) - 1), st.integers(0, 255)), max_size=8), st.text(max_size=12))
def test_mutated_maps(changes: list[tuple[int, int]], text: str) -> None:
    """Whatever the array says, nothing is read beyond it."""
    raw = bytearray(MAP)
    for at, byte in changes:
        raw[at] = byte
    try:
        mapped = Charsmap(bytes(raw))
    except ValueError:
        return
    assert isinstance(mapped.longest(text + "abaé"), str)
    assert isinstance(mapped.by_clusters(text + "abaé"), str)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=64), st.binary(max_size=20))
def test_random_maps(units: list[int], texts: bytes) -> None:
    raw = np.array([4 * len(units), *units], "<u4").tobytes() + texts
    try:
        mapped = Charsmap(raw)
    except ValueError:
        return
    mapped.longest("abc é\u0301")
    mapped.by_clusters("abc é\u0301")

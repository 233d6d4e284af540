"""BERT's vocabulary from vocab.txt and from GGUF, against `tokenizers`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from tokenizers import BertWordPieceTokenizer

from loom_py.errors import TokenizerError
from loom_py.formats.source import BytesSource
from loom_py.text.gguf_to_json import tokenizer_json
from loom_py.text.tokenizer import Tokenizer
from loom_py.text.tokenizer_files import open_tokenizer

from .oracle import NASTY_STRINGS, TEXTS, Pair
from .test_tokenizer_fixtures import expected, unpacked

NAMES = ("wordpiece-cased", "wordpiece-uncased")


@cache
def vocabulary(name: str) -> list[str]:
    vocab = json.loads(unpacked(f"{name}.json"))["model"]["vocab"]
    return sorted(vocab, key=vocab.__getitem__)


def source(text: str, name: str) -> BytesSource:
    return BytesSource(text.encode(), name)


def opened(name: str, **config: Any) -> Tokenizer:
    """From vocab.txt and tokenizer_config.json."""
    files = {"vocab.txt": source("\n".join(vocabulary(name)) + "\n", "vocab.txt")}
    if config:
        files["tokenizer_config.json"] = source(json.dumps(config), "tokenizer_config.json")
    return open_tokenizer(files, "directory")


def metadata(name: str, **more: Any) -> dict[str, Any]:
    """As convert_hf_to_gguf.py writes it: a space's mark before tokens that begin a word, no prefix before others."""
    tokens = vocabulary(name)
    special = {"[PAD]": 3, "[UNK]": 2, "[CLS]": 3, "[SEP]": 3, "[MASK]": 3}
    plain = [t if t in special else t[2:] if t.startswith("##") else "\u2581" + t for t in tokens]
    entries = {
        "model": "bert",
        "tokens": plain,
        "token_type": [special.get(token, 1) for token in tokens],
        "unknown_token_id": 1,
        "cls_token_id": 2,
        "seperator_token_id": 3,
        **more,
    }
    return {f"tokenizer.ggml.{key}": value for key, value in entries.items()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["txt", "gguf"])
def test_fixtures(name: str, form: str) -> None:
    lower = name.endswith("uncased")
    tokenizer = opened(name, do_lower_case=lower) if form == "txt" else Tokenizer.from_gguf(metadata(name))
    for row in expected(name):
        pair = tokenizer.encode_pair(row["text"], "second part")
        assert tokenizer.encode(row["text"]) == row["ids"]
        assert (pair.ids, pair.type_ids) == (row["pair_ids"], row["pair_types"])
        assert tokenizer.decode(row["ids"]) == row["decoded"]
        assert tokenizer.decode(row["ids"], skip_special_tokens=False) == row["decoded_keep"]


@pytest.mark.parametrize("name", NAMES)
def test_as_tokenizer_json(name: str) -> None:
    pair = Pair(tokenizer_json(metadata(name), "file.gguf"))
    for row in expected(name):
        assert pair.ours.encode(row["text"]) == row["ids"]
        pair.check(row["text"])
        pair.check_pair(row["text"], "second part")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"do_lower_case": False},
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
    ],
)
def test_options(config: dict[str, bool], tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(vocabulary(NAMES[0])) + "\n", "utf-8")
    names = {"do_lower_case": "lowercase", "tokenize_chinese_chars": "handle_chinese_chars"}
    theirs = BertWordPieceTokenizer(str(path), **{names.get(key, key): value for key, value in config.items()})
    ours = opened(NAMES[0], **config)

    @settings(max_examples=100, deadline=None)
    @given(TEXTS)
    def check(text: str) -> None:
        assert ours.encode(text) == theirs.encode(text).ids

    check()
    for text in NASTY_STRINGS:
        assert ours.encode(text) == theirs.encode(text).ids


def test_gguf_says_whether_case_counts() -> None:
    lower = Tokenizer.from_gguf(metadata(NAMES[0], **{"normalizer.lowercase": True, "normalizer.strip_accents": False}))
    theirs = opened(NAMES[0], do_lower_case=True, strip_accents=False)
    for text in NASTY_STRINGS:
        assert lower.encode(text) == theirs.encode(text)


def test_special_tokens_by_other_names() -> None:
    lines = "<pad>\n<unk>\n<s>\n</s>\nthe\n##n"
    config = {"unk_token": "<unk>", "cls_token": {"content": "<s>"}, "sep_token": "</s>", "pad_token": None}
    files = {
        "vocab.txt": source(lines, "vocab.txt"),
        "tokenizer_config.json": source(json.dumps(config), "tokenizer_config.json"),
    }
    tokenizer = open_tokenizer(files, "directory")
    assert tokenizer.encode("Then the x</s>") == [2, 4, 5, 4, 1, 3, 3]
    del files["tokenizer_config.json"]
    with pytest.raises(TokenizerError, match=r"'\[UNK\]' is missing") as caught:
        open_tokenizer(files, "directory")
    assert caught.value.where == "vocab.txt"


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("tokens", [], "tokens"),
        ("token_type", [1], "token_type"),
        ("cls_token_id", 700, "cls_token_id"),
        ("unknown_token_id", -1, "unknown_token_id"),
        ("normalizer.lowercase", "yes", "normalizer.lowercase"),
    ],
)
def test_wrong_metadata_names_its_key(key: str, value: Any, place: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_gguf(metadata(NAMES[0], **{key: value}), "file.gguf")
    assert caught.value.where == f"file.gguf: tokenizer.ggml.{place}"


def test_gguf_without_the_special_tokens() -> None:
    entries = metadata(NAMES[0], tokens=["\u2581a", "b"], token_type=[1, 1])
    for key in ("unknown_token_id", "cls_token_id", "seperator_token_id"):
        del entries[f"tokenizer.ggml.{key}"]
    with pytest.raises(TokenizerError, match="no token of that name"):
        Tokenizer.from_gguf(entries)

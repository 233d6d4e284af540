"""Corrupt, truncated and hostile tokenizer definitions: a typed error with the place, or a working tokenizer."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.errors import InputError, TokenizerError
from loom_py.formats.source import BytesSource
from loom_py.schema.strict import json_path
from loom_py.text.byte_level import ALPHABET
from loom_py.text.tokenizer import Tokenizer

from .oracle import SURROGATE_FREE


def small() -> dict[str, Any]:
    """A tokenizer.json with one of everything."""
    vocab = {char: i for i, char in enumerate([*sorted(ALPHABET), "th", "the", "Ġthe", "<s>", "<unk>"])}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": vocab["<s>"],
                "content": "<s>",
                "single_word": False,
                "lstrip": False,
                "rstrip": True,
                "normalized": False,
                "special": True,
            },
            {
                "id": len(vocab),
                "content": "<new>",
                "single_word": True,
                "lstrip": True,
                "rstrip": False,
                "normalized": True,
                "special": False,
            },
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}],
        },
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "Split", "pattern": {"Regex": "\\p{N}+"}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [vocab["<s>"]], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [["t", "h"], ["th", "e"], ["Ġ", "the"]],
        },
    }


DELETE = object()


def edit(document: dict[str, Any], path: Sequence[Any], value: Any) -> None:
    """Sets what is at `path`, or deletes it."""
    target: Any = document
    for step in path[:-1]:
        target = target[step]
    if value is DELETE:
        del target[path[-1]]
    else:
        target[path[-1]] = value


def nested(kind: str, key: str, depth: int = 200) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "Sequence", key: []}
    for _ in range(depth):
        value = {"type": kind, key: [value]}
    return value


# The fault; its path; the value put there (`DELETE` removes it); the place in the error, where that differs.
CASES: list[tuple[str, str, Any, str]] = [
    ("version", "version", "2.0", ""),
    ("version of another type", "version", 1, ""),
    ("no model", "model", DELETE, ""),
    ("model is an array", "model", [], ""),
    ("unknown model", "model type", "Magic", ""),
    ("model type is a number", "model type", 3, ""),
    ("no vocabulary", "model vocab", DELETE, ""),
    ("vocabulary is an array", "model vocab", ["a"], ""),
    ("id is a string", "model vocab the", "3", ""),
    ("id is a fraction", "model vocab the", 3.0, ""),
    ("id is NaN", "model vocab the", float("nan"), ""),
    ("id is true", "model vocab the", True, ""),
    ("id is negative", "model vocab the", -1, ""),
    ("id is huge", "model vocab the", 1099511627776, ""),
    ("id appears twice", "model vocab the", 0, ""),
    ("no merges", "model merges", DELETE, ""),
    ("merges is an object", "model merges", {}, ""),
    ("merge of an unknown token", "model merges 1", ["th", "xyz"], ""),
    ("merge makes an unknown token", "model merges 1", ["e", "e"], ""),
    ("merge of three", "model merges 1", ["t", "h", "e"], ""),
    ("merge of numbers", "model merges 1", [1, 2], ""),
    ("merge is null", "model merges 2", None, ""),
    ("merges of both kinds", "model merges 2", "t h", ""),
    ("merge without a space", "model merges", ["t h", "the"], "model.merges[1]"),
    ("merge of unknown in the old form", "model merges", ["#version: 0.2", "t h", "q☃ h"], "model.merges[2]"),
    ("dropout", "model dropout", 0.1, ""),
    ("flag is a string", "model byte_fallback", "yes", ""),
    ("unknown token is a number", "model unk_token", 0, ""),
    ("added tokens is an object", "added_tokens", {}, ""),
    ("added token is a string", "added_tokens 0", "<s>", ""),
    ("added token without content", "added_tokens 1 content", DELETE, "added_tokens[1]"),
    ("added token without a flag", "added_tokens 1 lstrip", DELETE, "added_tokens[1]"),
    ("added token's flag is a number", "added_tokens 1 special", 1, ""),
    ("added token with a negative id", "added_tokens 1 id", -5, ""),
    ("added tokens share an id", "added_tokens 1 id", 259, ""),
    ("added token of half a surrogate pair", "added_tokens 1 content", "\ud800", ""),
    ("normalizer is a string", "normalizer", "NFC", ""),
    ("normalizer without type", "normalizer type", DELETE, "normalizer"),
    ("unknown normalizer", "normalizer normalizers 0 type", "Magic", ""),
    ("normalizer with a bad regex", "normalizer normalizers 1 pattern Regex", "(", ""),
    (
        "normalizer's pattern of two kinds",
        "normalizer normalizers 1 pattern String",
        "x",
        "normalizer.normalizers[1].pattern",
    ),
    ("normalizers nested deep", "normalizer", nested("Sequence", "normalizers", 40), "normalizer.normalizers[0]"),
    ("unknown pre-tokenizer", "pre_tokenizer pretokenizers 0 type", "Magic", ""),
    ("pre-tokenizer that backtracks for ever", "pre_tokenizer pretokenizers 1 pattern Regex", "(a|a)*b", ""),
    ("pre-tokenizer with a back-reference", "pre_tokenizer pretokenizers 1 pattern Regex", "(a)\\1", ""),
    ("unknown behaviour", "pre_tokenizer pretokenizers 1 behavior", "Shuffled", ""),
    (
        "digits without flag",
        "pre_tokenizer pretokenizers 0 individual_digits",
        DELETE,
        "pre_tokenizer.pretokenizers[0]",
    ),
    (
        "pre-tokenizers nested deep",
        "pre_tokenizer",
        nested("Sequence", "pretokenizers", 40),
        "pre_tokenizer.pretokenizers[0]",
    ),
    ("unknown post-processor", "post_processor type", "Magic", ""),
    ("template names an unknown token", "post_processor single 0 SpecialToken id", "<x>", ""),
    ("template names the second text", "post_processor single 1 Sequence id", "B", ""),
    (
        "template with a string id",
        "post_processor special_tokens <s> ids",
        ["1"],
        'post_processor.special_tokens["<s>"].ids[0]',
    ),
    ("template piece of no kind", "post_processor single 0", {"Nothing": {}}, ""),
    (
        "sep is no pair",
        "post_processor",
        {"type": "BertProcessing", "sep": ["a"], "cls": ["b", 1]},
        "post_processor.sep",
    ),
    ("processors nested deep", "post_processor", nested("Sequence", "processors", 40), "post_processor.processors[0]"),
    ("unknown decoder", "decoder decoders 0 type", "Magic", ""),
    ("decoder's content of two characters", "decoder decoders 1 content", "ab", ""),
    ("decoder's count is negative", "decoder decoders 1 start", -1, ""),
    ("decoders nested deep", "decoder", nested("Sequence", "decoders", 40), "decoder.decoders[0]"),
]


def test_the_small_one_is_fine() -> None:
    tokenizer = Tokenizer.from_json(small())
    ids = tokenizer.encode("the  <new> 12 the")
    assert tokenizer.decode(ids) == "the<new> 12 the"  # <new> takes the space to its left


def check_refusal(document: Any, path: str, value: Any, place: str) -> None:
    """With `value` at `path` the document is refused, and the error says where: at `place`, or at the path."""
    steps = [int(step) if step.isdigit() else step for step in path.split()]
    edit(document, steps, value)
    place = place or json_path(list(steps))
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_json(document)
    assert caught.value.where.startswith(f"tokenizer.json at {place}")
    assert caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(("path", "value", "place"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_wrong_fields_name_their_path(path: str, value: Any, place: str) -> None:
    check_refusal(small(), path, value, place)


VALID = json.dumps(small()).encode()
FILES = {
    "empty": b"",
    "not JSON": b"GGUF\x03\x00\x00\x00",
    "truncated": VALID[: len(VALID) // 2],
    "one byte short": VALID[:-1],
    "trailing bytes": VALID + b"}",
    "not UTF-8": VALID.replace(b"<new>", b"\xff\xfe>"),
    "overlong UTF-8": VALID.replace(b"<new>", b"\xc0\xbc>>>"),
    "byte order mark": b"\xef\xbb\xbf" + VALID,
    "NaN": VALID.replace(b'"lstrip": false', b'"lstrip": NaN'),
    "lone surrogate": VALID.replace(b"<new>", b"\\ud800"),
    "an array": b"[1, 2]",
    "a string": b'"tokenizer"',
    "null": b"null",
    "an empty object": b"{}",
    "nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nested and unfinished": b'{"model":' * 50_000,
    "huge number": VALID.replace(b'"start": 1', b'"start": 1' + b"0" * 5000),
    "duplicate key": VALID.replace(b'"version"', b'"version": "1.0", "version"'),
    "zeros": b"\0" * 1000,
}


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(name: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_json(BytesSource(FILES[name], "file.json"))
    assert "file.json" in str(caught.value)


@pytest.mark.parametrize("value", [None, 3, [], [1], object(), 1.5])
def test_values_that_are_no_file(value: Any) -> None:
    with pytest.raises(TokenizerError):
        Tokenizer.from_json(value)


def test_a_mapping_that_contains_itself() -> None:
    document = small()
    document["normalizer"]["normalizers"].append(document["normalizer"])
    with pytest.raises(TokenizerError, match="nested"):
        Tokenizer.from_json(document)


def test_sequences_that_multiply_are_refused() -> None:
    """Every template doubles the texts, and no template takes four."""
    double = {
        "type": "TemplateProcessing",
        "pair": [{"Sequence": {"id": text, "type_id": 0}} for text in "ABAB"],
        "special_tokens": {},
        "single": [{"Sequence": {"id": "A", "type_id": 0}}] * 2,
    }
    document = small()
    document["post_processor"] = {"type": "Sequence", "processors": [double] * 40}
    with pytest.raises(TokenizerError, match="do not fit together"):
        Tokenizer.from_json(document)


def test_templates_that_grow_are_refused() -> None:
    document = small()
    bert = {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}
    document["post_processor"] = {"type": "Sequence", "processors": [bert] * 600}
    with pytest.raises(TokenizerError, match="1000 parts"):
        Tokenizer.from_json(document)


def test_unknown_token_missing_from_the_vocabulary_is_told_when_needed() -> None:
    document = small()
    document["model"]["unk_token"] = "<nothing>"
    document["pre_tokenizer"] = None
    tokenizer = Tokenizer.from_json(document)
    assert tokenizer.encode("the", add_special_tokens=False) == [document["model"]["vocab"]["the"]]
    with pytest.raises(TokenizerError, match="<nothing>"):
        tokenizer.encode("漢")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [leaf for key, item in items for leaf in leaves(item, (*path, key))]


PATHS = leaves({k: v for k, v in small().items() if k != "model"})
PATHS += [("model", *p) for p in leaves({k: v for k, v in small()["model"].items() if k != "vocab"})]
PATHS += [("model",), ("model", "vocab"), ("model", "vocab", "the"), ("model", "vocab", "<s>"), ("model", "vocab", "t")]
TYPES = [
    "NFC",
    "NFKD",
    "Sequence",
    "Replace",
    "Strip",
    "Split",
    "Metaspace",
    "ByteLevel",
    "Fuse",
    "ByteFallback",
    "BPE",
    "TemplateProcessing",
    "Digits",
    "Whitespace",
    "Prepend",
    "WordPiece",
    "BPEDecoder",
    "FixedLength",
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([2**32, -(2**70), 1.5, float("nan"), "", "a", "\ud800"]),
    st.sampled_from([*TYPES, "Isolated", "Removed", "(", "\\s*", "a*", "\\p{L}", "[", "▁"]),
    st.sampled_from(
        [[], {}, [None], {"type": "NFC"}, ["t", "h"], "t h", [["t", "h"]], {"String": ""}, {"Regex": "a*"}]
    ),
)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PATHS), VALUES, st.booleans()), min_size=1, max_size=3),
    st.text(SURROGATE_FREE, max_size=8),
)
def test_mutated_documents(changes: list[tuple[tuple[Any, ...], Any, bool]], text: str) -> None:
    """Whatever is changed, it works or raises `TokenizerError`."""
    document = small()
    for path, value, delete in changes:
        try:
            edit(document, path, DELETE if delete else copy.deepcopy(value))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change removed the place
    try_out(document, text)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_mutated_bytes(data: st.DataObject) -> None:
    raw = bytearray(VALID)
    seed = random.Random(data.draw(st.integers(0, 2**32)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = seed.randrange(len(raw))
        match seed.randrange(4):
            case 0:
                raw[at] = seed.randrange(256)
            case 1:
                del raw[at : at + seed.randrange(1, 40)]
            case 2:
                raw[at:at] = bytes(seed.choices(b'{}[]":,0\\u-e', k=3))
            case 3:
                other = seed.randrange(len(raw))
                raw[at:at] = raw[other : other + 30]
    try_out(bytes(raw), "the 12 <new>")


def try_out(document: Any, text: str) -> None:
    try:
        tokenizer = Tokenizer.from_json(document)
        ids = tokenizer.encode(text)
        assert all(isinstance(i, int) for i in ids)
    except TokenizerError:
        return
    with contextlib.suppress(InputError):  # the post-processor may add ids that no token has
        tokenizer.decode(ids, skip_special_tokens=False)

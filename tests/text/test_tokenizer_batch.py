"""Batches against `tokenizers`: truncation and padding as the file says or the caller, types, masks."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import numpy as np
import pytest
import tokenizers
from tokenizers import Tokenizer as Theirs

from loom_py.errors import InputError, TokenizerError
from loom_py.progress import to_end
from loom_py.text.batch_options import Padding, Truncation
from loom_py.text.tokenizer import Tokenizer

from .test_tokenizer_fixtures import unpacked

TEXTS: list[str | tuple[str, str]] = [
    "the thing",
    "",
    "a longer text about the network and its layers",
    ("one", "two words"),
    ("the first text is the longer one of these", "second"),
    ("first", "the second text is the longer one of these"),
    ("", ""),
]
STRATEGIES = ("LongestFirst", "OnlyFirst", "OnlySecond")


def document(truncation: Any, padding: Any, name: str = "wordpiece-uncased") -> dict[str, Any]:
    return json.loads(unpacked(f"{name}.json")) | {"truncation": truncation, "padding": padding}


def cut(length: int, strategy: str = "LongestFirst", side: str = "Right") -> dict[str, Any]:
    return {"direction": side, "max_length": length, "strategy": strategy, "stride": 0}


def filled(strategy: Any = "BatchLongest", side: str = "Right", multiple: int | None = None) -> dict[str, Any]:
    token = {"pad_id": 4, "pad_type_id": 7, "pad_token": "[MASK]"}
    return {"strategy": strategy, "direction": side, "pad_to_multiple_of": multiple, **token}


PADDINGS = [
    filled(*options) for options in itertools.product(["BatchLongest", {"Fixed": 60}], ["Left", "Right"], [None, 8])
]


@pytest.mark.parametrize("padding", PADDINGS, ids=lambda p: json.dumps(p["strategy"]) + p["direction"])
@pytest.mark.parametrize("length", [None, 4, 7])
@pytest.mark.parametrize("special", [True, False])
def test_as_the_file_says(padding: dict[str, Any], length: int | None, special: bool) -> None:
    options = document(None if length is None else cut(length), padding)
    theirs = Theirs.from_str(json.dumps(options)).encode_batch(TEXTS, add_special_tokens=special)
    batch = Tokenizer.from_json(options).encode_batch(TEXTS, special)
    assert batch.ids.tolist() == [row.ids for row in theirs]
    assert batch.type_ids.tolist() == [row.type_ids for row in theirs]
    assert batch.mask.astype(int).tolist() == [row.attention_mask for row in theirs]
    assert batch.lengths.tolist() == [sum(row.attention_mask) for row in theirs]


@pytest.mark.parametrize("name", ["wordpiece-uncased", "bpe-byte-fallback"])
@pytest.mark.parametrize("side", ["Left", "Right"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_length(name: str, strategy: str, side: str) -> None:
    for length in range(0, 25, 2):
        options = document(cut(length, strategy, side), None, name)
        ours, theirs = Tokenizer.from_json(options), Theirs.from_str(json.dumps(options))
        for texts in TEXTS:
            row = encoded(theirs, texts)
            if row is None:
                with pytest.raises(InputError, match="too short"):
                    ours.encode_batch([texts])
            else:
                batch = ours.encode_batch([texts])
                assert (batch.ids[0].tolist(), batch.type_ids[0].tolist()) == (row.ids, row.type_ids)


def encoded(theirs: Theirs, texts: str | tuple[str, str]) -> Any:
    """The other library's row, or None where it cannot cut one."""
    try:
        return theirs.encode(*texts) if isinstance(texts, tuple) else theirs.encode(texts)
    except Exception as error:
        if "Truncation error" not in str(error):
            raise
        return None


def test_a_caller_goes_before_the_file_and_single_texts_are_never_cut() -> None:
    tokenizer = Tokenizer.from_json(document(cut(4), filled({"Fixed": 128})))
    text = "a longer text about the network"
    whole = tokenizer.encode(text)
    assert len(whole) > 8
    assert tokenizer.encode_pair(text).ids == whole
    batch = tokenizer.encode_batch([text, "a"], truncation=Truncation(8), padding=Padding(pad_id=3, side="Left"))
    assert batch.ids.shape == (2, 8)
    assert batch.ids[1, :5].tolist() == [3] * 5
    assert batch.mask.sum(axis=1).tolist() == batch.lengths.tolist() == [8, 3]


def test_without_a_word_in_the_file() -> None:
    tokenizer = Tokenizer.from_json(document(None, None))
    batch = to_end(tokenizer.batch_steps(["the", "the network of things"]))
    assert batch.ids[0, batch.lengths[0] :].tolist() == [tokenizer.token_to_id("[PAD]")] * (
        batch.ids.shape[1] - batch.lengths[0]
    )
    assert (batch.ids.dtype, batch.mask.dtype) == (np.int64, np.bool_)
    assert tokenizer.encode_batch([]).ids.shape == (0, 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("truncation.max_length", -1),
        ("truncation.max_length", "12"),
        ("truncation.strategy", "Shortest"),
        ("truncation.direction", "Up"),
        ("padding.strategy", "Longest"),
        ("padding.strategy.Fixed", 2**40),
        ("padding.pad_id", -1),
        ("padding.pad_to_multiple_of", 1.5),
        ("padding.direction", None),
    ],
)
def test_wrong_fields(path: str, value: Any) -> None:
    options = copy.deepcopy(document(cut(8), filled({"Fixed": 8})))
    *steps, last = path.split(".")
    target = options
    for step in steps:
        target = target[step]
    target[last] = value
    if value is None:
        Tokenizer.from_json(options)
        return
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_json(options)
    assert caught.value.where == f"tokenizer.json at {path}"


def test_two_texts_without_a_template_for_them() -> None:
    options = document(None, None)
    template = options["post_processor"]
    options["post_processor"] = {"type": "Sequence", "processors": [template, copy.deepcopy(template)]}
    options["post_processor"]["processors"][0]["single"] = [{"Sequence": {"id": "A", "type_id": 0}}]
    tokenizer = Tokenizer.from_json(options)
    assert tokenizer.encode("the") == tokenizers.Tokenizer.from_str(json.dumps(options)).encode("the").ids
    with pytest.raises(InputError, match="two texts"):
        tokenizer.encode_pair("the", "thing")

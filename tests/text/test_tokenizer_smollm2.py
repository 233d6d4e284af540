"""SmolLM2's tokenizer, from tokenizer.json and from GGUF metadata, against `tokenizers`."""

from __future__ import annotations

import json
import os
import random
import time
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.errors import InputError
from loom_py.formats.source import BytesSource
from loom_py.text.tokenizer import Tokenizer

from ..conftest import ROOT
from ..cost import check_cost
from ..report import TABLES
from .oracle import DATA, NASTY, NASTY_STRINGS, TEXTS, smollm2, smollm2_json


def gguf_metadata() -> dict[str, Any]:
    """What SmolLM2's GGUF files say; `test_metadata_of_the_real_file` compares it with one."""
    document = json.loads(smollm2_json())
    vocab = document["model"]["vocab"]
    special = {token["id"] for token in document["added_tokens"]}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": sorted(vocab, key=vocab.__getitem__),
        "tokenizer.ggml.merges": [" ".join(pair) for pair in document["model"]["merges"]],
        "tokenizer.ggml.token_type": [3 if i in special else 1 for i in range(len(vocab))],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }


@cache
def from_gguf() -> Tokenizer:
    return Tokenizer.from_gguf(gguf_metadata())


@pytest.mark.parametrize("kind", NASTY)
def test_nasty_strings(kind: str) -> None:
    for text in NASTY[kind]:
        smollm2().check(text)
        assert from_gguf().encode(text) == smollm2().ours.encode(text)


@settings(max_examples=600, deadline=None)
@given(TEXTS)
def test_random_texts(text: str) -> None:
    smollm2().check(text)
    assert from_gguf().encode(text) == smollm2().ours.encode(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 49151), max_size=40))
def test_random_ids_decode_alike(ids: list[int]) -> None:
    smollm2().check_ids(ids)
    assert from_gguf().decode(ids) == smollm2().ours.decode(ids)


def test_every_single_token_decodes_alike() -> None:
    for i in range(49152):
        assert smollm2().ours.decode([i], False) == smollm2().theirs.decode([i], False)


def test_every_assigned_character() -> None:
    """Each in a context that shows its class: letter, number, space or other."""
    assigned = (chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs"))
    text = "".join(f"a{char}1{char} " for char in assigned)
    step = 50_000
    for start in range(0, len(text), step):
        part = text[start : start + step]
        assert smollm2().ours.encode(part) == smollm2().theirs.encode(part).ids


def test_fixture_prompts() -> None:
    for row in json.loads((DATA / "smollm2_greedy.json").read_text())["rows"]:
        assert smollm2().ours.encode(row["prompt"]) == row["ids"]
        assert from_gguf().encode(row["prompt"]) == row["ids"]
        assert smollm2().ours.decode(row["generated"], skip_special_tokens=False) == row["text"]


@pytest.mark.parametrize("unit", ["a", " ", "ab", "1", "é漢", "\n", "\U0001f600", "Ġ", "\u0301", "<|im_start", "'s"])
def test_very_long_words(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    ids = check_cost(5, lambda: smollm2().ours.encode(text))
    assert ids == smollm2().theirs.encode(text).ids
    assert smollm2().ours.decode(ids) == smollm2().theirs.decode(ids)


def test_special_tokens_as_plain_text() -> None:
    theirs = smollm2().theirs.from_str(smollm2().theirs.to_str())
    theirs.encode_special_tokens = True
    for text in NASTY["specials"]:
        assert smollm2().ours.encode(text, parse_special=False) == theirs.encode(text).ids
        assert not set(smollm2().ours.encode(text, parse_special=False)) & smollm2().ours.special_ids


def test_lookups() -> None:
    for tokenizer in (smollm2().ours, from_gguf()):
        assert tokenizer.vocab_size == smollm2().theirs.get_vocab_size() == 49152
        assert tokenizer.token_to_id("<|im_end|>") == 2
        assert tokenizer.id_to_token(2) == "<|im_end|>"
        assert tokenizer.token_to_id("no such token") is None
        assert tokenizer.id_to_token(49152) is None
        assert tokenizer.id_to_token(-1) is None
        assert tokenizer.special_ids == frozenset(range(17))


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview, lambda b: b.decode(), BytesSource, json.loads])
def test_every_kind_of_input(make: Any) -> None:
    assert Tokenizer.from_json(make(smollm2_json())).encode("Hello world") == [19556, 905]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc80" * 3])
def test_half_surrogates_are_an_input_error(text: str) -> None:
    with pytest.raises(InputError, match="surrogate"):
        smollm2().ours.encode(text)


@pytest.mark.parametrize("text", [None, b"bytes", 3, ["a"]])
def test_only_strings_are_encoded(text: Any) -> None:
    with pytest.raises(InputError, match="string"):
        smollm2().ours.encode(text)


@pytest.mark.parametrize("bad", [-1, 2**40, None, "1", float("nan"), [1]])
def test_what_is_no_id_is_named_with_its_position(bad: Any) -> None:
    tokenizer = smollm2().ours
    with pytest.raises(InputError, match=r"ids\[2\].*expected a token id") as caught:
        tokenizer.decode([1, 2, bad])
    assert repr(bad) in str(caught.value)
    stream = tokenizer.decoder()
    shown = stream.add(504)
    with pytest.raises(InputError, match=r"ids\[1\]"):
        stream.add(bad)
    assert shown + stream.add(3575) + stream.finish() == tokenizer.decode([504, 3575])


def test_stream_never_shows_half_a_character() -> None:
    text = "naïve 漢字 👩‍💻 نعم \u0301 end"
    tokenizer = smollm2().ours
    stream = tokenizer.decoder()
    parts = [stream.add(i) for i in tokenizer.encode(text)]
    assert stream.finish() == ""
    assert "".join(parts) == text
    assert not any("\ufffd" in part for part in parts)
    assert len([part for part in parts if part]) > 8
    assert stream.finish() == ""


def test_unfinished_character_ends_as_replacement() -> None:
    tokenizer = smollm2().ours
    ids = tokenizer.encode("漢")
    assert len(ids) > 1
    stream = tokenizer.decoder()
    assert [stream.add(i) for i in ids[:-1]] == [""] * (len(ids) - 1)
    assert stream.finish() == "\ufffd" == smollm2().theirs.decode(ids[:-1])


def model_file() -> Path | None:
    places = [Path(os.environ["LOOM_MODEL"])] if os.environ.get("LOOM_MODEL") else []
    places += [ROOT / "models", ROOT / "dist" / "models"]
    files = [p for place in places for p in ([place] if place.is_file() else sorted(place.rglob("*.gguf")))]
    return files[0] if files else None


@pytest.mark.model
def test_metadata_of_the_real_file() -> None:
    path = model_file()
    if path is None:
        pytest.skip("no GGUF of SmolLM2 at hand (set LOOM_MODEL)")
    gguf = pytest.importorskip("gguf")
    fields = gguf.GGUFReader(path).fields
    real = {key: field.contents() for key, field in fields.items() if key.startswith("tokenizer.")}
    real.pop("tokenizer.chat_template")
    assert real == gguf_metadata()
    tokenizer = Tokenizer.from_gguf(real)
    for text in NASTY_STRINGS:
        assert tokenizer.encode(text) == smollm2().theirs.encode(text).ids


def test_speed() -> None:
    """Loading takes well under a second; the table shows the speed of encoding."""
    data = smollm2_json()
    start = time.perf_counter()
    tokenizer = check_cost(2, lambda: Tokenizer.from_json(data))
    load = time.perf_counter() - start
    words = [word for texts in NASTY.values() for text in texts for word in text.split()]
    text = " ".join(random.Random(1).choices([*words, "the", "network", "of", "layers"] * 4, k=40_000))
    rows = []
    for name, sample in (("all scripts", text), ("ASCII", text.encode("ascii", "ignore").decode())):
        start = time.perf_counter()
        ids = tokenizer.encode(sample)
        encode = time.perf_counter() - start
        start = time.perf_counter()
        tokenizer.decode(ids)
        decode = time.perf_counter() - start
        start = time.perf_counter()
        assert smollm2().theirs.encode(sample).ids == ids
        theirs = time.perf_counter() - start
        speeds = [f"{len(ids) / seconds / 1e3:6.0f}k" for seconds in (encode, decode, theirs)]
        rows.append("{:12} encode {}  decode {}  tokenizers' encode {} tokens/s".format(name, *speeds))
    TABLES["SmolLM2 tokenizer"] = [f"load {load * 1e3:.0f} ms", *rows]

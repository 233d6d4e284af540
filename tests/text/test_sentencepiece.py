"""SentencePiece vocabularies from its own file and from GGUF, against what SentencePiece makes of the same texts."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import random
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.errors import LoomError, TokenizerError
from loom_py.formats.source import BytesSource, FileSource
from loom_py.progress import to_end
from loom_py.text.added_tokens import AddedToken
from loom_py.text.gguf_to_json import tokenizer_json
from loom_py.text.prompt import Prompt
from loom_py.text.score_bpe import ScoreBPE
from loom_py.text.tokenizer import Tokenizer
from loom_py.text.tokenizer_files import open_tokenizer
from loom_py.text.tokenizer_sentencepiece import Extra
from tools.charsmap import charsmap

from .oracle import SURROGATE_FREE, TEXTS, Pair
from .sentencepiece_files import block, gguf_metadata, kept, kept_models, model_of, number, piece, tokenizer_of
from .test_tokenizer_fixtures import expected
from .test_tokenizer_hostile import VALUES

GGUF = ("sentencepiece-bpe", "sentencepiece-unigram")
SWITCHES = (
    "unigram",
    "unigram-suffix",
    "unigram-bytes",
    "unigram-unused",
    "bpe",
    "bpe-across",
    "bpe-bytes",
    "bpe-unused",
)


@pytest.mark.parametrize("name", GGUF)
@pytest.mark.parametrize("form", ["gguf", "model"])
def test_fixtures(name: str, form: str) -> None:
    metadata = gguf_metadata(name)
    tokenizer = Tokenizer.from_gguf(metadata) if form == "gguf" else tokenizer_of(model_of(metadata))
    for row in expected(name):
        results = {"text": row["text"], "plain": tokenizer.encode(row["text"], False)}
        assert results | {"decoded": tokenizer.decode(row["plain"])} == row


@pytest.mark.parametrize("name", SWITCHES)
def test_switches(name: str) -> None:
    """Prefix and suffix, merged spaces, own rules, user-defined and unused tokens, bytes."""
    rows = kept_models()[name]["rows"]
    tokenizer = tokenizer_of(kept(name))
    assert len(rows) == 120
    for row in rows:
        assert tokenizer.encode(row["text"]) == row["plain"], row["text"]
        if row["decoded"] is not None:  # SentencePiece writes ⁇ for unknown tokens, which are left out here
            assert tokenizer.decode(row["plain"]) == row["decoded"]


@pytest.mark.skipif(importlib.util.find_spec("sentencepiece") is None, reason="needs sentencepiece")
@pytest.mark.parametrize("name", SWITCHES)
def test_random_texts(name: str) -> None:
    import sentencepiece  # type: ignore[import-not-found]  # optional

    theirs = sentencepiece.SentencePieceProcessor(model_proto=kept(name))
    ours = tokenizer_of(kept(name))

    @settings(max_examples=200, deadline=None)
    @given(TEXTS)
    def check(text: str) -> None:
        if "\0" not in text:
            assert ours.encode(text) == theirs.encode(text)

    check()


@st.composite
def vocabularies(draw: st.DrawFn) -> tuple[list[str], list[float]]:
    tokens = ["<unk>", "a", "b", *sorted(draw(st.sets(st.text("ab", min_size=2, max_size=5), max_size=12)))]
    return tokens, [draw(st.sampled_from([-1.0, -2.0, -3.0, 0.0])) for _ in tokens]


@settings(max_examples=300, deadline=None)
@given(vocabularies(), st.text("abc", max_size=40))
def test_merging_by_score(vocabulary: tuple[list[str], list[float]], word: str) -> None:
    """Against the rule itself, one merge after the other."""
    tokens, scores = vocabulary
    score = dict(zip(tokens, scores, strict=True))
    symbols = list(word)
    while True:
        pairs = [(-score[a + b], i) for i, (a, b) in enumerate(pairwise(symbols)) if a + b in score]
        if not pairs:
            break
        at = min(pairs)[1]
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]
    ids = [tokens.index(symbol) if symbol in tokens else 0 for symbol in symbols]
    ids = [i for at, i in enumerate(ids) if i or not at or ids[at - 1]]
    model = ScoreBPE(tokens, scores, 0, matched=range(1, len(tokens)))
    assert list(model.encode(word)) == list(to_end(model.encode_steps(word))) == ids


@pytest.mark.parametrize("name", GGUF)
def test_as_tokenizer_json(name: str) -> None:
    pair = Pair(tokenizer_json(gguf_metadata(name), "file.gguf"))
    for row in expected(name):
        if "</s>" not in row["text"]:
            assert pair.ours.encode(row["text"], False) == row["plain"]
        pair.check(row["text"])


def test_control_tokens_are_text_unless_asked_for() -> None:
    tokenizer = Tokenizer.from_gguf(gguf_metadata(GGUF[0]) | {"tokenizer.ggml.add_bos_token": True})
    assert 2 not in tokenizer.encode("hi</s>")
    assert tokenizer.encode("hi</s>", parse_special=True)[-1] == 2
    assert tokenizer.encode(Prompt.of("hi</s>"))[-1] == 2
    assert tokenizer.encode_prompt("<s>hi</s>") == tokenizer.encode("hi</s>", parse_special=True)
    assert tokenizer.decode([1, 2, 0]) == ""
    pair = tokenizer.encode_pair("hi", "you")
    assert (pair.ids.count(1), set(pair.type_ids)) == (2, {0, 1})


def test_what_other_files_of_the_directory_say() -> None:
    files = {
        "tokenizer.model": BytesSource(kept("bpe-bytes"), "tokenizer.model"),
        "tokenizer_config.json": BytesSource(
            json.dumps(
                {
                    "tokenizer_class": "LlamaTokenizer",
                    "add_eos_token": True,
                    "added_tokens_decoder": {
                        "900": {"content": "<|im_end|>", "special": True},
                        "2": {"content": "</s>", "special": True},
                    },
                }
            ).encode(),
            "tokenizer_config.json",
        ),
    }
    tokenizer = open_tokenizer(files, "directory")
    plain = tokenizer_of(kept("bpe-bytes")).encode("the thing")
    assert tokenizer.encode("the thing") == [1, *plain, 2]
    assert tokenizer.encode("the thing<|im_end|>", False, parse_special=True) == [*plain, 900]
    assert tokenizer.id_to_token(900) == "<|im_end|>"
    shifted = {"tokenizer_class": "XLMRobertaTokenizer"}
    files["tokenizer_config.json"] = BytesSource(json.dumps(shifted).encode(), "tokenizer_config.json")
    with pytest.raises(TokenizerError, match=r"are not those of its tokenizer\.model") as caught:
        open_tokenizer(files, "directory")
    assert caught.value.where == "tokenizer_config.json at tokenizer_class"
    with pytest.raises(TokenizerError, match=r"tokenizer\.json") as caught:
        open_tokenizer({}, "directory")
    assert caught.value.where == "directory"


UNK = piece("<unk>", 0.0, 2)
WRONG: list[tuple[bytes, str, str]] = [
    (b"", "has 0 unknown tokens", "pieces"),
    (UNK + UNK, "already has the id 0", "pieces[1].piece"),
    (UNK + piece("", 0.0, 1), "is empty", "pieces[1].piece"),
    (UNK + piece("a", float("nan"), 1), "finite", "pieces[1].score"),
    (UNK + piece("a", 0.0, 9), "types 1 to 6", "pieces[1].type"),
    (UNK + block(1, block(1, b"\xff")), "not UTF-8", "pieces[1].piece"),
    (UNK + block(2, number(3, 3)), "whole words is not supported", "trainer_spec.model_type"),
    (UNK + block(3, block(2, b"\1\0\0\0")), "do not hold an array", "normalizer_spec.precompiled_charsmap"),
    (UNK[:-1], "reaches beyond the end", " at byte 0"),
    (UNK + b"\x0b", "unknown wire type 3", f" at byte {len(UNK)}"),
    (b"\x02\0", "the number 0", " at byte 0"),
    (b"\xff" * 12, "does not end", " at byte 0"),
]


@pytest.mark.parametrize(("raw", "message", "place"), WRONG, ids=[case[1] for case in WRONG])
def test_damaged_files(raw: bytes, message: str, place: str) -> None:
    with pytest.raises(TokenizerError, match=message) as caught:
        tokenizer_of(raw)
    assert caught.value.where == f"tokenizer.model{place if place.startswith(' ') else ', ' + place}"
    assert caught.value.remedy


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SWITCHES), st.integers(0, 2**32), st.text(max_size=20))
def test_mutated_files(name: str, seed: int, text: str) -> None:
    raw, rng = bytearray(kept(name)), random.Random(seed)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(raw))
        match rng.randrange(3):
            case 0:
                raw[at] = rng.randrange(256)
            case 1:
                del raw[at : at + rng.randrange(1, 40)]
            case _:
                raw[at:at] = raw[at : at + 30]
    with contextlib.suppress(TokenizerError):
        tokenizer = tokenizer_of(bytes(raw), Extra(True, True, {900: AddedToken("<x>")}))
        tokenizer.decode(tokenizer.encode(text))


def entries(name: str) -> dict[str, Any]:
    return {key: value for key, value in gguf_metadata(name).items() if key.startswith("tokenizer.")}


GGUF_WRONG: list[tuple[str, str, Any, str]] = [
    (GGUF[0], "scores", None, "scores"),
    (GGUF[0], "scores", [0.0], "scores"),
    (GGUF[0], "scores", ["a"] * 800, "scores[0]"),
    (GGUF[0], "scores", np.full(800, np.nan), "scores[0]"),
    (GGUF[0], "token_type", [9] * 800, "token_type[0]"),
    (GGUF[0], "unknown_token_id", 800, "unknown_token_id"),
    (GGUF[0], "add_space_prefix", "no", "add_space_prefix"),
    (GGUF[1], "remove_extra_whitespaces", 3, "remove_extra_whitespaces"),
    (GGUF[1], "precompiled_charsmap", ["a"], "precompiled_charsmap"),
    (GGUF[1], "precompiled_charsmap", [1, 2, 3], "precompiled_charsmap"),
    (GGUF[1], "precompiled_charsmap", [4, 0, 0, 0] + [0] * 4 + [255], "precompiled_charsmap"),
    (GGUF[1], "precompiled_charsmap", 7, "precompiled_charsmap"),
]


@pytest.mark.parametrize(("name", "key", "value", "place"), GGUF_WRONG)
def test_wrong_metadata_names_its_key(name: str, key: str, value: Any, place: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_gguf(entries(name) | {f"tokenizer.ggml.{key}": value}, "file.gguf")
    assert caught.value.where == f"file.gguf: tokenizer.ggml.{place}"
    assert caught.value.remedy


@cache
def small_metadata(model: str) -> dict[str, Any]:
    rows = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("<0x41>", 0.0, 6), ("\u2581", -1.0, 1)]
    rows += [("a", -2.0, 1), ("\u2581a", -3.0, 1), ("th", -3.5, 1), ("t", -4.0, 1), ("h", -5.0, 1), ("<x>", 0.0, 4)]
    tokens, scores, types = map(list, zip(*rows, strict=True))
    entries = {"model": model, "tokens": tokens, "scores": scores, "token_type": types, "unknown_token_id": 0}
    entries |= {"bos_token_id": 1, "eos_token_id": 2, "add_bos_token": True, "add_space_prefix": True}
    entries |= {"precompiled_charsmap": list(charsmap({"A": "a"})), "remove_extra_whitespaces": True}
    return {f"tokenizer.ggml.{key}": value for key, value in entries.items()}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["llama", "t5", "bert"]),
    st.lists(st.tuples(st.sampled_from(sorted(small_metadata("t5"))), VALUES), max_size=3),
    st.text(SURROGATE_FREE, max_size=8),
)
def test_mutated_metadata(model: str, changes: list[tuple[str, Any]], text: str) -> None:
    metadata = small_metadata(model) | dict(changes)
    with contextlib.suppress(TokenizerError):
        tokenizer = Tokenizer.from_gguf(metadata)
        ids = tokenizer.encode(text + " A tha <x>")
        assert tokenizer.decode(ids) is not None
        assert Tokenizer.from_json(tokenizer_json(metadata, "m.gguf")).vocab_size


def test_a_file_is_opened_by_its_name(tmp_path: Path) -> None:
    from loom_py.generation.opening import load_tokenizer

    (tmp_path / "tokenizer.model").write_bytes(kept("bpe"))
    plain = tokenizer_of(kept("bpe")).encode("the thing")
    assert load_tokenizer(tmp_path).encode("the thing") == plain
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "GemmaTokenizer"}')
    for path in (tmp_path, tmp_path / "tokenizer.model"):
        assert load_tokenizer(path).encode("the thing") == [1, *plain]
    with pytest.raises(LoomError):
        open_tokenizer({"tokenizer.json": FileSource(tmp_path / "tokenizer.model")}, "x")

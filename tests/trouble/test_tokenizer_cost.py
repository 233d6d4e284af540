"""Tokenizers that are made to be slow: priced before they run.

Found by attack (trouble table: `a*a*b`, 26 `Replace a → aa`, added tokens of white space). Siblings are chains of
steps, alternatives that each go through the text again, and added tokens with one beginning.
"""

from __future__ import annotations

from typing import Any

import pytest

from loom_py.errors import TokenizerError
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.sampling import GenerationOptions
from loom_py.generation.text_files import TextSettings
from loom_py.text.pretokenize import GPT2_PATTERN, LLAMA3_PATTERN
from loom_py.text.tokenizer import Tokenizer
from tests.cost import check_cost
from tests.models.tiny import llama
from tests.text.test_blocks import check_no_step_is_long
from tests.text.test_tokenizer_cost import added
from tests.text.test_tokenizer_hostile import small

from . import tokenizer_attacks


def tokenizer(**parts: Any) -> Tokenizer:
    return Tokenizer.from_json(small() | {"post_processor": None, "added_tokens": []} | parts)


def split(regex: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


REPLACE = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 6}


@pytest.mark.parametrize(
    "parts",
    [
        {"pre_tokenizer": split("|".join(f"a*{c}" for c in "bcdefghijklmnopqrstuvwxyz"))},  # 329 s
        {"pre_tokenizer": split("".join(f"(?=a*{c})" for c in "bcdefghijk") + "x|y")},
        {"pre_tokenizer": split("(?:aa)*b")},
        {"pre_tokenizer": split(r"\w{2,}\b")},
        {"normalizer": {"type": "Replace", "pattern": {"Regex": "a*b|a*c|a*d"}, "content": "e"}},
        {"normalizer": REPLACE, "pre_tokenizer": split("a*b")},
    ],
)
def test_patterns_are_priced_by_the_text(parts: dict[str, Any]) -> None:
    slow = tokenizer(**parts)

    def refuse() -> None:
        with pytest.raises(TokenizerError, match=r"a pattern would take too long on this text. Shorten the long run"):
            slow.encode("a" * 10_000)

    check_cost(1, refuse)
    slow.encode("the cat sat on the mat, aaaaah! " * 300)  # an ordinary text costs what it always did


def test_the_patterns_people_use_take_long_runs() -> None:
    for regex in (
        LLAMA3_PATTERN,
        GPT2_PATTERN,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}{1,3}|\s*[\r\n]+|\s+(?!\S)|\s+",
    ):
        encode = tokenizer(pre_tokenizer=split(regex)).encode
        for text in ("a" * 10_000, " " * 10_000, "\n" * 10_000, "A" * 10_000, "!" * 10_000, "the cat " * 20_000):
            encode(text)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}] * 200}},
            "has 200 steps, more than the limit of",
        ),
        (
            {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split("a")] * 200}},
            "has 200 steps, more than the limit of",
        ),
    ],
)
def test_chains_have_a_length(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        tokenizer(**parts)


def test_added_tokens_with_one_beginning() -> None:
    tokens = [added("a" * n + "b", 50 + n) for n in range(1, 250)]
    alike = check_cost(3, lambda: tokenizer(added_tokens=tokens))
    ids = [alike.token_to_id("a" * n + "b") for n in (249, 3)]
    assert alike.encode("a" * 249 + "baaab", add_special_tokens=False) == ids
    check_cost(3, lambda: alike.encode("a" * 10_000))


def unigram(*tokens: str) -> Tokenizer:
    entries = [[token, -float(i)] for i, token in enumerate(("<unk>", "a", *tokens))]
    model = {"type": "Unigram", "unk_id": 0, "vocab": entries, "byte_fallback": False}
    return tokenizer(model=model, normalizer=None, pre_tokenizer=None)


def test_a_vocabulary_of_runs_is_priced_by_the_text() -> None:
    runs = unigram(*("a" * n for n in range(2, 700)))

    def refuse() -> None:
        with pytest.raises(TokenizerError, match="too many tokens of the vocabulary match at the same places"):
            runs.encode("a" * 10_000)

    check_cost(2, refuse)
    assert len(runs.encode("a" * 1000)) == 2
    runs.encode("the cat sat on the mat, aaaaah! " * 300)


@pytest.mark.parametrize("end", ["", "b"])
def test_one_very_long_token_costs_a_step_a_character(end: str) -> None:
    long = check_cost(4, lambda: unigram("a" * 5_000 + end))
    assert len(check_cost(4, lambda: long.encode("a" * 10_000))) == (10_000 if end else 2)
    vocab = {token: i for i, token in enumerate(["a", "##a", "a" * 5_000 + end, "##" + "a" * 5_000 + end])}
    model = {"type": "WordPiece", "vocab": vocab, "unk_token": "a", "continuing_subword_prefix": "##"}
    pieces = tokenizer(model=model | {"max_input_chars_per_word": 10**6}, normalizer=None, pre_tokenizer=None)
    assert len(check_cost(4, lambda: pieces.encode("a" * 10_000))) == (10_000 if end else 2)


def test_random_tokenizers() -> None:
    """The long version is `./build_pyodide.sh soak`; with memory here, since a chain can fill it."""
    outcomes = [tokenizer_attacks.attempt(f"suite.{i}", memory=i % 4 == 0) for i in range(30)]
    assert set(outcomes) <= {"refused", "encoded"}, [o for o in enumerate(outcomes) if len(o[1]) > 8]
    assert outcomes.count("encoded") > 4


@pytest.mark.parametrize("count", [4, 11, 26])
def test_decoders_cannot_blow_a_token_up(count: int) -> None:
    with pytest.raises(TokenizerError, match=r"more than 64 times as long|has 26 steps"):
        tokenizer(decoder={"type": "Sequence", "decoders": [REPLACE] * count})


# Trouble table: "Stop does nothing". The prompt was encoded before the task began.
@pytest.mark.parametrize("parts", [{}, {"pre_tokenizer": None, "normalizer": None}])
def test_a_stop_gets_through_while_a_prompt_is_encoded(parts: dict[str, Any]) -> None:
    text = "the cat " * 20_000
    plain = tokenizer(**parts)
    steps = plain.encode_steps(text)
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            ids = stop.value
            break
        count += 1
    assert ids == tokenizer(**parts).encode(text)
    assert count > 8
    check_no_step_is_long(tokenizer(**parts), text)


def test_a_model_encodes_in_its_first_steps() -> None:
    model = llama(vocab_size=300)
    talking = LanguageModel("tiny", model, tokenizer(), TextSettings())
    events = talking.events("the cat " * 3, GenerationOptions(max_tokens=1))
    kinds = [type(event).__name__ for event in events]
    assert kinds[:2] == ["Encoding", "Encoding"]
    assert kinds[-1] == "GeneratedToken"
    stopped = talking.events("the cat " * 20_000, GenerationOptions(max_tokens=1))
    next(stopped)
    stopped.close()
    assert [token.finish_reason for token in talking.generate("the cat", GenerationOptions(max_tokens=1))] == ["length"]

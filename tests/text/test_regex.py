"""The regex translator against Oniguruma, as `tokenizers` runs it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex as Onig
from tokenizers import pre_tokenizers

from loom_py.text.pretokenize import GGUF_DEFAULT_PATTERNS, GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN
from loom_py.text.regex import Regex
from loom_py.text.regex_syntax import PatternError

from ..cost import check_cost
from .oracle import NASTY_STRINGS, TEXTS

O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
PATTERNS = [
    GPT2_PATTERN,
    LLAMA3_PATTERN,
    QWEN2_PATTERN,
    *GGUF_DEFAULT_PATTERNS,
    O200K,
    CL100K,
    r" ?[^(\s|[.,!?…。，、।۔،])]+",
    r"[\p{Han}\p{Hiragana}]+|[\p{L}&&[^\p{Han}]]+",
    r"\p{^L}\P{N}",
    r"\b\w+\b",
    r"^\s*\w|\d$",
    r"a*",
    r"\B.",
    r"(?<=a)b|(?<![a-z])c",
    r"(?i)[a-ck]+s|x",
    r"x{2,3}?|\x{e9}|\u00e8|\x41",
    r"(?:(?=\s)\s)?\S",
    r"\p{Lu}(?>\p{Ll}+)",
    r"\A\s|\s\z|\s\Z",
    r"[]a]+|[^]b]",
    r"\h+|\H",
    r"$",
    r"(?=(\d{3})+(?!\d))",
    r"a{,2}|{|}",
    r"(A|b)(?:c|d)?\.",
]


def oracle(pattern: str, text: str) -> list[str]:
    return [piece for piece, _ in pre_tokenizers.Split(Onig(pattern), "isolated").pre_tokenize_str(text)]


def pieces(regex: Regex, text: str) -> list[str]:
    out: list[str] = []
    at = 0
    for start, end in regex.spans(text):
        out += [text[at:start], text[start:end]]
        at = end
    return [piece for piece in [*out, text[at:]] if piece]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_nasty_strings(pattern: str) -> None:
    regex = Regex(pattern)
    for text in NASTY_STRINGS:
        if text:
            assert pieces(regex, text) == oracle(pattern, text), text
            assert regex.pieces(text) in (None, pieces(regex, text))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_random_texts(pattern: str) -> None:
    regex = Regex(pattern)

    @settings(max_examples=60, deadline=None)
    @given(TEXTS)
    def check(text: str) -> None:
        if text:
            assert pieces(regex, text) == oracle(pattern, text)
            ascii_text = text.encode("ascii", "ignore").decode()
            if ascii_text:
                assert pieces(regex, ascii_text) == oracle(pattern, ascii_text)

    check()


ATOMS = st.sampled_from(
    [
        "a",
        "b",
        r"\s",
        r"\S",
        r"\p{L}",
        r"\p{N}",
        "[ab]",
        "[^a ]",
        r"[\p{L}&&[^a]]",
        "'",
        " ",
        ".",
        "(?!b)",
        "(?=a)",
        "é",
    ]
)
BUILT = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}", "*?", "+?", "??", "++", "?+"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(BUILT, st.text("ab '1é\n漢", min_size=1, max_size=12))
def test_random_patterns(pattern: str, text: str) -> None:
    try:
        regex = Regex(pattern)
    except PatternError:
        return  # refused for its cost
    if oracle_takes(pattern):
        assert pieces(regex, text) == oracle(pattern, text)


def oracle_takes(pattern: str) -> bool:
    """Oniguruma refuses to repeat a look-around, even as one of several alternatives."""
    try:
        oracle(pattern, "x")
    except Exception:
        return False
    return True


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[",
        "[a",
        "a)",
        "*a",
        "(?<n>a)",
        r"\1",
        r"\k<n>",
        r"\X",
        r"\R",
        r"\K",
        r"\G",
        "[[:alpha:]]",
        r"\p{Foo}",
        r"\pL",
        r"\xff",
        r"\uD800",
        r"\x{110000}",
        "a{5,2}",
        "a{3}?",
        "(?m:a)",
        "(?x)a",
        "a(?i)b",
        "(?#c)",
        "(?i:é)",
        "(?i:ss)",
        "(?i:st)",
        r"(?i:\p{Lu})",
        "(?~a)",
        "[z-a]",
        r"[a-\d]",
        "a{2000}",
        "\\",
        "(?",
        "(?:",
        "(?i",
        "^*",
        "(ab+)+",
        "(a*)*b",
        "(a|a)*",
        "a" + "?" * 5000,
        "a" + "{1}" * 2000,
        "(a|ab)*c",
        "(a{1,16}){1,16}b",
        "a*a*a*b",
        "(a?){20}a{20}",
        r"(\s|\s+)+x",
        "(" * 5000 + "a" + ")" * 5000,
        "a" * 9000,
        "[" * 200 + "a" + "]" * 200,
        r"(?:(?:a{1,9}){1,9}){1,9}",
    ],
)
def test_refused_by_name(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"."):
        Regex(pattern)


@pytest.mark.parametrize("pattern", [GPT2_PATTERN, LLAMA3_PATTERN, O200K, CL100K])
@pytest.mark.parametrize(
    "text", ["a" * 50_000, " " * 50_000, "\n" * 50_000, "!" * 50_000, " \n" * 25_000, "é" * 50_000]
)
def test_long_runs_take_linear_time(pattern: str, text: str) -> None:
    spans = check_cost(5, lambda: list(Regex(pattern).spans(text)))
    assert sum(end - begin for begin, end in spans) == len(text)


@pytest.mark.parametrize("unit", [" ", "\n", " \n", "\t\r", "a", "A\u0301", "1", "!"])
@pytest.mark.parametrize("pattern", [LLAMA3_PATTERN, QWEN2_PATTERN, GPT2_PATTERN, r"\s*\n|\s+|x"])
def test_runs_that_are_taken_at_once_cost_nothing(pattern: str, unit: str) -> None:
    for text in (unit * 50_000, unit * 50_000 + "x"):
        Regex(pattern).require_affordable([text])


@pytest.mark.parametrize("pattern", [r"\s*b|\s|\s+", r"(?=\s*b)\s|\s+", r"\s+$|x", r"\s*b", r"\s*b|\s?\S|\s{2}|\s+"])
def test_runs_that_are_retried_at_every_place_are_refused(pattern: str) -> None:
    with pytest.raises(OverflowError):
        Regex(pattern).require_affordable([" " * 100_000 + "x"])

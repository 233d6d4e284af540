"""Unicode classes against `tokenizers`, for every code point."""

from __future__ import annotations

import itertools
import subprocess
import sys
import unicodedata
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, normalizers, pre_tokenizers

from loom_py.progress import to_end
from loom_py.schema.fields import Fields
from loom_py.text import unicode_data
from loom_py.text.charsmap import Charsmap
from loom_py.text.codeset import CodeSet, partition
from loom_py.text.normalize import Normalizer
from loom_py.text.normalizers import build_normalizer
from loom_py.text.tokenizer_fields import RULES
from loom_py.text.unicode_scripts import split_by_script
from loom_py.text.unicode_tables import (
    NormalForm,
    category,
    lowercase,
    named_set,
    normalize,
    property_set,
    strip_accents,
)
from tools.charsmap import charsmap

from .oracle import SURROGATE_FREE

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
EVERYTHING = "".join(map(chr, POINTS))


def matched(pre_tokenizer: pre_tokenizers.PreTokenizer, text: str = EVERYTHING) -> set[int]:
    return set(map(ord, "".join(piece for piece, _ in pre_tokenizer.pre_tokenize_str(text))))


def regex_class(pattern: str) -> set[int]:
    return matched(pre_tokenizers.Split(Regex(pattern), "removed", invert=True))


def ours(code_set: CodeSet) -> set[int]:
    return set(code_set) - set(range(0xD800, 0xE000))


@pytest.mark.parametrize("name", [*unicode_data.CATEGORIES.split(), *"LMNPSZC"])
def test_general_category(name: str) -> None:
    assert ours(category(name)) == regex_class(rf"\p{{{name}}}+")


@pytest.mark.parametrize("name", ["Han", "Hiragana", "Katakana", "Latin", "Cyrillic", "Thai", "Hangul", "Arabic"])
def test_script(name: str) -> None:
    assert ours(property_set(name)) == regex_class(rf"\p{{{name}}}+")


@pytest.mark.parametrize(("pattern", "name"), [(r"\s+", "onig_space"), (r"\w+", "onig_word"), (r"\d+", "onig_digit")])
def test_shorthand(pattern: str, name: str) -> None:
    assert ours(named_set(name)) == regex_class(pattern)


def test_white_space() -> None:
    rest = matched(pre_tokenizers.WhitespaceSplit())
    assert ours(named_set("rust_whitespace")) == set(POINTS) - rest


def test_numeric() -> None:
    pieces = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str("xx".join(EVERYTHING))
    assert ours(named_set("rust_numeric")) == {ord(p) for p, _ in pieces if len(p) == 1} - {ord("x")}


def test_punctuation() -> None:
    pieces = pre_tokenizers.Punctuation("isolated").pre_tokenize_str("xx" + "xx".join(EVERYTHING) + "xx")
    assert ours(named_set("punctuation")) == {ord(p) for p, _ in pieces if len(p) == 1}


def test_word() -> None:
    pieces = pre_tokenizers.Whitespace().pre_tokenize_str(" ".join("_" + c for c in EVERYTHING))
    assert ours(named_set("rust_word")) == {ord(p[1]) for p, _ in pieces if len(p) == 2 and p[0] == "_"}


@pytest.mark.parametrize("form", get_args(NormalForm))
def test_normalization_of_single_characters(form: NormalForm) -> None:
    oracle = getattr(normalizers, form)()
    wrong = [hex(c) for c in POINTS if oracle.normalize_str(chr(c)) != normalize(form, chr(c))]
    assert wrong == []


def test_lowercase_and_accents() -> None:
    lower, strip = normalizers.Lowercase(), normalizers.StripAccents()
    assert [hex(c) for c in POINTS if lower.normalize_str(chr(c)) != lowercase(chr(c))] == []
    assert [hex(c) for c in POINTS if strip.normalize_str(chr(c)) != strip_accents(chr(c))] == []


def parted(normalizer: normalizers.Normalizer | Normalizer) -> list[str]:
    """What becomes of every code point between two letters."""
    text = "x".join(EVERYTHING)
    if isinstance(normalizer, normalizers.Normalizer):
        return normalizer.normalize_str(text).split("x")
    return to_end(normalizer(text))[0].split("x")


BERT = {"clean_text": True, "handle_chinese_chars": True, "strip_accents": True, "lowercase": False}


@pytest.mark.parametrize("part", ["Nmt", "clean_text", "handle_chinese_chars", "strip_accents"])
def test_clean_up_of_every_character(part: str) -> None:
    flags = {flag: flag == part for flag in BERT}
    node = {"type": "Nmt"} if part == "Nmt" else {"type": "BertNormalizer", **flags}
    theirs = normalizers.Nmt() if part == "Nmt" else normalizers.BertNormalizer(**flags)
    assert parted(build_normalizer(Fields(node, rules=RULES))) == parted(theirs)


def test_scripts() -> None:
    pieces, _ = to_end(split_by_script([EVERYTHING], True))
    assert pieces == [piece for piece, _ in pre_tokenizers.UnicodeScripts().pre_tokenize_str(EVERYTHING)]


@pytest.mark.parametrize(
    ("base", "behind"),
    [("a", ""), ("\u0301", "\u0301\u0301"), ("\u00a9", "\u00a9\u0301"), ("\u0915", "\u0915\u0301")],
)
def test_clusters_of_every_character(base: str, behind: str) -> None:
    """What `Precompiled` keeps of a character, any other one, and what follows, shows where they were split."""
    raw = charsmap({base: "X"})
    ours, theirs = Charsmap(raw), normalizers.Precompiled(raw)
    edges = {edge + i for name in unicode_data.TABLES if name.startswith("grapheme") for edge in named_set(name).edges
             for i in (-1, 0)}  # fmt: skip
    for c in sorted(edges & set(POINTS)):
        text = base + chr(c) + behind
        assert ours.by_clusters(text) == theirs.normalize_str(text), hex(c)


# Characters that move, combine, or came to Unicode only after the tables of `tokenizers` were made.
MOVING = [chr(c) for c in POINTS if unicodedata.combining(chr(c)) or unicodedata.decomposition(chr(c))]
NEW = [chr(c) for c in POINTS if unicodedata.combining(chr(c)) and chr(c) not in named_set("normalization_active")]


@settings(max_examples=400, deadline=None)
@given(
    st.text(
        st.one_of(st.sampled_from(MOVING), st.sampled_from(NEW), SURROGATE_FREE, st.sampled_from("aeg가각ᆨ")),
        max_size=12,
    )
)
def test_normalization_of_sequences(text: str) -> None:
    for form in get_args(NormalForm):
        assert normalize(form, text) == getattr(normalizers, form)().normalize_str(text), (form, text)


def test_new_characters_are_tested() -> None:
    assert len(NEW) > 50


SETS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), max_size=8).map(
    lambda runs: CodeSet.union(*(CodeSet.span(lo, lo + n) for lo, n in runs))
)


@given(SETS, SETS)
def test_set_algebra(a: CodeSet, b: CodeSet) -> None:
    x, y = set(a), set(b)
    assert set(a | b) == x | y
    assert set(a & b) == x & y
    assert set(a - b) == x - y
    assert ~~a == a
    assert {i for i in range(400) if chr(i) in ~a} == set(range(400)) - x
    assert all(p < q for p, q in itertools.pairwise(a.edges))
    starts, signatures = partition([a, b])
    for i in range(400):
        k = max(j for j, start in enumerate(starts) if start <= i)
        assert signatures[k] == (i in x) + 2 * (i in y)


def test_import_is_cheap() -> None:
    """Nothing is unpacked by importing."""
    code = (
        "import loom_py, zlib, base64; unpacked = []; zlib.decompress = base64.b85decode = unpacked.append;"
        "import loom_py.text.tokenizer, loom_py.text.tokenizer_json, loom_py.text.tokenizer_gguf;"
        "from loom_py.text import unicode_tables as u; assert u.named_set.cache_info().currsize == 0;"
        "assert u._categories.cache_info().currsize == 0; print(len(unpacked))"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"0"

"""Unicode classes, case and normalisation exactly as in `tokenizers`, on every Python version.

The tables were measured on `tokenizers` (see `tools/make_unicode_tables.py`) and are unpacked when first asked for,
so importing costs nothing.
"""

from __future__ import annotations

import base64
import re
import unicodedata
import zlib
from bisect import bisect_right
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import accumulate
from typing import Literal

from . import unicode_data
from .codeset import EVERYTHING, CodeSet

NormalForm = Literal["NFC", "NFD", "NFKC", "NFKD"]

# Oniguruma's long names of the general categories that appear in tokenizer files.
_LONG_NAMES = {
    "letter": "L", "uppercase_letter": "Lu", "lowercase_letter": "Ll", "titlecase_letter": "Lt",
    "modifier_letter": "Lm", "other_letter": "Lo",
    "mark": "M", "nonspacing_mark": "Mn", "spacing_mark": "Mc", "enclosing_mark": "Me",
    "number": "N", "decimal_number": "Nd", "letter_number": "Nl", "other_number": "No", "punctuation": "P",
    "symbol": "S", "separator": "Z", "other": "C",
}  # fmt: skip


def _numbers(name: str) -> list[int]:
    """The LEB128 numbers of one table."""
    values: list[int] = []
    value = shift = 0
    for byte in zlib.decompress(base64.b85decode(unicode_data.TABLES[name])):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    return values


@cache
def named_set(name: str) -> CodeSet:
    """One of the measured classes: `onig_space`, `onig_word`, `rust_whitespace`, `rust_numeric`, `script_han`, …"""
    return CodeSet(accumulate(_numbers(name)))


@cache
def _categories() -> dict[str, CodeSet]:
    names = ["", *unicode_data.CATEGORIES.split()]  # 0 marks the surrogates, which no text holds
    edges: dict[str, list[int]] = {name: [] for name in names}
    numbers = _numbers("CATEGORY_RUNS")
    start = 0
    for length, index in zip(numbers[::2], numbers[1::2], strict=True):
        edges[names[index]] += [start, start + length]
        start += length
    return {name: CodeSet(flat) for name, flat in edges.items() if name}


@cache
def category(name: str) -> CodeSet:
    """A general category (`Lu`) or a group of them (`L`). Raises `KeyError` for an unknown one."""
    found = [code_set for key, code_set in _categories().items() if key.startswith(name)] if name else []
    if len(name) > 2 or not found:
        raise KeyError(name)
    return CodeSet.union(*found)


def property_set(name: str) -> CodeSet:
    """The class that Oniguruma's `\\p{name}` means: a general category or a script. Raises `KeyError`."""
    plain = name.replace(" ", "_").replace("-", "_").lower()
    short = _LONG_NAMES.get(plain, plain[:1].upper() + plain[1:])
    if plain == "any":
        return EVERYTHING
    if f"script_{plain}" in unicode_data.TABLES:
        return named_set(f"script_{plain}")
    return category(short)


@cache
def _scripts() -> tuple[list[int], list[int]]:
    numbers = _numbers("SCRIPT_RUNS")
    return [0, *accumulate(numbers[::2])], numbers[1::2]


@lru_cache(8192)
def script(char: str) -> int:
    """The number of a character's script, as `UnicodeScripts` tells them apart; 0 for what belongs to any."""
    starts, scripts = _scripts()
    return scripts[bisect_right(starts, ord(char)) - 1]


@cache
def _lowercase_map() -> dict[int, str]:
    table = {0x130: "i\u0307"}  # the only character whose lower case is longer
    numbers = iter(_numbers("LOWERCASE_RUNS"))
    start = 0
    for step, count, stride, offset in zip(numbers, numbers, numbers, numbers, strict=True):
        start += step
        signed = -(offset >> 1) if offset & 1 else offset >> 1
        for c in range(start, start + count * stride, stride):
            table[c] = chr(c + signed)
    return table


def lowercase(text: str) -> str:
    """Every character by itself in lower case; no final sigma, as Rust's `char::to_lowercase`."""
    return text.lower() if text.isascii() else text.translate(_lowercase_map())


@cache
def _active_runs() -> re.Pattern[str]:
    return re.compile(named_set("normalization_active").pattern() + "+")


def normalize(form: NormalForm, text: str) -> str:
    """A Unicode normal form by the tables of `tokenizers`.

    Characters that are not in those tables stay unchanged and separate their neighbours. Runs of the others go to
    `unicodedata`: for assigned characters Unicode never changes normalisation, so every Python agrees on them.
    """
    if text.isascii():
        return text
    replace: Callable[[re.Match[str]], str] = lambda match: unicodedata.normalize(form, match[0])  # noqa: E731
    return _active_runs().sub(replace, text)


@cache
def _combining() -> re.Pattern[str]:
    return re.compile(named_set("combining_mark").pattern() + "+")


@cache
def form_boundary() -> re.Pattern[str]:
    """Finds where a text can be cut for a normal form: before ASCII, which composes with nothing before it, and at the
    end of a run.
    """
    return re.compile(rf"(?=[\0-\x7f])|(?!{named_set('normalization_active').pattern()}).", re.DOTALL)


def strip_accents(text: str) -> str:
    """Without the combining marks."""
    return text if text.isascii() else _combining().sub("", text)

"""Write `loom_py/text/unicode_data.py` from what the installed `tokenizers` does with every code point.

Python's own `unicodedata` follows another Unicode version in every Python release, and `tokenizers` itself mixes
several (Oniguruma for regexes, Rust's standard library for `Digits`, older crates for punctuation and normalisation).
So the tables are measured: the library is queried for every class, code point by code point.

Run: `python tools/make_unicode_tables.py` (about a minute; needs `tokenizers`). `--check` only compares.
"""

from __future__ import annotations

import argparse
import base64
import sys
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools.charsmap import charsmap

TARGET = Path(__file__).resolve().parent.parent / "loom_py" / "text" / "unicode_data.py"
POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
EVERYTHING = "".join(map(chr, POINTS))
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()  # noqa: SIM905
SCRIPTS = "Latin Greek Cyrillic Armenian Hebrew Arabic Devanagari Thai Hangul Hiragana Katakana Han".split()  # noqa: SIM905


def boundaries(points: Iterable[int]) -> list[int]:
    """Half-open runs as a flat ascending list: in, out, in, out …"""
    flat: list[int] = []
    for c in points:
        if flat and flat[-1] == c:
            flat[-1] = c + 1
        else:
            flat += [c, c + 1]
    return flat


def varints(values: Iterable[int]) -> bytes:
    """LEB128 without sign."""
    out = bytearray()
    for value in values:
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)


def pack(values: Iterable[int]) -> str:
    return base64.b85encode(zlib.compress(varints(values), 9)).decode()


def deltas(flat: list[int]) -> list[int]:
    return [b - a for a, b in zip([0, *flat], flat, strict=False)]


def matched(pre_tokenizer: pre_tokenizers.PreTokenizer) -> list[int]:
    """The code points that remain when a string of all of them is split."""
    pieces = pre_tokenizer.pre_tokenize_str(EVERYTHING)
    return boundaries(POINTS[i] for _, (start, end) in pieces for i in range(start, end))


def onig(pattern: str) -> list[int]:
    return matched(pre_tokenizers.Split(Regex(pattern), "removed", invert=True))


def complement(flat: list[int]) -> list[int]:
    inside = set()
    for lo, hi in zip(flat[::2], flat[1::2], strict=True):
        inside.update(range(lo, hi))
    return boundaries(c for c in POINTS if c not in inside)


def normalized(normalizer: normalizers.Normalizer, text: str) -> str:
    return normalizer.normalize_str(text)


def lowercase_runs() -> list[int]:
    """`Lowercase` as runs (start delta, count, stride, 2·|offset| + sign); the two-character case is stored apart."""
    lower = normalizers.Lowercase()
    pairs: list[tuple[int, int]] = []
    for c in POINTS:
        low = normalized(lower, chr(c))
        if low != chr(c):
            if len(low) != 1:
                assert (c, low) == (0x130, "i\u0307"), (hex(c), low)
                continue
            pairs.append((c, ord(low) - c))
    runs: list[list[int]] = []  # start, count, stride, offset
    for c, offset in pairs:
        if runs and runs[-1][3] == offset:
            start, count, stride, _ = runs[-1]
            if count == 1 and c - start <= 2:
                runs[-1][1:3] = [2, c - start]
                continue
            if count > 1 and c == start + count * stride:
                runs[-1][1] += 1
                continue
        runs.append([c, 1, 1, offset])
    flat, previous = [], 0
    for start, count, stride, offset in runs:
        flat += [start - previous, count, stride, 2 * abs(offset) + (offset < 0)]
        previous = start
    return flat


def normalization_active() -> list[int]:
    """Code points that any of NFC, NFD, NFKC, NFKD can change, move or combine. All others are passed through."""
    nfd, nfc, nfkd = normalizers.NFD(), normalizers.NFC(), normalizers.NFKD()
    active: set[int] = set()
    for c in POINTS:
        char = chr(c)
        canonical, compatible = normalized(nfd, char), normalized(nfkd, char)
        if canonical != char or compatible != char:
            active.add(c)
            active.update(map(ord, canonical + compatible))
            for i in range(1, len(canonical) + 1):
                active.update(map(ord, normalized(nfc, canonical[:i])))
        # A combining class above 1 moves behind U+0334 (class 1); class 1 moves before U+0345 (class 240).
        if normalized(nfd, char + "\u0334") != char + "\u0334" or normalized(nfd, "\u0345" + char) != "\u0345" + char:
            active.add(c)
    return boundaries(sorted(active))


def combining_marks() -> list[int]:
    strip = normalizers.StripAccents()
    return boundaries(c for c in POINTS if not normalized(strip, chr(c)))


def whitespace_of_strip() -> list[int]:
    strip = normalizers.Strip()
    return boundaries(c for c in POINTS if not normalized(strip, chr(c)))


def tables() -> dict[str, str]:
    category_of = bytearray(0x110000)
    for index, name in enumerate(CATEGORIES):
        flat = onig(rf"\p{{{name}}}+")
        for lo, hi in zip(flat[::2], flat[1::2], strict=True):
            category_of[lo:hi] = bytes([index + 1]) * (hi - lo)
    missing = [hex(c) for c in POINTS if not category_of[c]]
    assert not missing, missing[:5]
    runs, start = [], 0
    for c in range(1, 0x110001):
        if c == 0x110000 or category_of[c] != category_of[start]:
            runs += [c - start, category_of[start]]
            start = c
    whitespace = complement(matched(pre_tokenizers.WhitespaceSplit()))
    assert whitespace == whitespace_of_strip()
    packed = {
        "CATEGORY_RUNS": pack(runs),
        "LOWERCASE_RUNS": pack(lowercase_runs()),
        "SCRIPT_RUNS": pack(script_runs()),
    }
    sets = {
        "onig_space": onig(r"\s+"),
        "onig_word": onig(r"\w+"),
        "onig_digit": onig(r"\d+"),
        "rust_whitespace": whitespace,
        "rust_numeric": numeric(),
        "rust_word": rust_word(),
        "punctuation": punctuation(),
        "combining_mark": combining_marks(),
        "normalization_active": normalization_active(),
        **bert_sets(),
        **grapheme_sets(),
        **{f"script_{name.lower()}": onig(rf"\p{{{name}}}+") for name in SCRIPTS},
    }
    return packed | {name: pack(deltas(flat)) for name, flat in sets.items()}


def numeric() -> list[int]:
    pieces = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str("x" + "x".join(EVERYTHING) + "x")
    return boundaries(ord(p) for p, _ in pieces if len(p) == 1 and p != "x")


def punctuation() -> list[int]:
    pieces = pre_tokenizers.Punctuation("isolated").pre_tokenize_str("xx" + "xx".join(EVERYTHING) + "xx")
    return boundaries(ord(p) for p, _ in pieces if len(p) == 1)


def rust_word() -> list[int]:
    """`\\w` of Rust's regex crate, from `Whitespace` (`\\w+|[^\\w\\s]+`): what an underscore sticks to is a word."""
    pieces = pre_tokenizers.Whitespace().pre_tokenize_str(" ".join("_" + c for c in EVERYTHING))
    return boundaries(ord(p[1]) for p, _ in pieces if len(p) == 2 and p[0] == "_")


def bert_sets() -> dict[str, list[int]]:
    """What `BertNormalizer` removes, takes for a space, puts spaces around, and strips as an accent."""

    def bert(**flags: bool) -> dict[int, str]:
        off = dict.fromkeys(("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"), False)
        normalizer = normalizers.BertNormalizer(**{**off, **flags})
        return {c: normalized(normalizer, chr(c)) for c in POINTS}

    clean, spaced, plain = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
    return {
        "bert_control": boundaries(c for c in POINTS if not clean[c]),
        "bert_space": boundaries(c for c in POINTS if clean[c] == " "),
        "bert_chinese": boundaries(c for c in POINTS if spaced[c] == f" {chr(c)} "),
        "bert_accent": boundaries(c for c in POINTS if not plain[c]),
    }


def grapheme_sets() -> dict[str, list[int]]:
    """Classes of characters by how `Precompiled` clusters them (UAX 29).

    It looks a cluster of up to five bytes up as a whole, and of the match keeps the first character's text only: what
    is left of "a" and its accents under a map of "a" shows whether they were one cluster.
    """

    def seen(entries: dict[str, str], text: str) -> str:
        return normalized(normalizers.Precompiled(charsmap(entries)), text)

    of_a, of_acute = (normalizers.Precompiled(charsmap({c: "X"})) for c in "a\u0301")
    of_sign, of_ka = (normalizers.Precompiled(charsmap({c: "X"})) for c in "\u00a9\u0915")
    joiner, virama = "\u200d", "\u094d"
    attached = [c for c in POINTS if normalized(of_a, "a" + chr(c)) == "X"]
    three_bytes = [c for c in POINTS if 0x800 <= c < 0x10000]
    return {
        "grapheme_attached": boundaries(attached),
        "grapheme_extend": boundaries(
            c for c in attached if normalized(of_sign, f"\u00a9{chr(c)}{joiner}\u00a9\u0301")[-1] == "\u0301"
        ),
        "grapheme_control": boundaries(
            c for c in POINTS if normalized(of_acute, chr(c) + "\u0301\u0301") == chr(c) + "X"
        ),
        "grapheme_prepend": boundaries(c for c in POINTS if normalized(of_a, chr(c) + "a\u0301")[-1] == "\u0301"),
        "grapheme_pictograph": boundaries(
            c for c in POINTS if normalized(of_sign, f"\u00a9{joiner}{chr(c)}")[1:2] == joiner and c not in attached
        ),
        "grapheme_linker": boundaries(
            c for c in attached if normalized(of_ka, f"\u0915{chr(c)}\u0915\u0301")[-1] == "\u0301"
        ),
        "grapheme_consonant": boundaries(
            c
            for c in three_bytes
            if c not in attached and seen({chr(c): "X"}, f"\u0915{virama}{chr(c)}\u0301")[-1] == "\u0301"
        ),
    }


def script_runs() -> list[int]:
    """Scripts as `UnicodeScripts` has them, in runs (length, number); number 0 is that of the space."""
    splitter = pre_tokenizers.UnicodeScripts()

    def differ(left: int, right: int) -> bool:
        return len(splitter.pre_tokenize_str(chr(left) + chr(right))) > 1

    def any_script(c: int) -> bool:
        return not splitter.pre_tokenize_str(chr(c))

    examples: list[int] = []
    numbers: list[int] = [0] * 0x110000
    for previous, c in pairwise([-1, *POINTS]):
        if any_script(c):
            continue
        if previous >= 0 and numbers[previous] and not differ(previous, c):
            numbers[c] = numbers[previous]
            continue
        same = next((i for i, example in enumerate(examples) if not differ(example, c)), len(examples))
        if same == len(examples):
            examples.append(c)
        numbers[c] = same + 1
    runs, start = [], 0
    for c in range(1, 0x110001):
        if c == 0x110000 or numbers[c] != numbers[start]:
            runs += [c - start, numbers[start]]
            start = c
    return runs


def render(packed: dict[str, str]) -> str:
    def literal(text: str) -> str:
        lines = [text[i : i + 110] for i in range(0, len(text), 110)]
        return "(\n" + "".join(f'        "{line}"\n' for line in lines) + "    )"

    head = [
        '"""Unicode classes as `tokenizers` has them. Generated by `tools/make_unicode_tables.py`; do not edit.',
        "",
        "Every value is base 85 of zlib of LEB128 numbers; `unicode_tables` unpacks them when first asked.",
        '"""',
        "",
        f'MEASURED_ON = "tokenizers {tokenizers.__version__}"',
        f'CATEGORIES = "{" ".join(CATEGORIES)}"',
        "# fmt: off",
        "TABLES = {",
    ]
    body = [f'    "{name}": {literal(text)},' for name, text in packed.items()]
    return "\n".join([*head, *body, "}", ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the committed file differs")
    arguments = parser.parse_args()
    text = render(tables())
    if arguments.check:
        same = TARGET.read_text() == text
        print("up to date" if same else f"{TARGET} is stale: run this without --check")
        return 0 if same else 1
    TARGET.write_text(text)
    print(f"{TARGET}: {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

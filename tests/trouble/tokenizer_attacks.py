"""Tokenizers made to be slow or large, at random: a tiny vocabulary with a strange rest, and texts of 10 kB."""

from __future__ import annotations

import base64
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

from loom_py.errors import LoomError
from loom_py.text.tokenizer import Tokenizer
from tests.cost import check_cost
from tools.charsmap import charsmap

SECONDS, BYTES = 2.0, 200e6
SIZE = 10_000
"""Characters of a text, and of a tokenizer's strange parts."""
ALPHABET = "ab \né"
ATOMS = ["a", "b", ".", r"\s", r"\w", r"\p{L}", "[ab]", "[^b]", r"\S", "é", "(?!b)", "(?=a)", "$", r"\b"]
REPEATS = ["*", "+", "?", "*?", "+?", "*+", "{2,}", "{0,9}", "{1,500}", ""]
BEHAVIOURS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def pattern(rng: random.Random, depth: int = 0) -> str:
    """A regex of repeats, alternatives and lookarounds."""
    parts: list[str] = []
    for _ in range(rng.choice([1, 1, 2, 3, 4])):
        kind = rng.random()
        if kind < 0.6 or depth > 2:
            parts.append(rng.choice(ATOMS))
        elif kind < 0.8:
            parts.append(f"(?:{pattern(rng, depth + 1)})")
        elif kind < 0.9:
            parts.append(f"{rng.choice(['(?=', '(?!', '(?>'])}{pattern(rng, depth + 1)})")
        else:
            parts.append("(?:" + "|".join(pattern(rng, depth + 1) for _ in range(rng.choice([2, 3, 30]))) + ")")
        if not parts[-1].startswith(("(?=", "(?!", "$", r"\b")):
            parts[-1] += rng.choice(REPEATS)
    return "".join(parts)


def _word(rng: random.Random, most: int = 8) -> str:
    return rng.choice(ALPHABET) * rng.randint(1, most)


def _normalizer(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    kinds = ["NFC", "NFKD", "Lowercase", "StripAccents", "ByteLevel", "Nmt"]
    match rng.randrange(8 if depth < 2 else 6):
        case 0:
            return {"type": rng.choice(kinds)}
        case 1:
            return {"type": "Prepend", "prepend": _word(rng, rng.choice([1, 900, SIZE]))}
        case 2:
            return {"type": "Strip", "strip_left": rng.random() < 0.5, "strip_right": rng.random() < 0.5}
        case 3:
            return _replace(rng)
        case 4:
            flags = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
            return {"type": "BertNormalizer", **{flag: rng.random() < 0.5 for flag in flags}}
        case 5:
            entries = {_word(rng, rng.choice([1, 3, 40])): _word(rng, rng.choice([1, 9, 99])) for _ in range(5)}
            return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap(entries)).decode()}
        case _:
            steps = [_normalizer(rng, depth + 1)] * rng.choice([1, 3, 10, 100])
            return {"type": "Sequence", "normalizers": steps}


def _replace(rng: random.Random) -> dict[str, Any]:
    by = {"Regex": pattern(rng)} if rng.random() < 0.6 else {"String": rng.choice(ALPHABET)}
    return {"type": "Replace", "pattern": by, "content": _word(rng, rng.choice([1, 2, 30, SIZE]))}


def _pre_tokenizer(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    match rng.randrange(7 if depth < 2 else 5):
        case 0:
            return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
        case 1:
            return {"type": "Metaspace", "replacement": rng.choice("▁a"), "prepend_scheme": "always", "split": True}
        case 2:
            return {"type": rng.choice(["Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts"])}
        case 5 | 6:
            steps = [_pre_tokenizer(rng, depth + 1) for _ in range(rng.choice([1, 3, 6, 50]))]
            return {"type": "Sequence", "pretokenizers": steps}
        case _:
            return {
                "type": "Split",
                "pattern": {"Regex": pattern(rng)},
                "behavior": rng.choice(BEHAVIOURS),
                "invert": rng.random() < 0.3,
            }


def _decoder(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    match rng.randrange(7 if depth < 2 else 6):
        case 4:
            return {"type": "WordPiece", "prefix": rng.choice(["##", "a", ""]), "cleanup": True}
        case 5:
            return {"type": "CTC", "pad_token": "a", "word_delimiter_token": "b", "cleanup": True}
        case 0:
            return {"type": "ByteFallback"}
        case 1:
            return {"type": "Fuse"}
        case 2:
            return _replace(rng)
        case 3:
            return {
                "type": "Strip",
                "content": " ",
                "start": rng.choice([0, 1, SIZE]),
                "stop": rng.choice([0, 1, SIZE]),
            }
        case _:
            return {"type": "Sequence", "decoders": [_decoder(rng, depth + 1)] * rng.choice([1, 3, 26])}


def document(rng: random.Random) -> dict[str, Any]:
    """A whole `tokenizer.json`."""
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    added = [
        {
            "id": 100 + i,
            "content": _word(rng, rng.choice([1, 9, 250, 900])) + str(i % 7),
            **{f: rng.random() < 0.4 for f in flags},
        }
        for i in range(rng.choice([0, 1, 20, 400]))
    ]
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": _normalizer(rng) if rng.random() < 0.6 else None,
        "pre_tokenizer": _pre_tokenizer(rng) if rng.random() < 0.8 else None,
        "post_processor": None,
        "decoder": _decoder(rng) if rng.random() < 0.6 else None,
        "model": _model(rng),
    }


def _model(rng: random.Random) -> dict[str, Any]:
    vocab = {c: i for i, c in enumerate(["a", "b", " ", "\n", "é", "Ġ", "▁", "aa", "aaaa", "ab", "Ġa"])}
    if rng.random() < 0.4:
        return {
            "type": "BPE", "vocab": vocab, "merges": ["a a", "aa aa", "a b", "Ġ a"],
            "unk_token": rng.choice([None, "b"]),
            "byte_fallback": False, "fuse_unk": rng.random() < 0.5, "ignore_merges": False,
        }  # fmt: skip
    tokens = list(dict.fromkeys([*vocab, *(_long(rng) for _ in range(rng.choice([0, 3, 300])))]))
    if rng.random() < 0.6:
        entries = [[token, -float(rng.randint(0, 30))] for token in tokens]
        return {"type": "Unigram", "vocab": entries, "unk_id": rng.choice([0, 3, None]), "byte_fallback": True}
    pieces = {prefix + token: 0 for token in tokens for prefix in ("", "##")}
    return {
        "type": "WordPiece", "vocab": {token: i for i, token in enumerate(pieces)}, "unk_token": "a",
        "continuing_subword_prefix": "##", "max_input_chars_per_word": rng.choice([100, 2**31]),
    }  # fmt: skip


def _long(rng: random.Random) -> str:
    """A token that matches nearly everywhere in a text of one letter, or almost does."""
    return _word(rng, rng.choice([30, 900, SIZE])) + rng.choice(["", "", "b", "x"])


def text(rng: random.Random) -> str:
    """10 kB that repeat something short, with a mark somewhere."""
    unit = "".join(rng.choice(ALPHABET) for _ in range(rng.choice([1, 1, 1, 2, 3, 9])))
    whole = (unit * SIZE)[:SIZE]
    at = rng.choice([SIZE - 1, SIZE // 2, 0])
    return whole if rng.random() < 0.5 else whole[:at] + rng.choice("bx é") + whole[at + 1 :]


def attempt(seed: str, *, memory: bool = False) -> str:
    """Load, encode and decode: "refused", "encoded", or what was wrong. Anything but a typed error is."""
    if not memory:
        try:
            return check_cost(2 * SECONDS, lambda: _outcome(seed, lambda work: check_cost(SECONDS, work)))
        except AssertionError as error:
            return str(error)
    tracemalloc.start()
    try:
        outcome = _outcome(seed, lambda work: work())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return f"took {peak / 1e6:.0f} MB" if peak > BYTES else outcome


def _outcome(seed: str, check: Callable[[Callable[[], object]], object]) -> str:
    """`check` runs each encoding."""
    rng = random.Random(seed)
    try:
        tokenizer = Tokenizer.from_json(document(rng))
        for _ in range(2):
            sample = text(rng)
            check(lambda sample=sample: tokenizer.decode(tokenizer.encode(sample)))
        return "encoded"
    except LoomError:
        return "refused"
    except AssertionError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"

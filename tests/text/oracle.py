"""Our tokenizer and Hugging Face's side by side, and texts to compare them on."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.text.tokenizer import Tokenizer

from ..conftest import ROOT

DATA = ROOT / "tests" / "data"
NASTY: dict[str, list[str]] = json.loads((DATA / "nasty_strings.json").read_text("utf-8"))
NASTY_STRINGS = [text for texts in NASTY.values() for text in texts]


@cache
def smollm2_json() -> bytes:
    return gzip.decompress((DATA / "smollm2-tokenizer.json.gz").read_bytes())


@cache
def smollm2() -> Pair:
    return Pair(json.loads(smollm2_json()))


class Pair:
    """One `tokenizer.json` in both libraries."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.ours = Tokenizer.from_json(document)
        self.theirs = tokenizers.Tokenizer.from_str(json.dumps(document))

    def check(self, text: str) -> None:
        """Same ids with and without special tokens, same text back, and the stream adds up to it."""
        for special in (True, False):
            ids = self.theirs.encode(text, add_special_tokens=special).ids
            assert self.ours.encode(text, add_special_tokens=special) == ids, (text, special)
        self.check_ids(ids)

    def check_pair(self, text: str, other: str) -> None:
        """Same ids and types of one text and of two."""
        for second in (None, other):
            for special in (True, False):
                theirs = self.theirs.encode(text, second, add_special_tokens=special)
                ours = self.ours.encode_pair(text, second, add_special_tokens=special)
                assert (ours.ids, ours.type_ids) == (theirs.ids, theirs.type_ids), (text, second, special)

    def check_ids(self, ids: list[int]) -> None:
        for skip in (True, False):
            text = self.theirs.decode(ids, skip_special_tokens=skip)
            assert self.ours.decode(ids, skip_special_tokens=skip) == text, (ids, skip)
            stream = self.ours.decoder(skip_special_tokens=skip)
            parts = [stream.add(i) for i in ids]
            assert "".join(parts) + stream.finish() == text, (ids, skip)

    def check_random_ids(self) -> None:
        ids = sorted(self.theirs.get_vocab().values())

        @settings(max_examples=40, deadline=None)
        @given(st.lists(st.sampled_from(ids), min_size=1, max_size=30))
        def check(sample: list[int]) -> None:
            self.check_ids(sample)

        check()


# Characters and snippets at the borders of some class, rule or token.
SINGLE = "aAzZ09 _-.,!?'\u2019\t\n\r\x00\x0b\x1f\x7f\x85\xa0\xad\"\\"
BORDER = [
    *SINGLE,
    "'s",
    "'S",
    "'ll",
    "’t",
    "\r\n",
    "\n\n",
    "   ",
    "\u2028",
    "\u3000",
    "\u200d",
    "\ufe0f",
    "\u0301",
    "\u0345",
    "\u093f",
    "é",
    "ſ",
    "K",
    "ß",
    "ǅ",
    "ʰ",
    "İ",
    "Σ",
    "漢",
    "か",
    "한",
    "ก",
    "ع",
    "א",
    "क",
    "𠀀",
    "𐐀",
    "٣",
    "Ⅷ",
    "½",
    "²",
    "①",
    "𝟘",
    "一",
    "१",
    "\U0001f469\u200d\U0001f4bb",
    "🇫🇷",
    "👍🏽",
    "▁",
    "Ġ",
    "<0x41>",
    "�",
    "\U0010ffff",
    "\ufeff",
    "<|im_start|>",
    "<|im_end|>",
    "<|im_start",
    "|>",
    "<",
    "<unk>",
    "[A]",
    "<s>",
    "</s>",
    "<mask>",
    "new",
    "Day",
]

SURROGATE_FREE = st.characters(exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(SURROGATE_FREE, max_size=60),
    st.lists(st.sampled_from(BORDER), max_size=30).map("".join),
    st.lists(st.one_of(st.sampled_from(BORDER), st.text(SURROGATE_FREE, max_size=4)), max_size=16).map("".join),
    st.lists(st.sampled_from(NASTY_STRINGS[9:]), max_size=3).map("".join),
)

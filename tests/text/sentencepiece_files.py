"""SentencePiece files for tests: those kept with the tests, and one written field by field."""

from __future__ import annotations

import base64
import json
import struct
from functools import cache
from typing import Any

import numpy as np

from loom_py.formats.gguf import GGUFFile
from loom_py.formats.source import BytesSource
from loom_py.text.tokenizer import Tokenizer
from loom_py.text.tokenizer_sentencepiece import Extra, read_tokenizer_model

from .test_tokenizer_fixtures import unpacked


@cache
def kept_models() -> dict[str, dict[str, Any]]:
    """Small models with one switch of SentencePiece's trainer or another, and what it made of some texts."""
    return json.loads(unpacked("sentencepiece-switches.json"))


def kept(name: str) -> bytes:
    return base64.b64decode(kept_models()[name]["model"])


@cache
def gguf_metadata(name: str) -> dict[str, Any]:
    return dict(GGUFFile(BytesSource(unpacked(f"{name}.gguf"), f"{name}.gguf")).metadata)


def tokenizer_of(raw: bytes, extra: Extra | None = None) -> Tokenizer:
    return Tokenizer(read_tokenizer_model(BytesSource(raw, "tokenizer.model"), extra))


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def block(number: int, raw: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def number(place: int, value: int) -> bytes:
    return varint(place << 3) + varint(value)


def piece(token: str, score: float, kind: int) -> bytes:
    return block(1, block(1, token.encode()) + b"\x15" + struct.pack("<f", score) + number(3, kind))


def model_of(metadata: dict[str, Any]) -> bytes:
    """The file that the vocabulary of a GGUF was made from."""
    entries = {key.removeprefix("tokenizer.ggml."): value for key, value in metadata.items()}
    rows = zip(entries["tokens"], entries["scores"], entries["token_type"], strict=True)
    pieces = b"".join(piece(token, float(score), int(kind)) for token, score, kind in rows)
    trainer = number(3, 1 if entries["model"] == "t5" else 2) + number(35, 1)
    rules = number(3, 1) + number(4, int(entries.get("remove_extra_whitespaces", False)))
    if "precompiled_charsmap" in entries:
        rules += block(2, np.array(entries["precompiled_charsmap"]).astype(np.uint8).tobytes())
    return pieces + block(2, trainer) + block(3, rules)

"""Valid small files, changed at random: they open, or raise `FormatError`; never anything else, never much memory."""

from __future__ import annotations

import contextlib
import functools
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loom_py.errors import FormatError, LoomError, ModelError
from loom_py.formats.checkpoint import Checkpoint
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.safetensors import SafetensorsFile, SafetensorsIndex
from loom_py.formats.source import BytesSource
from loom_py.models.registry import gguf_config, gguf_decoder, read_decoder, read_decoder_file

from ..cost import check_cost
from ..models.test_config import BASE, LLAMA3
from . import builders as b
from .builders import array, gguf_bytes, pair, tensor, text

ST_FILE = safetensors.numpy.save(
    {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones((), np.int64), "c": np.zeros((0, 2), np.float16)},
    metadata={"format": "np"},
)
GGUF_FILE = gguf_bytes(
    [
        pair("general.architecture", b.STRING, text("llama")),
        pair("llama.embedding_length", b.U32, struct.pack("<I", 64)),
        pair("llama.block_count", b.U32, struct.pack("<I", 2)),
        pair("tokens", b.ARRAY, array(b.STRING, [text("a"), text("ß"), text("")])),
        pair("types", b.ARRAY, array(b.I32, [bytes(4)] * 3)),
        pair("flag", b.BOOL, b"\1"),
        pair("rate", b.F64, struct.pack("<d", 0.5)),
        pair("nested", b.ARRAY, array(b.ARRAY, [array(b.U8, [b"\1"])])),
    ],
    [tensor("x", [3, 2]), tensor("y", [32, 2], 3, 32), tensor("z", [256], 12, 96), tensor("w", [], 1, 256)],
    bytes(258),
)
INDEX_FILE = json.dumps({"metadata": {"total_size": 32}, "weight_map": {"a": "m.safetensors", "b": "m.safetensors"}})
CONFIG = BASE | {"eos_token_id": [1, 2], "rope_scaling": {"rope_type": "llama3", **LLAMA3}, "model_type": "llama"}

INTERESTING = [0, 1, 2, 7, 8, 9, 31, 127, 128, 255]
WORDS = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 32, 100_000_000]


@st.composite
def mutated(draw: st.DrawFn, original: bytes) -> bytes:
    """A few changes: a byte, a 64-bit word, a piece cut out, repeated or inserted, the end cut off."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 5)):
            case 0:
                data[at : at + 1] = bytes([draw(st.sampled_from(INTERESTING) | st.integers(0, 255))])
            case 1:
                data[at : at + 8] = struct.pack("<Q", draw(st.sampled_from(WORDS)))
            case 2:
                del data[at : at + draw(st.integers(1, 16))]
            case 3:
                data[at:at] = data[at : at + draw(st.integers(1, 16))]
            case 4:
                data[at:at] = draw(st.binary(max_size=8))
            case _:
                del data[at:]
    return bytes(data)


def use(checkpoint: Checkpoint) -> None:
    """All operations on a checkpoint that opened."""
    for name in checkpoint.names():
        info = checkpoint.info(name)
        assert len(checkpoint.raw(name)) == info.nbytes
        with contextlib.suppress(FormatError):  # bytes that are not booleans, blocks that can only be read raw
            loaded = checkpoint.load(name)
            assert loaded.shape == info.shape
            assert loaded.dtype == np.float32


FUZZ = settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])


def quickly(test: Callable[[Any], None]) -> Callable[[Any], None]:
    """The test, in which no example may take long."""

    @functools.wraps(test)
    def checked(*args: Any, **kwargs: Any) -> None:
        check_cost(2, lambda: test(*args, **kwargs))

    return checked


@given(mutated(ST_FILE))
@FUZZ
@quickly
def test_safetensors(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        use(SafetensorsFile(BytesSource(data)))


@given(mutated(GGUF_FILE))
@FUZZ
@quickly
def test_gguf(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        file = GGUFFile(BytesSource(data))
        use(file)
        with contextlib.suppress(ModelError):
            gguf_decoder(file)


@given(mutated(INDEX_FILE.encode()))
@FUZZ
@quickly
def test_index(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        use(SafetensorsIndex(BytesSource(data), {"m.safetensors": BytesSource(ST_FILE)}))


@given(mutated(json.dumps(CONFIG).encode()))
@FUZZ
@quickly
def test_config_bytes(data: bytes) -> None:
    with contextlib.suppress(FormatError, ModelError):
        read_decoder_file(BytesSource(data))


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*LLAMA3, "type", "rope_type"]), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*CONFIG, "head_dim", "bos_token_id", "sliding_window"]), JSON, max_size=3))
@FUZZ
@quickly
def test_config_values(change: dict[str, Any]) -> None:
    with contextlib.suppress(FormatError, ModelError):
        decoder = read_decoder(CONFIG | change)
        assert list(decoder.weights()) != []


METADATA = {
    "general.architecture": "llama",
    "llama.embedding_length": 64,
    "llama.block_count": 2,
    "llama.attention.head_count": 4,
    "llama.feed_forward_length": 9,
    "llama.vocab_size": 5,
}
KEYS = [
    *METADATA,
    "llama.rope.freq_base",
    "llama.context_length",
    "llama.attention.head_count_kv",
    "llama.rope.scaling.type",
    "tokenizer.ggml.tokens",
    "llama.expert_count",
]


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3))
@FUZZ
@quickly
def test_gguf_metadata_values(change: dict[str, Any]) -> None:
    with contextlib.suppress(FormatError, ModelError):
        read_decoder(gguf_config(METADATA | change))


@pytest.mark.parametrize("original", [ST_FILE, GGUF_FILE])
def test_every_truncation(original: bytes) -> None:
    """Cut anywhere, a file is refused with a typed error that names it (all but GGUF's padding is needed)."""
    reader = SafetensorsFile if original is ST_FILE else GGUFFile
    for size in range(len(original)):
        with pytest.raises(LoomError, match=r"cut\.bin at "):
            reader(BytesSource(original[:size], "cut.bin"))


@pytest.mark.parametrize("original", [ST_FILE, GGUF_FILE])
def test_every_byte_flipped(original: bytes) -> None:
    reader = SafetensorsFile if original is ST_FILE else GGUFFile
    for at in range(len(original)):
        for flip in (0x01, 0x80, 0xFF):
            data = bytearray(original)
            data[at] ^= flip
            with contextlib.suppress(FormatError):
                use(reader(BytesSource(data)))

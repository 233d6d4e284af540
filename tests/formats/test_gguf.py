"""GGUF: every metadata type, what the `gguf` package writes, the real model's file, and how little is read."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize

from loom_py.errors import FormatError, InputError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.source import BytesSource, FileSource

from ..cost import check_cost
from . import builders as b
from .builders import CountingSource, array, gguf_bytes, pair, tensor, text
from .test_quant import BLOCK_TYPES
from .tiny_gguf import HIDDEN, LAYERS, TinyGGUF

Open = Callable[[Path], FileSource]


def opened(data: bytes) -> GGUFFile:
    return GGUFFile(BytesSource(data, "x.gguf"))


def test_every_metadata_type() -> None:
    one = {
        b.U8: ("<B", 200), b.I8: ("<b", -100), b.U16: ("<H", 60000), b.I16: ("<h", -30000), b.U32: ("<I", 2**32 - 1),
        b.I32: ("<i", -(2**31)), b.F32: ("<f", 0.5), b.BOOL: ("<?", True), b.U64: ("<Q", 2**64 - 1),
        b.I64: ("<q", -(2**63)), b.F64: ("<d", 0.1),
    }  # fmt: skip
    pairs = [pair(f"one.{kind}", kind, struct.pack(*value)) for kind, value in one.items()]
    pairs += [pair(f"many.{kind}", b.ARRAY, array(kind, [struct.pack(*value)] * 3)) for kind, value in one.items()]
    pairs += [
        pair("text", b.STRING, text("grüße 🎈")),
        pair("texts", b.ARRAY, array(b.STRING, [text("a"), text(""), text("ß")])),
        pair("none", b.ARRAY, array(b.STRING, [])),
        pair("nested", b.ARRAY, array(b.ARRAY, [array(b.U8, [b"\1", b"\2"]), array(b.STRING, [text("x")])])),
    ]
    for version in (2, 3):
        file = opened(gguf_bytes(pairs, version=version))
        assert file.version == version
        for kind, (_, value) in one.items():
            assert file.metadata[f"one.{kind}"] == value
            assert type(file.metadata[f"one.{kind}"]) is type(value)
            assert file.metadata[f"many.{kind}"] == [value] * 3
        assert file.metadata["text"] == "grüße 🎈"
        assert file.metadata["texts"] == ["a", "", "ß"]
        assert file.metadata["none"] == []
        assert file.metadata["nested"] == [[1, 2], ["x"]]
        assert file.names() == []


def test_shapes_are_row_major_and_order_is_kept() -> None:
    infos = [tensor("second", [3, 2], offset=32), tensor("scalar", [], offset=64), tensor("first", [8], offset=0)]
    values = np.arange(8, dtype="<f4").tobytes() + np.arange(6, dtype="<f4").tobytes() + bytes(8)
    file = opened(gguf_bytes((), infos, values + np.float32(7).tobytes()))
    assert file.names() == ["second", "scalar", "first"]
    assert file.load("second").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert file.load("scalar") == np.float32(7)
    assert file.raw_rows("second").shape == (2, 12)
    assert file.info("second").offset == file.data_offset + 32


def test_alignment_of_the_file() -> None:
    pairs = [pair("general.alignment", b.U32, struct.pack("<I", 128))]
    file = opened(gguf_bytes(pairs, [tensor("a", [2])], np.array([4, 5], "<f4").tobytes(), alignment=128))
    assert file.data_offset % 128 == 0
    assert file.load("a").tolist() == [4, 5]


TYPES = ["F32", "F16", "F64", "I8", "I16", "I32", "I64", *BLOCK_TYPES]


@pytest.mark.parametrize("name", TYPES)
def test_types_written_by_the_package(name: str, tmp_path: Path, open_file: Open) -> None:
    kind = gguf.GGMLQuantizationType[name]
    block, size = gguf.constants.GGML_QUANT_SIZES[kind]
    rng = np.random.default_rng(3)
    path = tmp_path / "t.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    plain = {"F32": "f4", "F16": "f2", "F64": "f8", "I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8"}
    if name in plain:
        stored = (rng.normal(0, 50, (6, 40))).astype(plain[name])
        writer.add_tensor("t", stored)
        expected = stored.astype(np.float32)
    else:
        stored = rng.integers(0, 120, (6, 3 * 256 // block * size), dtype=np.uint8)
        writer.add_tensor("t", stored, raw_dtype=kind)
        expected = dequantize(stored, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = GGUFFile(open_file(path))
    assert file.info("t").dtype == name
    np.testing.assert_array_equal(file.load("t"), expected)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(file.load("t", np.float16), expected.astype(np.float16))
    assert bytes(file.raw("t")) == stored.tobytes()
    assert file.raw_rows("t").shape == (6, stored.nbytes // 6)
    if name in plain:
        np.testing.assert_array_equal(file.view("t"), stored)
        assert np.shares_memory(file.view("t"), np.frombuffer(file.raw("t"), np.uint8))


def test_blocks_that_can_only_be_handed_out_raw() -> None:
    file = opened(gguf_bytes((), [tensor("a", [256], 16)], bytes(66)))
    assert file.info("a").dtype == "IQ2_XXS"
    assert len(file.raw("a")) == 66
    with pytest.raises(FormatError, match=r"x\.gguf at byte \d+: the tensor a is stored as IQ2_XXS"):
        file.load("a")
    with pytest.raises(InputError, match="Use raw for the blocks"):
        file.view("a")


def test_tiny_model(tiny: TinyGGUF, open_file: Open) -> None:
    file = GGUFFile(open_file(tiny.path))
    assert file.metadata["llama.block_count"] == LAYERS
    assert file.metadata["tokenizer.ggml.tokens"] == tiny.tokens
    assert file.info("token_embd.weight").shape == (len(tiny.tokens), HIDDEN)
    np.testing.assert_array_equal(file.load("output.weight"), tiny.weights["lm_head.weight"])


def test_strings_across_windows() -> None:
    """A vocabulary larger than the reader's window, with strings larger than it too."""
    rng = np.random.default_rng(4)
    words = ["é" * int(n) for n in rng.integers(0, 3000, 1500)] + ["x" * 3_000_000, "end"]
    pairs = [pair("words", b.ARRAY, array(b.STRING, [text(w) for w in words])), pair("after", b.U8, b"\5")]
    source = CountingSource(BytesSource(gguf_bytes(pairs), "x.gguf"))
    file = GGUFFile(source)
    assert file.metadata["words"] == words
    assert file.metadata["after"] == 5
    assert source.total < 2 * source.size


def test_memory_of_widening_stays_small() -> None:
    rows = 4000
    file = opened(gguf_bytes((), [tensor("a", [1024, rows], 14)], bytes(rows * 4 * 210)))
    tracemalloc.start()
    result = file.load("a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < result.nbytes + 8_000_000


def test_sparse_file_beyond_three_gigabytes(tmp_path: Path, open_file: Open) -> None:
    rows = 100_000
    big = rows * 32768
    raw = gguf_bytes((), [tensor("big", [8192, rows], 0), tensor("last", [32], 2, big)], b"")
    path = tmp_path / "big.gguf"
    block = np.float16(2).tobytes() + bytes([0x98] * 16)
    with open(path, "wb") as file:
        file.write(raw)
        file.seek(len(raw) + big)
        file.write(block)
    assert path.stat().st_size > 3_000_000_000
    source = CountingSource(open_file(path))
    opened_file = GGUFFile(source)
    assert opened_file.load("last").tolist() == [0.0] * 16 + [2.0] * 16
    assert source.total < 2_000_000
    assert opened_file.view("big").shape == (rows, 8192)


@pytest.mark.model
def test_real_file(real_gguf: Path, open_file: Open) -> None:
    source = CountingSource(open_file(real_gguf))
    file = GGUFFile(source)
    assert source.total < file.data_offset + 1_200_000  # the header and what is left of the last window
    assert len(file.metadata["tokenizer.ggml.tokens"]) == 49152
    check_cost(0.5, lambda: GGUFFile(open_file(real_gguf)))
    reference = gguf.GGUFReader(real_gguf)
    assert [t.name for t in reference.tensors] == file.names()
    for theirs in reference.tensors:
        info = file.info(theirs.name)
        assert (info.offset, info.dtype) == (theirs.data_offset, theirs.tensor_type.name)
        np.testing.assert_array_equal(file.load(theirs.name), dequantize(theirs.data, theirs.tensor_type))

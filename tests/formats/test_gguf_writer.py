"""Writing GGUF: what PyPI's `gguf` reads of a header, and blocks as its reference quantises them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from loom_py.errors import FormatError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.gguf_writer import ALIGNMENT, TensorPlan, gguf_header, padding
from loom_py.formats.quant import widen
from loom_py.formats.quantise import quantised
from loom_py.formats.source import BytesSource

METADATA: dict[str, Any] = {
    "general.architecture": "llama",
    "a.count": 4_000_000_000,
    "a.below": -5,
    "a.share": 0.1,
    "a.flag": True,
    "a.text": "héllo ▁",
    "a.texts": ["", "é", "x y"],
    "a.numbers": [3, -1, 0],
    "a.shares": [0.5, -2.0],
    "a.bytes": bytes(range(250, 256)),
}


def test_another_reader_sees_the_same(tmp_path: Path) -> None:
    one, other = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(5, dtype=np.float16)
    plans = [TensorPlan("one", (2, 3), "F32"), TensorPlan("other", (5,), "F16")]
    header = gguf_header(METADATA, plans)
    assert len(header) % ALIGNMENT == 0
    path = tmp_path / "a.gguf"
    path.write_bytes(header + one.tobytes() + padding(24) + other.tobytes() + padding(10))
    theirs, ours = gguf.GGUFReader(path), GGUFFile(BytesSource(path.read_bytes(), "a.gguf"))
    for key, value in METADATA.items():
        expected = list(value) if isinstance(value, bytes) else value
        for got in (theirs.fields[key].contents(), ours.metadata[key]):
            assert np.all(np.array(got) == expected) if isinstance(value, float) is False else got == np.float32(value)
    for tensor, numbers in zip(theirs.tensors, (one, other), strict=True):
        np.testing.assert_array_equal(tensor.data, numbers)
        np.testing.assert_array_equal(ours.load(tensor.name), numbers)


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(FormatError, match=r"a\.big: 4294967296 is too large"):
        gguf_header({"a.big": 1 << 32}, [])


def random_rows() -> np.ndarray:
    rows = np.random.default_rng(3).normal(size=(6, 96)).astype(np.float32)
    rows[1, :32] = 0
    rows[2] *= 1e-6
    rows[3] *= 1e3
    rows[4, 32:64] = 7.0
    return rows


@pytest.mark.parametrize("dtype", ["Q4_0", "Q4_1"])
def test_blocks_are_those_of_the_reference(dtype: str) -> None:
    rows = random_rows()
    theirs = gguf.quantize(rows, gguf.GGMLQuantizationType[dtype])
    np.testing.assert_array_equal(quantised(rows, dtype), theirs)


def test_eight_bits_are_as_near_as_they_can_be() -> None:
    """The reference divides by a scale that it rounds afterwards; here q belongs to the scale that is stored."""
    rows = random_rows()
    errors: list[np.ndarray] = []
    for blocks in (quantised(rows, "Q8_0"), gguf.quantize(rows, gguf.GGMLQuantizationType.Q8_0)):
        out = np.empty((blocks.size // 34, 32), np.float32)
        widen(blocks.reshape(-1, 34), "Q8_0", out)
        errors.append(np.linalg.norm(out.reshape(rows.shape) - rows, axis=1))
    assert (errors[0] <= errors[1] * 1.001).all()

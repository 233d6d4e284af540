"""Weights between a file's order and the model's."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from loom_py.errors import ModelError
from loom_py.formats.safetensors import SafetensorsFile
from loom_py.formats.source import FileSource
from loom_py.models.protocols import Weight
from loom_py.models.rope import unpermute_rope_rows
from loom_py.models.weights import CheckpointWeights, as_hugging_face
from loom_py.runtime.simd.device import STAGING_BYTES, SimdDevice
from loom_py.runtime.tensor import DeviceTensor

INTERLEAVED = partial(unpermute_rope_rows, heads=2)


@pytest.mark.parametrize(
    "weight",
    [
        Weight("w", (12, 5)),
        Weight("w", (12, 5), transposed=True),
        Weight("w", (12, 5), order=INTERLEAVED),
        Weight("w", (12,), order=INTERLEAVED),
        Weight("w", (12,), offset=1.0),
        Weight("w", (12, 5), parts=("a", "b", "c")),
    ],
)
def test_as_hugging_face_is_what_loading_undoes(weight: Weight, tmp_path: Path) -> None:
    numbers = np.arange(np.prod(weight.shape), dtype=np.float32).reshape(weight.shape)
    stored = {name: np.ascontiguousarray(part) for name, part in as_hugging_face(weight, numbers).items()}
    assert set(stored) == set(weight.parts or ["w"])
    assert (weight.order is None and not weight.offset) or (stored["w"] != numbers).any()
    safetensors.numpy.save_file(stored, tmp_path / "m.safetensors")
    file = SafetensorsFile(FileSource(tmp_path / "m.safetensors"))
    np.testing.assert_array_equal(CheckpointWeights(file, [weight], "hugging_face").numbers("w"), numbers)


class _Watched(FileSource):
    """A file that notes how many bytes are asked for at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[int] = []

    def read(self, offset: int, length: int) -> memoryview:
        self.asked.append(length)
        return super().read(offset, length)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_large_matrix_is_never_read_whole(dtype: str, tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=(6007, 256)).astype(dtype)
    safetensors.numpy.save_file({"w": numbers}, tmp_path / "m.safetensors")
    source = _Watched(tmp_path / "m.safetensors")
    weights = CheckpointWeights(SafetensorsFile(source), [Weight("w", numbers.shape)], "hugging_face")
    device = SimdDevice()
    stored = weights.upload("w", device)
    assert max(source.asked) <= STAGING_BYTES < numbers.nbytes
    rows = device.download(DeviceTensor(stored.tensor.address, numbers.shape, dtype))
    np.testing.assert_array_equal(rows, numbers)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_is_not_finite_in_the_last_rows_leaves_nothing_on_the_device(dtype: str, tmp_path: Path) -> None:
    numbers = np.zeros((6007, 256), dtype)
    numbers[-1, -1] = np.nan
    safetensors.numpy.save_file({"w": numbers}, tmp_path / "m.safetensors")
    file = SafetensorsFile(FileSource(tmp_path / "m.safetensors"))
    weights = CheckpointWeights(file, [Weight("w", numbers.shape)], "hugging_face")
    device = SimdDevice()
    before = device.memory.used
    with pytest.raises(ModelError, match="the weight w holds NaN or infinity"):
        weights.upload("w", device)
    assert device.memory.used == before

"""Weights between a file's order and the model's."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from loom_py.formats.safetensors import SafetensorsFile
from loom_py.formats.source import FileSource
from loom_py.models.protocols import Weight
from loom_py.models.rope import unpermute_rope_rows
from loom_py.models.weights import CheckpointWeights, as_hugging_face

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

"""Caches of layers that keep a fixed number of rows beside those that keep every position."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from loom_py.generation.cache import Cache, DeviceCache, NumpyCache
from loom_py.models.protocols import CacheLayout, Chunk, Facts, Kept, Tensors, Weight, keys_and_values
from loom_py.runtime import Ops, Tensor
from loom_py.runtime.simd import SimdDevice


class Keeping:
    """A `Decoder` with nothing but a cache layout."""

    def __init__(self, *layers: dict[str, Kept]) -> None:
        self.layers = layers

    facts = Facts("test", 9, 4, 2, 40)

    def weights(self) -> Iterator[Weight]:
        yield from ()

    def new_cache(self) -> CacheLayout:
        return self.layers

    def trace(self, ops: Ops, weights: Tensors, chunk: Chunk) -> Tensor:
        raise NotImplementedError

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        raise NotImplementedError


KEYS, TAIL = keys_and_values(2, 3), {"tail": Kept((4,), rows=2)}
Values = Callable[[], dict[str, NDArray[np.float32]]]
Fill = Callable[[str, NDArray[np.float32]], None]


@pytest.fixture(params=["numpy", "simd"])
def make_cache(request: pytest.FixtureRequest) -> Iterator[Callable[..., tuple[Cache, Values, Fill]]]:
    """Makes a cache, with functions that read and overwrite its contents."""
    device = SimdDevice()

    def make(*layers: dict[str, Kept]) -> tuple[Cache, Values, Fill]:
        if request.param == "numpy":
            cache = NumpyCache(Keeping(*layers))
            return cache, lambda: cache.arrays, lambda name, value: cache.arrays[name].__setitem__(..., value)
        device_cache = DeviceCache(Keeping(*layers), device)
        read: Values = lambda: {name: device.download(t) for name, t in device_cache.tensors.items()}  # noqa: E731
        return device_cache, read, lambda name, value: device.write(device_cache.tensors[name], value)

    yield make
    device.close()


def test_a_large_models_cache_begins_smaller(
    make_cache: Callable[..., tuple[Cache, Values, Fill]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """512 positions of Qwen3-0.6B's keys and values would take a third of its weights in Q4_0."""
    for kind in (NumpyCache, DeviceCache):
        monkeypatch.setattr(kind, "smallest", 8)
    for limit, expected in ((8 * 2 * 2 * 3 * 4, 8), (8 * 2 * 2 * 3 * 4 - 1, 4)):
        monkeypatch.setattr("loom_py.generation.cache.FIRST_BYTES", limit)
        cache, _, _ = make_cache(KEYS, TAIL)
        cache.reserve(1)
        assert cache.capacity == expected


@pytest.mark.parametrize("smallest", [4])
def test_growing_keeps_positions_and_tails(
    make_cache: Callable[..., tuple[Cache, Values, Fill]], smallest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (NumpyCache, DeviceCache):
        monkeypatch.setattr(kind, "smallest", smallest)
    cache, values, fill = make_cache(KEYS, TAIL)
    cache.reserve(3)
    assert {name: value.shape for name, value in values().items()} == {
        "keys.0": (4, 2, 3), "values.0": (4, 2, 3), "tail.1": (2, 4),
    }  # fmt: skip
    assert not values()["tail.1"].any()
    rng = np.random.default_rng(0)
    before = {name: rng.normal(size=value.shape).astype(np.float32) for name, value in values().items()}
    for name, value in before.items():
        fill(name, value)
    cache.add([1, 2, 3])
    cache.reserve(5)
    assert cache.capacity == 8
    assert values()["keys.0"].shape == (8, 2, 3)
    np.testing.assert_array_equal(values()["keys.0"][:3], before["keys.0"][:3])
    np.testing.assert_array_equal(values()["tail.1"], before["tail.1"])


def test_what_cannot_be_rewound_starts_again(make_cache: Callable[..., tuple[Cache, Values, Fill]]) -> None:
    cache, values, fill = make_cache(KEYS, TAIL)
    cache.reserve(3)
    cache.add([1, 2, 3])
    fill("tail.1", np.ones((2, 4), np.float32))
    cache.truncate(3)
    assert (cache.length, values()["tail.1"].any()) == (3, True)
    cache.truncate(2)
    assert (cache.length, values()["tail.1"].any()) == (0, False)
    cache.add([1, 2, 3])
    fill("tail.1", np.ones((2, 4), np.float32))
    cache.begin()  # and the work is abandoned
    cache.truncate(3)
    assert (cache.length, values()["tail.1"].any()) == (0, False)


def test_keys_and_values_are_rewound(make_cache: Callable[..., tuple[Cache, Values, Fill]]) -> None:
    cache, _, _ = make_cache(KEYS, KEYS)
    cache.reserve(3)
    cache.add([1, 2, 3])
    cache.begin()
    cache.truncate(2)
    assert cache.length == 2

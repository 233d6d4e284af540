"""The primitives against naive float64 references and their own properties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.analysis import pods
from loom_py.errors import FormatError, InputError

RNG = np.random.default_rng(0)
U64 = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 300))
I64 = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-300, 300))


def test_gemm() -> None:
    a, b = RNG.normal(size=(5, 7)), RNG.normal(size=(7, 3))
    expected = [[-1.5 * sum(a[i, k] * b[k, j] for k in range(7)) for j in range(3)] for i in range(5)]
    np.testing.assert_allclose(pods.gemm(-1.5, a, b, dtype=np.float64), expected, rtol=1e-12)
    single = pods.gemm(-1.5, a, b)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="do not fit"):
        pods.gemm(1, a, a)
    with pytest.raises(InputError, match="alpha"):
        pods.gemm(math.inf, a, b)


def test_softmax_and_layernorm() -> None:
    x = RNG.normal(size=(4, 6)) * 50
    e = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(pods.softmax(x, dtype=np.float64), e / e.sum(axis=1, keepdims=True), rtol=1e-12)
    y = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(pods.layernorm(x, dtype=np.float64), y, rtol=1e-10)
    assert pods.softmax([1000.0, 0.0]).tolist() == [1.0, 0.0]
    for bad in (3.0, [], [[np.nan]]):
        with pytest.raises(InputError):
            pods.softmax(bad)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_scans(values: list[int]) -> None:
    x = np.array(values, np.uint32)
    totals = [t % 2**32 for t in itertools.accumulate(values)]
    assert pods.inclusive_scan(x).tolist() == totals
    assert pods.exclusive_scan(x).tolist() == ([0, *totals[:-1]] if values else [])
    assert pods.inclusive_scan(x).dtype == np.uint32
    with pytest.raises(InputError):
        pods.inclusive_scan([[1]])


def test_reduce() -> None:
    x = RNG.normal(size=1000)
    assert pods.reduce(x) == pytest.approx(math.fsum(x), rel=1e-12)
    assert (pods.reduce(x, "min"), pods.reduce(x, "max")) == (min(x), max(x))
    assert [pods.reduce([], k) for k in ("sum", "min", "max")] == [0.0, 0.0, 0.0]  # type: ignore[arg-type]
    with pytest.raises(InputError, match="reduction"):
        pods.reduce(x, "mean")  # type: ignore[arg-type]


def test_stft_by_its_sum() -> None:
    x = RNG.normal(size=50)
    s = pods.stft(x, window=16, hop=5)
    assert s.values.shape == ((50 - 16) // 5 + 1, 9)
    n = np.arange(16)
    w = [0.5 * (1 - math.cos(2 * math.pi * i / 16)) for i in range(16)]
    for t, f in itertools.product(range(len(s.values)), range(9)):
        direct = sum(w[i] * x[5 * t + i] * np.exp(-2j * math.pi * f * i / 16) for i in n)
        assert abs(s.values[t, f] - direct) < 1e-12


def test_stft_defaults_and_inverse() -> None:
    rate, hertz = 16_000, 1000
    tone = np.sin(2 * np.pi * hertz * np.arange(8192) / rate)
    s = pods.stft(tone)
    assert (s.window, s.hop, s.values.shape) == (1024, 256, (29, 513))
    assert set(s.magnitude.argmax(axis=1)) == {hertz * 1024 // rate}
    back = pods.istft(s)
    assert back.shape == tone.shape
    np.testing.assert_allclose(back[1:], tone[1:], atol=1e-9)
    assert back[0] == 0, "no frame weighs the first sample"
    short = pods.stft([[1.0, 9.0], [2.0, 9.0]], window=4, hop=1)
    np.testing.assert_array_equal(short.values, pods.stft([1.0, 2.0, 0.0, 0.0], window=4, hop=1).values)
    for bad in ({"window": 1}, {"hop": 0}, {"window": 2.5}):
        with pytest.raises(InputError):
            pods.stft(tone, **bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="signal"):
        pods.stft([])


def cheapest(walls: np.ndarray, cost: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """Plain Bellman–Ford."""
    best = np.full(walls.shape, np.inf)
    best[start] = 0
    for _ in range(walls.size):
        around = np.pad(best, 1, constant_values=np.inf)
        nearest = np.minimum.reduce([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]])
        best = np.where(walls, np.inf, np.minimum(best, nearest + cost))
    return best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 7), st.integers(1, 7), st.booleans())
def test_astar_is_cheapest(seed: int, rows: int, cols: int, priced: bool) -> None:
    rng = np.random.default_rng(seed)
    walls = rng.random((rows, cols)) < 0.3
    cost = rng.integers(0, 5, (rows, cols)).astype(float) if priced else np.ones((rows, cols))
    start, goal = ((int(rng.integers(rows)), int(rng.integers(cols))) for _ in range(2))
    result = pods.astar(walls, start, goal, cost if priced else None)
    best = cheapest(walls, cost, start)[goal] if not walls[start] else np.inf
    if result is None:
        assert best == np.inf
        return
    path, total = result
    assert (path[0], path[-1]) == (start, goal)
    assert total == pytest.approx(best)
    assert total == pytest.approx(sum(cost[cell] for cell in path[1:]))
    assert not any(walls[cell] for cell in path)
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in itertools.pairwise(path))


def test_astar_bad_input() -> None:
    walls = np.zeros((2, 3))
    for start in ((2, 0), (0, 3), (-1, 0), (0.5, 0), (0,)):
        with pytest.raises(InputError, match="start"):
            pods.astar(walls, start, (0, 0))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cost"):
        pods.astar(walls, (0, 0), (1, 1), -np.ones((2, 3)))
    with pytest.raises(InputError, match="blocked"):
        pods.astar([0, 1], (0, 0), (0, 0))


def test_frustum() -> None:
    look = np.diag([1.0, 1.0, 1.0, 1.0])  # clip space itself: the cube −1 … 1
    planes = pods.frustum_planes(look)
    low = RNG.uniform(-3, 3, (300, 3))
    high = low + RNG.uniform(0, 2, (300, 3))
    overlaps = ((high >= -1) & (low <= 1)).all(axis=1)
    np.testing.assert_array_equal(pods.cull_frustum(planes, low, high), overlaps)
    assert 0 < overlaps.sum() < 300


def test_frustum_by_corners_and_never_drops_what_is_inside() -> None:
    planes = RNG.normal(size=(6, 4)) + np.array([0, 0, 0, 1.5])
    low = RNG.uniform(-3, 3, (500, 3))
    high = low + RNG.uniform(0, 1, (500, 3))
    seen = pods.cull_frustum(planes, low, high)
    corners = np.stack([np.where(pick, high, low) for pick in itertools.product((False, True), repeat=3)], axis=1)
    side = np.einsum("ncx,px->npc", corners, planes[:, :3]) + planes[:, 3][:, None]
    np.testing.assert_array_equal(seen, (side.max(axis=2) >= 0).all(axis=1))
    inside = (side >= 0).all(axis=1).any(axis=1)
    assert inside.any()
    assert seen[inside].all()


def test_frustum_of_a_perspective_camera() -> None:
    near, far = 1.0, 10.0
    camera = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -(far + near) / (far - near), -20 / 9], [0, 0, -1, 0]])
    points = RNG.uniform(-12, 12, (2000, 3))
    clip = np.c_[points, np.ones(2000)] @ camera.T
    visible = (np.abs(clip[:, :3]) <= clip[:, 3:]).all(axis=1)
    np.testing.assert_array_equal(pods.cull_frustum(pods.frustum_planes(camera), points, points), visible)
    assert visible.any()


def test_frustum_bad_input() -> None:
    with pytest.raises(InputError, match=r"maximum\[1\]"):
        pods.cull_frustum(np.ones((1, 4)), np.zeros((2, 3)), [[1, 1, 1], [1, -1, 1]])
    with pytest.raises(InputError, match="planes"):
        pods.cull_frustum(np.ones((1, 3)), np.zeros((2, 3)), np.ones((2, 3)))
    with pytest.raises(InputError, match="direction"):
        pods.frustum_planes(np.zeros((4, 4)))


def test_yuv() -> None:
    np.testing.assert_allclose(pods.rgb_to_yuv444([255, 255, 255]), [255, 0, 0], atol=1e-10)
    pixel = pods.rgb_to_yuv444([[[1.0, 0.5, 0.25]]])[0, 0]
    y = 0.2126 * 1 + 0.7152 * 0.5 + 0.0722 * 0.25
    np.testing.assert_allclose(pixel, [y, -0.1146 - 0.1927 + 0.125, 0.5 - 0.2271 - 0.01145])
    image = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    np.testing.assert_allclose(pods.yuv444_to_rgb(pods.rgb_to_yuv444(image)), image, atol=1e-9)
    with pytest.raises(InputError, match="last axis"):
        pods.rgb_to_yuv444([1, 2])


def naive_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


@settings(max_examples=200, deadline=None)
@given(st.lists(U64, max_size=20))
def test_varints(values: list[int]) -> None:
    data = pods.encode_varints(values)
    assert data == b"".join(map(naive_varint, values))
    assert pods.decode_varints(data).tolist() == values


@settings(max_examples=200, deadline=None)
@given(st.lists(I64, max_size=20))
def test_delta_packing(values: list[int]) -> None:
    assert pods.delta_unpack(pods.delta_pack(np.array(values, np.int64))).tolist() == values
    slow = np.arange(1000) * 3 + 10**12
    assert len(pods.delta_pack(slow)) < 1010


def naive_decode(data: bytes) -> list[int] | None:
    """None for numbers cut off or beyond 64 bits."""
    total, shift, numbers = 0, 0, []
    for byte in data:
        total |= (byte & 127) << shift
        shift += 7
        if shift > 70 or total >= 2**64:
            return None
        if byte < 128:
            numbers.append(total)
            total, shift = 0, 0
    return numbers if shift == 0 else None


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=30), st.lists(st.sampled_from([0, 1, 2, 127, 128, 255]), max_size=30).map(bytes)))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    expected = naive_decode(data)
    if expected is None:
        with pytest.raises(FormatError, match="at byte"):
            pods.decode_varints(data)
    else:
        assert pods.decode_varints(data).tolist() == expected


def test_varint_bad_input() -> None:
    with pytest.raises(InputError, match=r"values\[1\]"):
        pods.encode_varints([1, -1])
    for bad in ([0.5], [[1]], ["a"], [2**64], [True]):
        with pytest.raises(InputError):
            pods.encode_varints(bad)
    with pytest.raises(FormatError, match="cut off"):
        pods.decode_varints(b"\x01\x80")
    with pytest.raises(FormatError, match="at byte 10"):
        pods.decode_varints(b"\x00" + b"\xff" * 9 + b"\x02")
    with pytest.raises(InputError, match="with a sign"):
        pods.delta_pack(np.array([2**63], np.uint64))

"""safetensors: against the `safetensors` package as writer and as reference for validity, and sharded checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loom_py.errors import FormatError, InputError
from loom_py.formats.safetensors import SafetensorsFile, SafetensorsIndex
from loom_py.formats.source import BytesSource, FileSource, Source

from .builders import CountingSource, entry, safetensors_bytes

DTYPES = ["f8", "f4", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda n: n != "__metadata__")


def opened(data: bytes, name: str = "x.safetensors") -> SafetensorsFile:
    return SafetensorsFile(BytesSource(data, name))


@given(st.dictionaries(NAMES, ARRAYS, max_size=5), st.dictionaries(st.text("abc é"), st.text("xyz\n"), max_size=3))
def test_reads_what_the_package_writes(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    metadata = metadata if tensors else {}  # without tensors the package writes metadata that it cannot read back
    data = safetensors.numpy.save(tensors, metadata=metadata or None)
    file = opened(data)
    assert dict(file.metadata) == metadata
    assert set(file.names()) == set(tensors)
    assert len(file) == len(tensors)
    for name, value in tensors.items():
        info = file.info(name)
        assert (info.shape, info.nbytes) == (value.shape, value.nbytes)
        assert bytes(file.raw(name)) == value.tobytes()
        view = file.view(name)
        assert view.dtype == value.dtype
        np.testing.assert_array_equal(view, value)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(file.load(name), value.astype(np.float32))


def test_views_share_the_source_s_memory() -> None:
    data = bytearray(safetensors.numpy.save({"a": np.arange(4, dtype=np.float32)}))
    view = SafetensorsFile(BytesSource(data, "x")).load("a")
    assert not view.flags.writeable
    data[-4:] = np.float32(9).tobytes()
    assert view[3] == 9


def test_bfloat16_and_float8() -> None:
    values = np.array([1.5, -2.0, 0.0078125, 3e38], np.float32)
    bf16 = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {
        "a": entry("BF16", [4], [0, 8]),
        "b": entry("F8_E4M3", [2], [8, 10]),
        "c": entry("F8_E5M2", [2], [10, 12]),
    }
    file = opened(safetensors_bytes(header, bf16 + b"\x38\xb8\x3c\xbc"))
    np.testing.assert_array_equal(file.load("a").view(np.uint32), values.view(np.uint32) & 0xFFFF0000)
    assert file.view("a").dtype == np.uint16
    assert file.load("b").tolist() == file.load("c").tolist() == [1.0, -1.0]
    assert file.load("a", np.float64).dtype == np.float64


def test_unaligned_data_is_copied_to_be_aligned() -> None:
    header = {"a": entry("U8", [1], [0, 1]), "b": entry("F32", [2], [1, 9])}
    file = opened(safetensors_bytes(header, b"\x07" + np.array([1, 2], "<f4").tobytes()))
    assert file.load("b").flags.aligned
    assert file.load("b").tolist() == file.view("b").tolist() == [1, 2]


def test_only_the_header_is_read() -> None:
    source = CountingSource(BytesSource(safetensors.numpy.save({"a": np.zeros(10**6, np.float32)}), "x"))
    file = SafetensorsFile(source)
    assert source.total < 1000
    file.load("a")
    assert source.total < 1000 + 4 * 10**6


def test_bool_of_other_bytes() -> None:
    file = opened(safetensors_bytes({"a": entry("BOOL", [2], [0, 2])}, b"\x01\x02"))
    with pytest.raises(FormatError, match=r"x\.safetensors at byte \d+: the BOOL tensor a"):
        file.view("a")


def test_unknown_name() -> None:
    with pytest.raises(InputError, match="no tensor 'b'"):
        opened(safetensors_bytes({})).load("b")


def test_space_padding_is_legal_and_names_may_be_odd() -> None:
    header = json.dumps({"": entry(), "__proto__": entry("F32", [0, 3], [4, 4])}).encode() + b"    "
    file = opened(safetensors_bytes(header, b"\0\0\x80\x3f"))
    assert file.load("").tolist() == [1.0]
    assert file.load("__proto__").shape == (0, 3)


HEADERS: list[Any] = [
    {}, {"a": entry()}, {"a": entry(), "b": entry("F32", [1], [4, 8])}, {"a": entry("F32", [0], [0, 0])},
    {"a": entry("F32", [], [0, 4])}, {"a": entry("U8", [4], [0, 4]), "__metadata__": {"k": "v"}},
    {"b": entry("F32", [1], [4, 8]), "a": entry()},
]  # fmt: skip


@given(st.data())
def test_accepts_nothing_that_the_package_refuses(data: st.DataObject) -> None:
    """Headers changed at random: files that open here also open in `safetensors`, with the same contents."""
    header = json.loads(json.dumps(data.draw(st.sampled_from(HEADERS))))
    size = max([v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"], default=0)
    numbers = st.integers(-1, 9) | st.sampled_from([2**31, 2**63, 2**64 - 1, 2**64, 0.5, True, None, "4"])
    for name in data.draw(st.lists(st.sampled_from([*header, "new"]), max_size=2)):
        target = header.setdefault(name, {})
        match data.draw(st.sampled_from(["dtype", "shape", "data_offsets", "drop", "replace"])):
            case "dtype":
                target["dtype"] = data.draw(st.sampled_from(["F16", "f32", "F64", "", None, "BOOL", 3]))
            case "drop" if target:
                target.pop(data.draw(st.sampled_from(sorted(target))))
            case "replace":
                header[name] = data.draw(st.none() | st.just([]) | st.just("x") | st.just({}))
            case key:
                target[key] = data.draw(st.lists(numbers, max_size=3))
        if not isinstance(header[name], Mapping):
            header[name] = {}
    raw = safetensors_bytes(header, bytes(max(0, size + data.draw(st.sampled_from([0, 0, 0, 1, -1])))))
    try:
        file = opened(raw)
    except FormatError:
        return
    reference = dict(safetensors.deserialize(raw))
    assert set(reference) == set(file.names())
    for name, theirs in reference.items():
        assert bytes(file.raw(name)) == bytes(theirs["data"])
        assert (file.info(name).dtype, list(file.info(name).shape)) == (theirs["dtype"], theirs["shape"])


def sharded(weight_map: Any, **shards: dict[str, np.ndarray]) -> tuple[Source, dict[str, Source]]:
    index = {"metadata": {"total_size": 8}, "weight_map": weight_map}
    files: dict[str, Source] = {
        f"{name}.safetensors": BytesSource(safetensors.numpy.save(tensors), f"{name}.safetensors")
        for name, tensors in shards.items()
    }
    return BytesSource(json.dumps(index).encode(), "model.safetensors.index.json"), files


ONE, TWO = {"a": np.array([1], np.float32)}, {"b": np.array([2, 3], np.float32)}
GOOD = {"a": "s1.safetensors", "b": "s2.safetensors"}


def test_sharded() -> None:
    checkpoint = SafetensorsIndex(*sharded(GOOD, s1=ONE, s2=TWO))
    assert checkpoint.names() == ["a", "b"]
    assert checkpoint.load("b").tolist() == [2, 3]
    assert checkpoint.info("b").file == "s2.safetensors"
    assert checkpoint.metadata["total_size"] == 8


@pytest.mark.parametrize(
    ("weight_map", "shards", "path", "says"),
    [
        (GOOD, {"s1": ONE}, "weight_map.b", "'s2.safetensors' is missing"),
        (GOOD, {"s1": ONE, "s2": ONE}, "weight_map.a", "lies in 's1.safetensors' and in 's2.safetensors'"),
        (GOOD | {"c": "s1.safetensors"}, {"s1": ONE, "s2": TWO}, "weight_map.c", "is not in the file"),
        ({"a": "s2.safetensors", "b": "s1.safetensors"}, {"s1": ONE, "s2": TWO}, "weight_map.a", "it is in 's1"),
        ({"a": "../s1.safetensors"}, {"s1": ONE}, "weight_map.a", "not the plain name"),
        ({"a": "/etc/s1.safetensors"}, {"s1": ONE}, "weight_map.a", "not the plain name"),
        ({"a": "..\\s1.safetensors"}, {"s1": ONE}, "weight_map.a", "not the plain name"),
        ({"a": "C:s1.safetensors"}, {"s1": ONE}, "weight_map.a", "not the plain name"),
        ({"a": ".safetensors"}, {"s1": ONE}, "weight_map.a", "not the plain name"),
        ({"a": "s1.safetensors\0"}, {"s1": ONE}, "weight_map.a", "not the plain name"),
        ({"a": "pytorch_model.bin"}, {"s1": ONE}, "weight_map.a", "not the plain name"),
        ({"a": 7}, {"s1": ONE}, "weight_map.a", "expected a string"),
        ({}, {"s1": ONE}, "weight_map", "names no tensors"),
        ([], {"s1": ONE}, "weight_map", "expected an object"),
        (None, {"s1": ONE}, "weight_map", "expected an object, got null"),
    ],
)
def test_bad_indexes(weight_map: Any, shards: dict[str, dict[str, np.ndarray]], path: str, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        SafetensorsIndex(*sharded(weight_map, **shards))
    assert caught.value.where == f"model.safetensors.index.json at {path}"
    assert says in str(caught.value)


def test_damage_in_a_shard_names_the_shard() -> None:
    index, files = sharded(GOOD, s1=ONE, s2=TWO)
    files["s2.safetensors"] = BytesSource(bytes(files["s2.safetensors"].read(0, 20)), "s2.safetensors")
    with pytest.raises(FormatError, match=r"s2\.safetensors at byte 20: is truncated"):
        SafetensorsIndex(index, files)


def test_sparse_file_beyond_three_gigabytes(tmp_path: Path, open_file: Callable[[Path], FileSource]) -> None:
    """A header of a few bytes and tensors of gigabytes: opening and reading one row's worth touches little."""
    big = 3_200_000_000
    header = {"big": entry("U8", [big], [0, big]), "last": entry("F32", [3], [big, big + 12])}
    raw = safetensors_bytes(header)
    path = tmp_path / "big.safetensors"
    with open(path, "wb") as file:
        file.write(raw)
        file.seek(len(raw) + big)
        file.write(np.array([1, 2, 3], "<f4").tobytes())
    source = CountingSource(open_file(path))
    opened_file = SafetensorsFile(source)
    assert opened_file.load("last").tolist() == [1, 2, 3]
    assert source.total < 1000
    assert opened_file.view("big").shape == (big,)

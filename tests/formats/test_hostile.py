"""Corrupt, truncated, oversized and hostile files: each a typed error that names the file and the place."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from loom_py.errors import FormatError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.safetensors import SafetensorsFile, SafetensorsIndex
from loom_py.formats.source import BytesSource
from loom_py.models.registry import families, read_decoder_file

from . import builders as b
from .builders import array, entry, gguf_bytes, pair, safetensors_bytes, tensor, text

F4 = bytes(4)


@dataclass(frozen=True)
class Case:
    """A file, a part of the expected message, and a part of the expected place."""

    name: str
    data: bytes
    says: str
    where: str = "at byte"


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


SAFETENSORS = [
    Case("empty", b"", "is empty"),
    Case("incomplete_length", b"\1\0\0", "too few"),
    Case("incomplete_buffer", safetensors_bytes({"a": entry()}, F4)[:20], "truncated"),
    Case("header_too_large", struct.pack("<Q", 100_000_001) + b"{}", "more than the limit", "at byte 0"),
    Case("header_absurd", b"\xff" * 16, "not with the length of a header", "at byte 0"),
    Case("header_empty", struct.pack("<Q", 0), "does not begin with '{'", "at byte 8"),
    Case("header_beyond_file", safetensors_bytes(b"{}", length=3), "truncated"),
    Case("header_is_list", safetensors_bytes(b"[]"), "does not begin with '{'", "at byte 8"),
    Case("header_begins_with_space", safetensors_bytes(b" {}"), "does not begin with '{'", "at byte 8"),
    Case("header_not_utf8", safetensors_bytes(b'{"\xff":1}'), "not UTF-8", "at byte 10"),
    Case("header_not_json", safetensors_bytes(b"{abc}"), "invalid JSON", "at byte 9"),
    Case("header_followed_by_nul", safetensors_bytes(b"{}\0"), "Extra data", "at byte 10"),
    Case("json_attack", safetensors_bytes(b'{"a":' * 50_000), "nested 50000 deep"),
    Case("duplicate_tensor", safetensors_bytes(b'{"a":{},"a":{}}'), "appears twice", "at byte 16"),
    Case("duplicate_field", safetensors_bytes(b'{"a":{"dtype":"F32","dtype":"F16"}}'), "a.dtype appears twice"),
    Case("metadata_number", safetensors_bytes({"__metadata__": {"k": 1}}), "expected a string", "at __metadata__.k"),
    Case("metadata_list", safetensors_bytes({"__metadata__": []}), "expected an object", "at __metadata__"),
    Case("tensor_null", safetensors_bytes({"a": None}), "expected an object, got null", "at a"),
    Case("tensor_list", safetensors_bytes({"a": []}), "expected an object", "at a"),
    Case(
        "no_dtype",
        safetensors_bytes({"a": {"shape": [], "data_offsets": [0, 4]}}, F4),
        "missing: a string",
        "at a.dtype",
    ),
    Case("unknown_dtype", safetensors_bytes({"a": entry("f32")}, F4), "'f32' is not one of", "at a.dtype"),
    Case("no_shape", safetensors_bytes({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, F4), "missing", "at a.shape"),
    Case(
        "negative_extent",
        safetensors_bytes({"a": entry(shape=[-1])}, F4),
        "must be at least 0 and at most 9223372036854775807",
        "at a.shape[0]",
    ),
    Case(
        "fractional_extent",
        safetensors_bytes({"a": entry(shape=[1.0])}, F4),
        "expected a whole number",
        "at a.shape[0]",
    ),
    Case(
        "boolean_extent", safetensors_bytes({"a": entry(shape=[True])}, F4), "expected a whole number", "at a.shape[0]"
    ),
    Case(
        "huge_extent",
        safetensors_bytes({"a": entry(shape=[2**64])}, F4),
        "must be at least 0 and at most 9223372036854775807",
        "at a.shape[0]",
    ),
    Case("validation_overflow", safetensors_bytes({"a": entry(shape=[2**40] * 4)}, F4), "overflows", "at a.shape"),
    Case(
        "overflow_to_0", safetensors_bytes({"a": entry(shape=[0, 2**62, 4], offsets=[0, 0])}), "overflow", "at a.shape"
    ),
    Case("one_offset", safetensors_bytes({"a": entry(offsets=[0])}, F4), "a begin and an end", "at a.data_offsets"),
    Case("backwards", safetensors_bytes({"a": entry(offsets=[4, 0])}, F4), "before it begins", "at a.data_offsets"),
    Case(
        "beyond_data",
        safetensors_bytes({"a": entry(offsets=[0, 4])}, b"12"),
        "tensors end at byte 73, the file at 71",
        "at byte 71",
    ),
    Case("wrong_size", safetensors_bytes({"a": entry(shape=[2])}, F4), "needs 8 bytes, not 4", "at a.data_offsets"),
    Case("hole", safetensors_bytes({"a": entry(offsets=[4, 8])}, bytes(8)), "leaves a hole", "at a.data_offsets"),
    Case("overlap", safetensors_bytes({"a": entry(), "b": entry()}, F4), "overlaps", "at b.data_offsets"),
    Case(
        "overlap_of_2",
        safetensors_bytes({"a": entry(), "b": entry(offsets=[2, 6])}, bytes(6)),
        "overlap",
        "at b.data_offsets",
    ),
    Case("trailing_bytes", safetensors_bytes({"a": entry()}, F4 + b"PK\3\4"), "4 bytes follow the last tensor"),
    Case("trailing_without_tensors", safetensors_bytes({}, b"x"), "1 bytes follow"),
]

STRINGS = array(b.STRING, [text("a")])
GGUF = [
    Case("empty", b"", "is empty", "at byte 0"),
    Case("magic_only", b"GGUF", "too few", "at byte 0"),
    Case("other_magic", gguf_bytes(magic=b"GGML"), "magic", "at byte 0"),
    Case("html_error_page", b"<!DOCTYPE html><html><head></head></html>", "is a web page, not GGUF", "at byte 0"),
    Case("version_0", gguf_bytes(version=0), "version 0", "at byte 4"),
    Case("version_1", gguf_bytes(version=1), "version 1", "at byte 4"),
    Case("version_4", gguf_bytes(version=4), "version 4", "at byte 4"),
    Case("big_endian", gguf_bytes(version=3 << 24), "big-endian", "at byte 4"),
    Case("pair_count", gguf_bytes(n_pairs=2**60), "metadata entries do not fit", "at byte 16"),
    Case("pair_count_plausible", gguf_bytes([pair("a", b.U8, b"\1")], n_pairs=2), "do not fit"),
    Case("tensor_count", gguf_bytes(n_tensors=2**63), "tensors do not fit", "at byte 8"),
    Case("key_length", gguf_bytes([text("k", 2**40) + bytes(20)]), "a metadata key claims", "at byte 24"),
    Case("key_length_wraps", gguf_bytes([text("k", 2**64 - 8) + bytes(20)]), "a metadata key claims", "at byte 24"),
    Case("key_too_long", gguf_bytes([pair("k" * 70_000, b.U8, b"\1")]), "claims 70000 bytes", "at byte 24"),
    Case("key_empty", gguf_bytes([pair("", b.U8, b"\1") + bytes(9)]), "key is empty", "at byte 24"),
    Case("key_not_utf8", gguf_bytes([pair(b"\xc3\x28", b.U8, b"\1")]), "not UTF-8", "at byte 32"),
    Case("key_twice", gguf_bytes([pair("kk", b.U8, b"\1")] * 2), "'kk' appears twice", "at byte 39"),
    Case("value_type", gguf_bytes([pair("k", 13, bytes(9))]), "unknown type 13", "at byte 33"),
    Case("value_cut", gguf_bytes([pair("k", b.U64, b"\1")]), "needs 8 more bytes"),
    Case("bool_2", gguf_bytes([pair("k", b.BOOL, b"\2")]), "neither 0 nor 1", "at byte 37"),
    Case("string_length", gguf_bytes([pair("k", b.STRING, text("v", 2**31))]), "claims 2147483648 bytes"),
    Case("string_not_utf8", gguf_bytes([pair("k", b.STRING, text(b"\xff\xfe"))]), "k is not UTF-8", "at byte 45"),
    Case("array_type", gguf_bytes([pair("k", b.ARRAY, array(99, []))]), "unknown type 99"),
    Case("array_count", gguf_bytes([pair("k", b.ARRAY, array(b.U8, [], 2**63))]), "claims 9223372036854775808"),
    Case("array_of_empty_strings", gguf_bytes([pair("k", b.ARRAY, array(b.STRING, [], 2**31))]), "claims 2147483648"),
    Case("array_bool", gguf_bytes([pair("k", b.ARRAY, array(b.BOOL, [b"\1", b"\7"]))]), "neither 0 nor 1"),
    Case("array_string_cut", gguf_bytes([pair("k", b.ARRAY, array(b.STRING, [text("b", 99)]))]), "k[0] claims"),
    Case("array_not_utf8", gguf_bytes([pair("k", b.ARRAY, array(b.STRING, [text(b"\x80")]))]), "k[0] is not UTF-8"),
    Case("array_nesting", gguf_bytes([pair("k", b.ARRAY, (u32(9) + struct.pack("<Q", 1)) * 40)]), "nests arrays"),
    Case("array_tree", gguf_bytes([pair("k", b.ARRAY, array(b.ARRAY, [array(b.ARRAY, [], 2**40)] * 9))]), "claims"),
    Case("alignment_0", gguf_bytes([pair("general.alignment", b.U32, u32(0))]), "power of two"),
    Case("alignment_33", gguf_bytes([pair("general.alignment", b.U32, u32(33))]), "power of two"),
    Case("alignment_huge", gguf_bytes([pair("general.alignment", b.U32, u32(1 << 31))]), "power of two"),
    Case("alignment_text", gguf_bytes([pair("general.alignment", b.STRING, text("32"))]), "power of two"),
    Case("alignment_true", gguf_bytes([pair("general.alignment", b.BOOL, b"\1")]), "power of two"),
    Case("tensor_name_empty", gguf_bytes((), [tensor("", [1])], F4), "name is empty", "at byte 24"),
    Case("tensor_name_long", gguf_bytes((), [tensor("n" * 1025, [1])], F4), "claims 1025 bytes", "at byte 24"),
    Case("tensor_twice", gguf_bytes((), [tensor("t", [1])] * 2, F4), "'t' appears twice"),
    Case("five_axes", gguf_bytes((), [tensor("t", [1] * 5)], F4), "5 axes"),
    Case("axes_huge", gguf_bytes((), [tensor("t", [1], axes=2**32 - 1)], F4), "4294967295 axes"),
    Case("axes_lie", gguf_bytes((), [tensor("t", [1], axes=4)]), "needs 32 more bytes"),
    Case("withdrawn_type", gguf_bytes((), [tensor("t", [32], 4)], bytes(20)), "was withdrawn"),
    Case("unknown_type", gguf_bytes((), [tensor("t", [32], 250)], bytes(20)), "unknown tensor type 250"),
    Case("half_a_block", gguf_bytes((), [tensor("t", [48], 2)], bytes(36)), "not whole blocks of 32"),
    Case("half_a_k_block", gguf_bytes((), [tensor("t", [128, 2], 12)], bytes(144)), "not whole blocks of 256"),
    Case("scalar_block", gguf_bytes((), [tensor("t", [], 2)], bytes(36)), "not whole blocks of 32"),
    Case("extent_overflow", gguf_bytes((), [tensor("t", [2**63])], F4), "overflows"),
    Case("product_overflow", gguf_bytes((), [tensor("t", [2**32, 2**32])], F4), "overflows"),
    Case("product_wraps_to_4", gguf_bytes((), [tensor("t", [2**62 + 1, 4])], F4), "overflows"),
    Case("product_hidden_by_0", gguf_bytes((), [tensor("t", [2**62, 2**62, 0])], F4), "overflows"),
    Case("dims_beyond_data", gguf_bytes((), [tensor("t", [10**9])], F4), "truncated"),
    Case("data_cut", gguf_bytes((), [tensor("t", [2])], F4), "truncated"),
    Case("offset_beyond", gguf_bytes((), [tensor("t", [1], offset=64)], F4), "truncated"),
    Case("offset_wraps", gguf_bytes((), [tensor("t", [1], offset=2**64 - 32)], F4), "truncated"),
    Case("offset_odd", gguf_bytes((), [tensor("t", [1], offset=4)], bytes(8)), "not a multiple of 32"),
    Case("overlap", gguf_bytes((), [tensor("t", [16]), tensor("u", [16], offset=32)], bytes(96)), "overlaps that of t"),
    Case("same_place", gguf_bytes((), [tensor("t", [8]), tensor("u", [8])], bytes(32)), "overlaps"),
]  # fmt: skip

CONFIG = [
    Case("empty", b"", "is empty", "at byte 0"),
    Case("binary", bytes(range(128, 160)), "not UTF-8", "at byte 0"),
    Case("utf16", '{"a":1}'.encode("utf-16"), "is text in UTF-16"),
    Case("cut", b'{"hidden_size": 6', "invalid JSON", "at byte 17"),
    Case("list", b"[]", "expected an object", "at its root"),
    Case("nan", b'{"rope_theta": NaN}', "NaN is not a JSON number"),
    Case("deep", b"[" * 10**6, "nested 1000000 deep"),
    Case("duplicate", b'{"hidden_size": 64, "hidden_size": 1}', "hidden_size appears twice", "at byte 20"),
    Case("digits", b'{"hidden_size": ' + b"9" * 10_000 + b"}", "too many digits"),
    Case("too_large", b" " * (5 * 1024 * 1024), "more than the limit", "at its root"),
    Case("empty_object", b"{}", "missing: a whole number", "at hidden_size"),
]

INDEX = [
    Case("empty", b"", "is empty", "at byte 0"),
    Case("list", b"[]", "expected an object", "at its root"),
    Case("no_weight_map", b"{}", "missing: an object", "at weight_map"),
    Case("metadata_text", b'{"metadata": "x", "weight_map": {"a": "m.safetensors"}}', "an object", "at metadata"),
    Case("path", json.dumps({"weight_map": {"a": "../../m.safetensors"}}).encode(), "plain name", "at weight_map.a"),
    Case("duplicate", b'{"weight_map": {"a": "m.safetensors", "a": "n.safetensors"}}', "appears twice", "at byte 38"),
    Case("missing", b'{"weight_map": {"a": "n.safetensors"}}', "is missing", "at weight_map.a"),
    Case("not_there", b'{"weight_map": {"b": "m.safetensors"}}', "is not in the file", "at weight_map.b"),
]

SHARD = BytesSource(safetensors_bytes({"a": entry()}, F4), "m.safetensors")
READERS: dict[str, tuple[Callable[[BytesSource], object], list[Case]]] = {
    "x.safetensors": (SafetensorsFile, SAFETENSORS),
    "x.gguf": (GGUFFile, GGUF),
    "config.json": (read_decoder_file, CONFIG),
    "index.json": (lambda source: SafetensorsIndex(source, {"m.safetensors": SHARD}), INDEX),
}


@pytest.mark.parametrize(
    ("file", "case"),
    [pytest.param(file, case, id=f"{file}-{case.name}") for file, (_, cases) in READERS.items() for case in cases],
)
def test_hostile_file(file: str, case: Case) -> None:
    reader = READERS[file][0]
    list(families())  # whose modules are no part of what a file costs
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            reader(BytesSource(case.data, file))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert case.says in str(caught.value)
    assert caught.value.where.startswith(f"{file} at ")
    assert f"{case.where} " in f"{caught.value.where} "
    assert len(str(caught.value)) < 700
    assert peak < 2_000_000 + 40 * len(case.data)


def test_the_good_files_that_the_cases_differ_from() -> None:
    """The builders make valid files, so that each case fails for its own reason."""
    data = safetensors_bytes({"a": entry(), "b": entry("U8", [4], [4, 8]), "__metadata__": {"k": "v"}}, bytes(8))
    assert SafetensorsFile(BytesSource(data)).names() == ["a", "b"]
    pairs = [pair("general.alignment", b.U32, u32(32)), pair("k", b.ARRAY, STRINGS), pair("t", b.BOOL, b"\1")]
    infos = [tensor("t", [8]), tensor("u", [32], 2, 32), tensor("v", [256, 1], 12, 64)]
    assert GGUFFile(BytesSource(gguf_bytes(pairs, infos, bytes(208)))).names() == ["t", "u", "v"]
    index = BytesSource(b'{"weight_map": {"a": "m.safetensors"}}')
    assert SafetensorsIndex(index, {"m.safetensors": SHARD}).names() == ["a"]

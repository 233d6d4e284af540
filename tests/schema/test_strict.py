"""The strict JSON reader: what it refuses, the place it reports, and that it raises no other error."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom_py.errors import FormatError
from loom_py.schema.fields import FILE, Fields
from loom_py.schema.strict import json_path, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("document", "says", "where"),
    [
        ('{"a":1,"a":2}', "the key a appears twice", "byte 7 (line 1, column 8)"),
        ('{"a":[{"b":0,\n"b":1}]}', "a[0].b appears twice", "byte 14 (line 2, column 1)"),
        ('{"é":{"x y":1,"x y":2}}', 'é["x y"] appears twice', "byte 15 (line 1, column 15)"),
        ('{"a":1,"\\u0061":2}', "the key a appears twice", "byte 7"),
        ("[1, NaN]", "NaN is not a JSON number", "byte 4"),
        ("[-Infinity]", "-Infinity is not a JSON number", "byte 1"),
        ("[1e999]", "too large for a double", "byte 1"),
        ("[" + "1" * 5000 + "]", "too many digits", "byte 1"),
        ('["\\ud800"]', "surrogate", "byte 2"),
        ('["\\udc00\\ud800"]', "surrogate", "byte 2"),
        ('["\\ud83dx\\ude00"]', "surrogate", "byte 2"),
        ("", "invalid JSON", "byte 0"),
        ("{", "invalid JSON", "byte 1"),
        ("[1,]", "invalid JSON", "byte "),
        ('["a\nb"]', "control character", "byte 3"),
        ("[] x", "Extra data", "byte 3"),
        ("[" * 200 + "]" * 200, "nested 200 deep", "byte 0"),
        ('{"a":' * 100000, "nested 100000 deep", "byte 0"),
        ("\ufeff{}", "byte order mark", "byte 0"),
        (b'"\xff"', "not UTF-8", "byte 1"),
        (b"\xed\xa0\x80", "not UTF-8", "byte 0"),
        ("'a'", "invalid JSON", "byte 0"),
    ],
)
def test_refused(document: str | bytes, says: str, where: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_json(document, where="x.json")
    assert says in caught.value.message
    assert caught.value.where.startswith("x.json at byte")
    assert where in caught.value.where


def test_too_large() -> None:
    with pytest.raises(FormatError, match="larger than the limit of 10"):
        parse_json("[1,2,3,4,5,6]", where="x.json", max_bytes=10)


def test_offset_is_added() -> None:
    with pytest.raises(FormatError, match="at byte 108 "):
        parse_json(b"{oops}        ", where="x", byte_offset=107)


def test_constants_on_request() -> None:
    assert parse_json("[Infinity, 1e999]", where="x", finite=False) == [float("inf")] * 2


def test_brackets_in_strings_do_not_count() -> None:
    assert parse_json(json.dumps(["[" * 500, '\\"' + "{" * 500]), where="x")[0] == "[" * 500


@given(VALUES)
def test_reads_what_json_writes(value: object) -> None:
    for ascii_only in (True, False):
        document = json.dumps(value, ensure_ascii=ascii_only)
        assert parse_json(document, where="x") == json.loads(document)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0d8Ee1-+.tnaN \n', max_size=40))
def test_any_bytes(document: bytes | str) -> None:
    with contextlib.suppress(FormatError):
        assert parse_json(document, where="x") == json.loads(document)


def test_paths() -> None:
    assert json_path(["layers", 1, "branches", 0, "a b"]) == 'layers[1].branches[0]["a b"]'


@pytest.mark.parametrize("value", [True, 1.0, "1", [1], {}, 10**20, -1])
def test_integer_fields(value: object) -> None:
    with pytest.raises(FormatError, match=r"c\.json at outer\.size: "):
        Fields({"outer": {"size": value}}, file="c.json", rules=FILE).object("outer").integer("size", minimum=0)


@pytest.mark.parametrize("value", [True, "1", 0, -2.5, 10**400, float("nan"), float("inf")])
def test_number_fields(value: object) -> None:
    with pytest.raises(FormatError, match=r"c\.json at rate: "):
        Fields({"rate": value}, file="c.json", rules=FILE).number("rate", above=0)

"""What an error says is there, and what it says to do, is true in that very case.

Found by an attack on rows 15 and 27 of the trouble table: foreign files were said to claim a header of many bytes, and
a text that a caller had passed to be a damaged file that should be fetched again.
"""

from __future__ import annotations

import pytest

import loom_py
from loom_py.errors import FormatError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.safetensors import SafetensorsFile
from loom_py.formats.source import BytesSource
from loom_py.schema.strict import parse_json

FOREIGN = {
    b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n": "is a server's answer with its headers",
    b"SQLite format 3\0" + bytes(99): "is an SQLite database",
    b"PAR1" + bytes(99): "is a Parquet file",
    b"\x7fELF" + bytes(99): "is a program for Linux",
    b"MZqFpD='" + bytes(99): "is a llamafile",
    b"MZ\x90\0" + bytes(99): "is a program for Windows",
    b"\xef\xbb\xbfGGUF" + bytes(99): "is a GGUF file behind a byte order mark",
}


@pytest.mark.parametrize("data", FOREIGN, ids=lambda data: data[:8].decode("latin-1"))
@pytest.mark.parametrize("reader", [SafetensorsFile, GGUFFile])
def test_a_foreign_file_is_said_to_be_what_it_is(reader: type, data: bytes) -> None:
    with pytest.raises(FormatError, match=FOREIGN[data]):
        reader(BytesSource(data, "m"))


def test_bytes_of_no_kind_are_quoted() -> None:
    with pytest.raises(FormatError, match="begins with b'\\\\xff"):
        SafetensorsFile(BytesSource(b"\xff" * 99, "m"))


def test_a_file_that_ends_behind_the_length_of_its_header_is_truncated() -> None:
    with pytest.raises(FormatError, match="is truncated: its header ends at byte 2000, the file at 8"):
        SafetensorsFile(BytesSource((1992).to_bytes(8, "little"), "m"))


@pytest.mark.parametrize("text", ["[1,", "{", "[1, NaN]", "nonsense", '{"a": 1, "a": 2}'])
def test_a_text_of_the_callers_is_no_damaged_file(text: str) -> None:
    for read in (
        lambda given: parse_json(given, where="text"),
        loom_py.load_bundle_from_string,
        loom_py.build_network_from_json,
    ):
        with pytest.raises(FormatError) as refused:
            read(text)
        assert "file" not in refused.value.remedy
        assert "Give" in refused.value.remedy
    with pytest.raises(FormatError) as refused:
        parse_json(text.encode(), where="file")
    assert "Give JSON" not in refused.value.remedy

"""Standard streams of the command lines: any text can be written, whatever encoding the terminal or file has."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

_SURROGATE = re.compile("[\ud800-\udfff]")


def accept_any_text() -> None:
    """Let standard output and error replace what their encoding lacks instead of failing.

    Windows code pages have no arrows and no Greek, and no encoding has lone surrogates.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_json(value: Any, *, allow_nan: bool = True) -> None:
    """One line of JSON; what the stream's encoding cannot hold is escaped, so that no character is lost.

    Outside UTF-8 that is everything but ASCII, in UTF-8 lone surrogates (of file names that are not UTF-8).
    """
    encoding = (sys.stdout.encoding or "utf-8").lower() if isinstance(sys.stdout, io.TextIOBase) else "utf-8"
    text = json.dumps(value, ensure_ascii=not encoding.startswith("utf"), allow_nan=allow_nan, default=str)
    print(_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text))

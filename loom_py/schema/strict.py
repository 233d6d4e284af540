"""A strict JSON reader for files from anywhere: typed errors with line, column and byte, and bounded work.

Stricter than `json.loads`: duplicate keys, `NaN`/`Infinity`, numbers beyond a double, lone surrogates, a byte order
mark, bytes that are not UTF-8, and documents too large or too deeply nested are all `FormatError`. Bytes that are no
JSON are named by what they are: a web page, a Git LFS pointer, a server's error message.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FormatError, InputError
from .foreign import SAVE_AS_UTF8, foreign, server_error

MAX_BYTES = 512 * 1024 * 1024
MAX_DEPTH = 96

_REMEDY = "The file is damaged or was not written as JSON; fetch or export it again."
_TRUNCATED = "The file is truncated or was never finished; fetch or export it again."
_REMEDY_OF_TEXT = "Give JSON, as JSON.stringify and json.dumps write it."
_CUT_TEXT = "Give the whole text: its end is missing."
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}:,]', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


class _Duplicate(ValueError):
    """Raised inside the decoder; `parse_json` turns it into a `FormatError` with the path."""


def parse_json(
    data: bytes | bytearray | memoryview | str,
    *,
    where: str,
    max_bytes: int = MAX_BYTES,
    max_depth: int = MAX_DEPTH,
    finite: bool = True,
    byte_offset: int = 0,
) -> Any:
    """The value of a JSON document.

    **Arguments:**

    - `data`: UTF-8 bytes, or text.
    - `where`: the file's name, for errors.
    - `max_bytes`, `max_depth`: limits on size and on nested brackets, checked before anything is built.
    - `finite`: reject `NaN`, `Infinity` and numbers that overflow a double (`1e999`).
    - `byte_offset`: where `data` begins in its file, added to the bytes that errors name.

    Raises `FormatError`, and nothing else, whatever the bytes are; `InputError` for what is neither text nor bytes.
    """
    if not isinstance(data, (str, bytes, bytearray, memoryview)):
        raise InputError(f"expected text or bytes, got {type(data).__name__}", where=where)
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)

    damaged, truncated = (_REMEDY_OF_TEXT, _CUT_TEXT) if isinstance(data, str) else (_REMEDY, _TRUNCATED)

    def fail(message: str, position: int, remedy: str = damaged) -> FormatError:
        """An error at byte `position` of `raw`."""
        before = raw[:position]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        place = f"{where} at byte {byte_offset + position} (line {line}, column {column})"
        return FormatError(message, where=place, remedy=remedy)

    def refuse_foreign() -> None:
        """Raise what the document is if it is no JSON at all. Text from a caller, not from a file, is just bad JSON."""
        if byte_offset or raw.lstrip()[:1] in (b"{", b"["):
            return
        other = foreign(raw, len(raw))
        if other is not None and not (isinstance(data, str) and (not raw or other.plain)):
            raise fail(f"{other.what}, not JSON" if raw else other.what, 0, other.remedy)

    if len(raw) > max_bytes:
        raise fail(f"JSON of {len(raw)} bytes is larger than the limit of {max_bytes}", 0)
    if raw.startswith(b"\xef\xbb\xbf"):
        raise fail("begins with a byte order mark, which JSON does not allow", 0, SAVE_AS_UTF8)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse_foreign()
        raise fail(f"is not UTF-8 ({error.reason})", error.start) from None
    if (depth := _depth(raw)) > max_depth:
        raise fail(f"nested {depth} deep, more than the limit of {max_depth}", 0)
    if "\\u" in text and (lone := _lone_surrogate(text)) is not None:
        raise fail("escaped half of a surrogate pair stands alone", len(text[:lone].encode("utf-8")))

    def number(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise ValueError(f"the number {digits[:40]} is too large for a double")
        return value

    def constant(word: str) -> float:
        if finite:
            raise ValueError(f"{word} is not a JSON number")
        return float(word)

    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=constant,
            parse_float=number if finite else None,
        )
    except json.JSONDecodeError as error:
        refuse_foreign()
        short = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        message = f"invalid JSON ({error.msg}){': the text ends too early' if short else ''}"
        raise fail(message, len(text[: error.pos].encode("utf-8")), truncated if short else damaged) from None
    except _Duplicate:
        path, position = _find_duplicate(text)
        raise fail(f"the key {path} appears twice in one object", len(text[:position].encode("utf-8"))) from None
    except (ValueError, RecursionError) as error:  # a constant, a huge number; recursion where the stack is tiny
        message = str(error) if "integer string conversion" not in str(error) else "an integer has too many digits"
        raise fail(message, _find_number(text)) from None
    if not isinstance(data, str) and not byte_offset and (answer := server_error(value)) is not None:
        raise fail(answer.what, 0, answer.remedy)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Duplicate
    return result


def _depth(raw: bytes) -> int:
    """The deepest nesting of brackets outside strings (exact up to the first syntax error)."""
    brackets = np.frombuffer(_STRING.sub(b"", raw).translate(None, _NOT_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1).astype(np.int32)
    return int(np.cumsum(steps).max(initial=0))


def _lone_surrogate(text: str) -> int | None:
    """Index of the first `\\uD8xx`/`\\uDCxx` escape that is not half of a pair."""
    high_end = -1  # where a low surrogate must start to complete the pair before it
    high_start = 0
    for match in _ESCAPE.finditer(text):
        code = int(match[1], 16) if match[1] else 0
        if high_end >= 0:
            if not (0xDC00 <= code < 0xE000 and match.start() == high_end):
                return high_start
            high_end = -1
        elif 0xDC00 <= code < 0xE000:
            return match.start()
        elif 0xD800 <= code < 0xDC00:
            high_start, high_end = match.start(), match.end()
    return high_start if high_end >= 0 else None


def _find_duplicate(text: str) -> tuple[str, int]:
    """JSON path and index of a repeated key. Only runs once the decoder has found that there is one."""
    stack: list[tuple[set[str] | None, list[str | int]]] = []  # keys seen (None in an array), and the current step
    pending: tuple[str, int] | None = None
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "[{":
            stack.append((set(), [""]) if token == "{" else (None, [0]))
        elif token in "]}":
            if stack:
                stack.pop()
        elif token == ",":
            if stack and stack[-1][0] is None:
                stack[-1][1][0] = int(stack[-1][1][0]) + 1
        elif token == ":":
            if stack and pending:
                keys, step = stack[-1]
                step[0] = pending[0]
                if keys is not None and pending[0] in keys:
                    return json_path([step[0] for _, step in stack]), pending[1]
                if keys is not None:
                    keys.add(pending[0])
        else:
            pending = (json.loads(token, strict=False), match.start())
    return "?", 0


def _find_number(text: str) -> int:
    """Index of the first number the decoder cannot take: a constant, or one with very many digits."""
    match = re.search(r"(?<![\"\w])-?(?:NaN|Infinity)|\d{400,}|\d[eE]\+?\d{3,}", text)
    return match.start() if match else 0


def json_path(steps: Sequence[str | int], base: str = "") -> str:
    """`["layers", 1, "type"]` as `layers[1].type`, below the path `base`; keys that are not plain words are quoted."""
    path = base
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            path += f".{step}" if path else step
        else:
            path += f"[{json.dumps(step[:80], ensure_ascii=False)}]"
    return path

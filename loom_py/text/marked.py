"""Strings that know which of their characters came from a caller, whatever a chat template does with them.

A template trims, cuts, joins and formats what people typed, and writes control tokens of its own around it. Only the
latter may count as tokens. So texts of callers enter a template as `Marked` strings. They behave as `str` does, the
result of every method included, and carry a byte for each character: 1 if a caller wrote it, 0 if the template did. A
plain `str` is the template's. What `markupsafe` escaped is a caller's as a whole.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex

_CONVERSION = re.compile(r"%(?:\((?P<key>[^)]*)\))?(?P<flags>[#0\- +]*\d*(?:\.\d+)?[hlL]?)(?P<kind>[a-zA-Z%])")


class Marked(str):
    """A text with marks.

    **Arguments:**

    - `marks`: a byte for each character; all are the caller's without it.
    """

    __slots__ = ("_marks",)
    _marks: bytes

    def __new__(cls, text: str, marks: bytes | None = None) -> Marked:
        self = super().__new__(cls, text)
        if marks is None or len(marks) != len(self):
            marks = b"\1" * len(self)
        self._marks = marks
        return self

    # `str(x)` and the filter `string` keep the marks, because `str` takes what this returns.
    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        return concat((self, other)) if type(other) in (str, Marked) else NotImplemented

    def __radd__(self, other: str) -> str:
        return concat((other, self)) if type(other) in (str, Marked) else NotImplemented

    def __mul__(self, times: SupportsIndex) -> str:
        return Marked(str.__mul__(self, times), self._marks * times)  # type: ignore[operator]  # as in `str` above

    def __rmul__(self, times: SupportsIndex) -> str:
        return self * times

    def __mod__(self, values: Any) -> str:
        return percent(self, values)

    def __getitem__(self, key: Any) -> str:
        text = str.__getitem__(self, key)
        return Marked(text, self._marks[key] if isinstance(key, slice) else bytes((self._marks[key],)))

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))

    # -- methods that change letters

    def _changed(self, change: Callable[[str], str]) -> str:
        text = change(self)
        if len(text) == len(self):
            return Marked(text, self._marks)
        sizes = (len(change(str.__getitem__(self, i))) for i in range(len(self)))  # "ß" becomes "SS"
        return Marked(text, b"".join(bytes((mark,)) * n for mark, n in zip(self._marks, sizes, strict=True)))

    def capitalize(self) -> str:
        return self._changed(str.capitalize)

    def casefold(self) -> str:
        return self._changed(str.casefold)

    def lower(self) -> str:
        return self._changed(str.lower)

    def swapcase(self) -> str:
        return self._changed(str.swapcase)

    def title(self) -> str:
        return self._changed(str.title)

    def upper(self) -> str:
        return self._changed(str.upper)

    # -- methods that cut

    def lstrip(self, chars: str | None = None, /) -> str:
        return self[len(self) - len(str.lstrip(self, chars)) :]

    def rstrip(self, chars: str | None = None, /) -> str:
        return self[: len(str.rstrip(self, chars))]

    def strip(self, chars: str | None = None, /) -> str:
        end = len(str.rstrip(self, chars))
        return self[min(len(self) - len(str.lstrip(self, chars)), end) : end]

    def removeprefix(self, prefix: str, /) -> str:
        return self[len(self) - len(str.removeprefix(self, prefix)) :]

    def removesuffix(self, suffix: str, /) -> str:
        return self[: len(str.removesuffix(self, suffix))]

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._located(str.split(self, sep, maxsplit))

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        pieces = str.rsplit(self, sep, maxsplit)
        if sep is None:
            return self._located(pieces)
        at, located = 0, list[str]()
        for piece in pieces:  # the separator may begin in a piece, as in "aab" by "ab"
            located.append(self[at : at + len(piece)])
            at += len(piece) + len(sep)
        return located

    def splitlines(self, keepends: bool = False) -> list[str]:
        whole, located, at = str.splitlines(self, True), list[str](), 0
        for line, kept in zip(str.splitlines(self, keepends), whole, strict=True):
            located.append(self[at : at + len(line)])
            at += len(kept)
        return located

    def partition(self, sep: str, /) -> tuple[str, str, str]:
        return self._three(str.partition(self, sep))

    def rpartition(self, sep: str, /) -> tuple[str, str, str]:
        return self._three(str.rpartition(self, sep))

    def _three(self, pieces: tuple[str, str, str]) -> tuple[str, str, str]:
        first, second, _ = map(len, pieces)
        return self[:first], self[first : first + second], self[first + second :]

    def _located(self, pieces: list[str]) -> list[str]:
        """Pieces that lie in this order in the text, with what separates them in between."""
        at, located = 0, list[str]()
        for piece in pieces:
            at = str.find(self, piece, at)
            located.append(self[at : at + len(piece)])
            at += len(piece)
        return located

    # -- methods that put together

    def join(self, parts: Iterable[str], /) -> str:
        items = list(parts)
        text = str.join(self, items)  # raises what `str` does
        return Marked(text, self._marks.join(map(marks_of, items)))

    def replace(self, old: str, new: str, count: SupportsIndex = -1, /) -> str:
        text = str.replace(self, old, new, count)
        if old:
            at, pieces = 0, list[bytes]()
            for piece in str.split(self, old, count):
                pieces.append(self._marks[at : at + len(piece)])
                at += len(piece) + len(old)
            return Marked(text, marks_of(new).join(pieces))
        limit = len(self) + 1 if int(count) < 0 else min(int(count), len(self) + 1)
        inserted = marks_of(new)
        marks = b"".join(inserted + self._marks[i : i + 1] for i in range(limit))
        return Marked(text, marks + self._marks[limit:])

    def center(self, width: SupportsIndex, fill: str = " ", /) -> str:
        return self._padded(str.center(self, width, fill), str.center("\0" * len(self), width, "\1"), fill)

    def ljust(self, width: SupportsIndex, fill: str = " ", /) -> str:
        return self._padded(str.ljust(self, width, fill), str.ljust("\0" * len(self), width, "\1"), fill)

    def rjust(self, width: SupportsIndex, fill: str = " ", /) -> str:
        return self._padded(str.rjust(self, width, fill), str.rjust("\0" * len(self), width, "\1"), fill)

    def _padded(self, text: str, shape: str, fill: str) -> str:
        """`shape` is the same padding of a text of zeros by ones."""
        padding = marks_of(fill)
        left = len(shape) - len(shape.lstrip("\1")) if self else len(shape)
        return Marked(text, padding * left + self._marks + padding * (len(shape) - left - len(self)))

    def zfill(self, width: SupportsIndex, /) -> str:
        text = str.zfill(self, width)
        sign = 1 if self and str.__getitem__(self, 0) in "+-" else 0
        return Marked(text, self._marks[:sign] + bytes(len(text) - len(self)) + self._marks[sign:])


def marks_of(text: str) -> bytes:
    """A byte for each character: 1 where a caller wrote it."""
    if type(text) is Marked:
        return text._marks
    return bytes(len(text)) if type(text) is str else b"\1" * len(text)


def concat(parts: Iterable[str]) -> str:
    """`"".join(parts)`, marked if one of them is."""
    texts = list(parts)
    text = "".join(texts)
    if all(type(part) is str for part in texts):
        return text
    return Marked(text, b"".join(map(marks_of, texts)))


def unmarked(text: str) -> Marked:
    """A text of the template whose methods know marks."""
    return text if isinstance(text, Marked) else Marked(text, bytes(len(text)))


def carries_marks(value: object) -> bool:
    """Whether a text of a caller is in `value`, which may be a container."""
    level = [value]
    while level:
        below: list[Any] = []
        for entry in level:
            if isinstance(entry, str):
                if type(entry) is not str:
                    return True
            elif isinstance(entry, Mapping):
                below += entry
                below += entry.values()
            elif isinstance(entry, (list, tuple)):
                below += entry
        level = below
    return False


def percent(pattern: str, values: Any) -> str:
    """`pattern % values`, the values' characters marked."""
    text = str.__mod__(pattern, values)
    if not carries_marks([pattern, values]):
        return text
    template, pieces, at = unmarked(pattern), list[str](), 0
    named: Mapping[str, Any] = values if isinstance(values, Mapping) else {}
    positional: Iterator[Any] = iter(values if isinstance(values, tuple) else (values,))
    for match in _CONVERSION.finditer(pattern):
        pieces.append(template[at : match.start()])
        at = match.end()
        if match["kind"] == "%":
            pieces.append("%")
            continue
        value = next(positional, None) if match["key"] is None else named[match["key"]]
        piece = str.__mod__(f"%{match['flags']}{match['kind']}", (value,))
        pieces.append(Marked(piece) if carries_marks(value) else piece)
    whole = concat([*pieces, template[at:]])
    return whole if str.__eq__(whole, text) else Marked(text)


class Placeholders:
    """Stand for marked texts where only a plain one can be made: each is put back with its marks afterwards."""

    def __init__(self) -> None:
        self._key = secrets.token_hex(8)  # no caller can write it
        self._texts: list[str] = []

    def hide(self, text: str) -> str:
        self._texts.append(text)
        return f"{self._key}:{len(self._texts) - 1};"

    def show(self, text: str, change: Callable[[str], str] = lambda hidden: hidden) -> str:
        """`text` with what was hidden, changed."""
        pieces = re.split(f"{self._key}:(\\d+);", text)
        return concat(change(self._texts[int(piece)]) if i % 2 else piece for i, piece in enumerate(pieces))


def to_json(value: Any, *, ensure_ascii: bool, **layout: Any) -> Iterator[str]:
    """JSON in pieces, of which the texts of callers are marked; `layout` is that of `json.JSONEncoder`."""
    if layout.pop("sort_keys"):
        value = _sorted(value)
    placeholders = Placeholders()
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, **layout)

    def encode(text: str) -> str:
        inner = json.dumps(text, ensure_ascii=ensure_ascii)[1:-1]
        marks = marks_of(text)
        return inner if 1 not in marks else Marked(inner, marks if len(inner) == len(marks) else None)

    hidden = _hidden(value, placeholders) if carries_marks(value) else value
    for piece in encoder.iterencode(hidden):
        yield placeholders.show(piece, encode)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(item) for key, item in sorted(value.items())}
    return [_sorted(item) for item in value] if isinstance(value, (list, tuple)) else value


def _hidden(value: Any, placeholders: Placeholders) -> Any:
    if isinstance(value, str):
        return placeholders.hide(value) if type(value) is not str else value
    if isinstance(value, Mapping):
        return {_hidden(key, placeholders): _hidden(item, placeholders) for key, item in value.items()}
    return [_hidden(item, placeholders) for item in value] if isinstance(value, (list, tuple)) else value


def indented(text: str, indent: str, first: bool, blank: bool) -> str:
    """Jinja's filter `indent`."""
    lines = concat((text, "\n")).splitlines()
    rest = [concat((indent, line)) if line or blank else line for line in lines[1:]]
    return concat([indent if first else "", unmarked("\n").join([lines[0], *rest])])


def joined(separator: str, parts: Sequence[Any]) -> str:
    """Jinja's filter `join`."""
    texts = [part if isinstance(part, str) else str(part) for part in parts]
    texts = [text if isinstance(part, str) or not carries_marks(part) else Marked(text)
             for text, part in zip(texts, parts, strict=True)]  # fmt: skip
    return unmarked(separator).join(texts)

"""GGUF models in several parts, as llama.cpp's gguf-split writes them: `m-00001-of-00003.gguf` and so on.

Each part is a GGUF file. `split.count` says how many there are, `split.no` which one it is (from 0), and
`split.tensors.count` how many tensors all of them have. The first part has the model's metadata. Parts that were joined
end to end (`cat`) into one file are read as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..errors import FormatError
from .checkpoint import TensorStore
from .gguf import MAGIC, GGUFFile
from .source import Source, Span

COUNT, NUMBER, TENSORS = "split.count", "split.no", "split.tensors.count"
MAX_PARTS = 65535
_PART = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE | re.DOTALL)


def part_names(name: str) -> list[str]:
    """The names of all parts, given the name of one; empty for a name that is not a part's."""
    match = _PART.fullmatch(name)
    if match is None or not 1 < int(match["count"]) <= MAX_PARTS:
        return []
    return [f"{match['stem']}-{i:05}-of-{match['count']}.gguf" for i in range(1, int(match["count"]) + 1)]


def open_gguf(sources: Sequence[Source]) -> GGUFFile | SplitGGUF:
    """A GGUF file, or all parts of one in any order.

    Raises `FormatError` for parts that are missing, given twice, or not of one model.
    """
    parts = [part for source in sources for part in _joined(source)]
    if len(parts) == 1 and _count(parts[0]) <= 1:
        return parts[0]
    return SplitGGUF(parts)


class SplitGGUF(TensorStore):
    """The parts of a GGUF model as one `Checkpoint`. Named and described by the first part."""

    def __init__(self, parts: Sequence[GGUFFile]) -> None:
        by_number = _by_number(parts)
        count = _count(parts[0])
        missing = [i for i in range(count) if i not in by_number]
        if missing:
            raise _missing(parts, missing, count)
        ordered = [by_number[i] for i in range(count)]
        super().__init__(ordered[0].name)
        self.parts = ordered
        for part in ordered:
            for name in part.names():
                if name in self._tensors:
                    first = self._tensors[name][0].file
                    raise FormatError(f"the tensor {name} lies in two parts, {first} and {part.name}", where=part.name)
                self._tensors[name] = part.locate(name)
        total = ordered[0].metadata.get(TENSORS)
        if isinstance(total, int) and total != len(self._tensors):
            raise FormatError(
                f"the {count} parts hold {len(self._tensors)} tensors, and {TENSORS} says {total}",
                where=self.name,
                remedy="Take all parts from one place; one of these belongs to another model.",
            )

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The first part's."""
        return MappingProxyType(dict(self.parts[0].metadata))


def _joined(source: Source) -> Iterator[GGUFFile]:
    """The file, and what follows it where parts were joined end to end."""
    start = 0
    while True:
        part = GGUFFile(source if not start else Span(source, start, source.size - start))
        yield part
        if _count(part) <= 1:
            return
        following = (part.end, -(-part.end // part.alignment) * part.alignment)
        beyond = next((start + end for end in following if _begins(source, start + end)), 0)
        if not beyond:
            return
        start = beyond


def _begins(source: Source, offset: int) -> bool:
    """Whether a GGUF file begins at an offset."""
    return offset + len(MAGIC) <= source.size and bytes(source.read(offset, len(MAGIC))) == MAGIC


def _count(part: GGUFFile) -> int:
    return _whole(part, COUNT, 1, minimum=0, maximum=MAX_PARTS)


def _by_number(parts: Sequence[GGUFFile]) -> dict[int, GGUFFile]:
    count = _count(parts[0])
    by_number: dict[int, GGUFFile] = {}
    for part in parts:
        if _count(part) <= 1:
            raise FormatError(
                f"is a whole GGUF and not one of {count} parts",
                where=part.name,
                remedy="Choose one model: a whole .gguf, or the parts of one.",
            )
        if _count(part) != count:
            message = f"is one of {_count(part)} parts, and {parts[0].name} one of {count}"
            raise FormatError(message, where=part.name, remedy="Choose the parts of one model.")
        number = _whole(part, NUMBER, 0, minimum=0, maximum=count - 1)
        if number in by_number:
            message = f"is part {number + 1} of {count}, and so is {by_number[number].name}"
            raise FormatError(message, where=part.name, remedy="Give each part once.")
        by_number[number] = part
    return by_number


def _missing(parts: Sequence[GGUFFile], missing: Sequence[int], count: int) -> FormatError:
    numbers = ", ".join(str(i + 1) for i in missing[:8]) + (", …" if len(missing) > 8 else "")
    what = f"part {numbers} of {count} is missing" if len(missing) == 1 else f"parts {numbers} of {count} are missing"
    names = part_names(parts[0].name)
    named = ", ".join(names[i] for i in missing[:8]) if len(names) == count else "the other parts"
    return FormatError(
        f"the model is in {count} parts, and {what}",
        where=", ".join(part.name for part in parts[:8]),
        remedy=f"Give all {count} together: add {named}.",
    )


def _whole(part: GGUFFile, key: str, default: int, *, minimum: int, maximum: int) -> int:
    value = part.metadata.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise FormatError(
            f"{key} must be a whole number from {minimum} to {maximum}, but is {value!r:.40}", where=part.name
        )
    return value

"""SentencePiece's `precompiled_charsmap`: a trie over UTF-8 bytes that maps texts to texts, stored as a double array.

The file is the size of the array in bytes, the array, and the texts, each ended by a zero byte (all little-endian). A
unit of the array holds the byte that leads to it (bits 0 to 7), whether a text belongs to it (bit 8), and the distance
to its children, which lie at `place ^ distance ^ byte` (bits 10 to 30, times 256 where bit 9 is set). A unit with bit
31 holds the place of a text. Yata, Darts-clone; Kudo and Richardson 2018, "SentencePiece".
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cached_property

import numpy as np

from ..progress import to_end
from .blocks import TURNS
from .graphemes import clustering, clusters

_LEAF, _SHIFTED, _VALUE, _LABEL = 1 << 8, 1 << 9, 1 << 31, 1 << 31 | 0xFF
_CACHED = 65_536  # characters whose text is remembered
_MAX_TEXT = 256  # bytes; the longest of Unicode's compatibility mappings has 33
_MAX_KEY = 64  # characters
_SHORT = 6  # bytes of a cluster that `tokenizers` no longer looks up as a whole


class Charsmap:
    """A map from texts to texts. Raises `ValueError` with what is wrong with `raw`."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        size = int.from_bytes(raw[:4], "little")
        if len(raw) < 8 or size % 4 or not 4 <= size <= len(raw) - 4:
            raise ValueError(f"has {len(raw)} bytes, which do not hold an array of {size}")
        units = np.frombuffer(raw, "<u4", size // 4, 4)
        self._texts = raw[4 + size :]
        try:
            self._texts.decode()
        except UnicodeDecodeError:
            raise ValueError("holds texts that are not UTF-8") from None
        if max(map(len, self._texts.split(b"\0"))) > _MAX_TEXT:
            raise ValueError(f"holds a text of more than {_MAX_TEXT} bytes")
        self._check_values(units)
        self._units: list[int] = units.tolist()
        self._root = self._below(0, self._units[0])
        self._characters: dict[str, tuple[str | None, int]] = {}

    def _check_values(self, units: np.ndarray) -> None:
        leaves = np.flatnonzero((units & (_VALUE | _LEAF)) == _LEAF)
        words = units[leaves].astype(np.int64)
        places = leaves ^ ((words >> 10) << ((words & _SHIFTED) >> 6))
        values = units[places[places < len(units)]] & (_VALUE - 1)
        starts = np.frombuffer(self._texts + b"\0", np.uint8)
        if (places >= len(units)).any() or (values >= len(starts)).any() or (starts[values] & 0xC0 == 0x80).any():
            raise ValueError("points to texts that it does not hold")

    @staticmethod
    def _below(place: int, unit: int) -> int:
        """Where the children of a unit lie, before the byte that leads to each."""
        return place ^ ((unit >> 10) << ((unit & _SHIFTED) >> 6))

    def character(self, char: str, base: int = -1) -> tuple[str | None, int]:
        """The text of a character, or None, and where longer keys that begin so go on, or -2.

        - `base`: where to begin; at the root unless given.
        """
        at_root = base == -1
        if at_root:
            cached = self._characters.get(char)
            if cached is not None:
                return cached
            base = self._root
        units = self._units
        unit = 0
        for byte in char.encode():
            place = base ^ byte
            if not byte or place >= len(units) or units[place] & _LABEL != byte:
                base, unit = -2, 0
                break
            unit = units[place]
            base = self._below(place, unit)
        result = (self._text(units[base] & (_VALUE - 1)) if unit & _LEAF else None), base
        if at_root:
            if len(self._characters) >= _CACHED:
                self._characters.clear()
            self._characters[char] = result
        return result

    def _text(self, start: int) -> str:
        return self._texts[start : start + _MAX_TEXT + 1].partition(b"\0")[0].decode()

    def longest(self, text: str) -> str:
        """`text` with the longest key from the left replaced, over and over, as SentencePiece does."""
        return to_end(self.longest_steps(text))

    def longest_steps(self, text: str) -> Generator[None, None, str]:
        """`longest` in steps."""
        out: list[str] = []
        at = 0
        while at < len(text):
            mapped, base = self.character(text[at])
            length = 1
            for ahead in range(at + 1, min(at + _MAX_KEY, len(text)) if base >= 0 else 0):
                longer, base = self.character(text[ahead], base)
                if longer is not None:
                    mapped, length = longer, ahead + 1 - at
                if base < 0:
                    break
            out.append(text[at] if mapped is None else mapped)
            at += length
            if not len(out) % TURNS:
                yield
        return "".join(out)

    def by_clusters(self, text: str) -> str:
        """`text` with each character replaced, as the normaliser `Precompiled` of `tokenizers` does.

        It first looks each grapheme cluster of fewer than six bytes up as a whole, and replaces all of it by the text
        of the shortest key that it begins with.
        """
        if not clustering(text):
            return text.translate(self._table)
        out: list[str] = []
        at = 0
        for start, end in clusters(text):
            cluster = text[start:end]
            if len(cluster.encode()) < _SHORT and (mapped := self._shortest(cluster)) is not None:
                out += (text[at:start].translate(self._table), mapped)
                at = end
        return "".join((*out, text[at:].translate(self._table)))

    def _shortest(self, text: str) -> str | None:
        base = -1
        for char in text:
            mapped, base = self.character(char, base)
            if mapped is not None or base < 0:
                return mapped
        return None

    @cached_property
    def _table(self) -> _Table:
        return _Table(self)


class _Table(dict[int, "str | int"]):
    """Code point → its text, filled on demand, for `str.translate`."""

    def __init__(self, charsmap: Charsmap) -> None:
        super().__init__()
        self._charsmap = charsmap

    def __missing__(self, code: int) -> str | int:
        if len(self) >= _CACHED:
            self.clear()
        mapped, _ = self._charsmap.character(chr(code))
        self[code] = code if mapped is None else mapped
        return self[code]

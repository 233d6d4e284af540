"""How texts become one batch: where they are cut, and how the shorter ones are filled up.

The fields `truncation` and `padding` of `tokenizer.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import InputError
from ..schema.fields import Fields
from .tokenizer_fields import MAX_ID

Side = Literal["Left", "Right"]
Strategy = Literal["LongestFirst", "OnlyFirst", "OnlySecond"]
MAX_LENGTH = 2**20
"""Of the rows of a batch. A file may allow longer rows, and some name absurd lengths for none."""
_SIDES, _STRATEGIES = ("Left", "Right"), ("LongestFirst", "OnlyFirst", "OnlySecond")


@dataclass(frozen=True, slots=True)
class Truncation:
    """- `max_length`: of all tokens of a row, special ones included. Fewer than those leave the row as it is.
    - `strategy`: which of two texts gives tokens up.
    - `side`: where.
    """

    max_length: int
    strategy: Strategy = "LongestFirst"
    side: Side = "Right"

    def __post_init__(self) -> None:
        if self.max_length < 0:
            raise InputError(f"{self.max_length} must be at least 0", where="max_length")

    def cut(self, texts: list[list[int]], added: int) -> list[list[int]]:
        """One text or two, cut so that `added` special tokens still fit. Raises `InputError` where one is too short."""
        room = self.max_length - added
        excess = sum(map(len, texts)) - room
        if room < 0 or excess <= 0:
            return texts
        if room == 0:
            return [[] for _ in texts]
        if self.strategy == "LongestFirst":
            return [self._cut(ids, length) for ids, length in zip(texts, _shares(texts, room), strict=True)]
        which = _STRATEGIES.index(self.strategy) - 1
        if which >= len(texts) or len(texts[which]) <= excess:
            text = ("first", "second")[which]
            raise InputError(
                f"the {text} text is too short to give up the {excess} tokens by which the row is too long",
                where="truncation",
                remedy="Truncate the longest text first (LongestFirst), or allow longer rows.",
            )
        return [self._cut(ids, len(ids) - excess) if i == which else ids for i, ids in enumerate(texts)]

    def _cut(self, ids: list[int], length: int) -> list[int]:
        return ids[len(ids) - length :] if self.side == "Left" and length < len(ids) else ids[:length]


def _shares(texts: list[list[int]], room: int) -> list[int]:
    """How long each may be: the shorter one is left as it is while the longer one can give enough."""
    if len(texts) == 1:
        return [room]
    short, long = sorted((len(texts[0]), len(texts[1])))
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short, long = room // 2, room // 2 + room % 2
    return [long, short] if len(texts[0]) > len(texts[1]) else [short, long]


@dataclass(frozen=True, slots=True)
class Padding:
    """- `pad_id`, `pad_type_id`: of the filling.
    - `length`: of every row that is not longer; None: that of the longest.
    - `multiple_of`: rounded up to a multiple of this.
    - `side`: where the filling goes.
    """

    pad_id: int = 0
    pad_type_id: int = 0
    length: int | None = None
    multiple_of: int = 1
    side: Side = "Right"

    def width(self, longest: int) -> int:
        """The length of all rows, given the longest."""
        length = longest if self.length is None else self.length
        return max(longest, -(-length // self.multiple_of) * self.multiple_of)


def read_truncation(node: Fields | None) -> Truncation | None:
    """Raises `TokenizerError`."""
    if node is None:
        return None
    strategy = node.string("strategy", default="LongestFirst", choices=_STRATEGIES)
    side = node.string("direction", default="Right", choices=_SIDES)
    length = node.integer("max_length", minimum=0, maximum=2**64)
    return Truncation(length, strategy, side)  # type: ignore[arg-type]  # of the choices


def read_padding(node: Fields | None) -> Padding | None:
    """Raises `TokenizerError`."""
    if node is None:
        return None
    length = None
    if node.values.get("strategy", "BatchLongest") != "BatchLongest":
        length = node.object("strategy").integer("Fixed", minimum=0, maximum=MAX_LENGTH)
    return Padding(
        node.integer("pad_id", default=0, minimum=0, maximum=MAX_ID),
        node.integer("pad_type_id", default=0, minimum=0, maximum=MAX_ID),
        length,
        node.integer("pad_to_multiple_of", default=None, minimum=0, maximum=MAX_LENGTH) or 1,
        node.string("direction", default="Right", choices=_SIDES),  # type: ignore[arg-type]  # of the choices
    )

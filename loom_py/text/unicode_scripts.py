"""`UnicodeScripts`: splits where the script changes; kana count as Han, and a space as whatever stands around it."""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise

from .blocks import BLOCK, TURNS
from .unicode_tables import script


def split_by_script(pieces: list[str], at_start: bool) -> Generator[None, None, tuple[list[str], bool]]:
    """What stands before the first script is dropped, as in `tokenizers`, where no range begins there."""
    result: list[str] = []
    for i, piece in enumerate(pieces):
        starts: list[int] = []
        last = 0
        for place, char in enumerate(piece):
            own = script(char)
            if not (place + 1) % BLOCK:
                yield
            if own and own != last:
                starts.append(place)
                last = own
        if i == 0 and at_start and piece:
            at_start = starts[:1] == [0]
        result += [piece[start:end] for start, end in pairwise([*starts, len(piece)])]
        if not (i + 1) % TURNS:
            yield
    return result, at_start

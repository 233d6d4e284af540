"""Sets of code points, stored as the places where membership changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

LIMIT = 0x110000


class CodeSet:
    """An immutable set of code points.

    `edges` is ascending and of even length: `[in, out, in, out, …]`, each run half-open. The empty set has no edges.
    """

    __slots__ = ("edges",)

    def __init__(self, edges: Iterable[int] = ()) -> None:
        self.edges = tuple(edges)

    @classmethod
    def of(cls, *chars: str) -> CodeSet:
        """The set of the given single characters."""
        return cls.union(*(cls((ord(c), ord(c) + 1)) for c in chars))

    @classmethod
    def span(cls, first: int, last: int) -> CodeSet:
        """All code points from `first` to `last`, both included."""
        return cls((first, last + 1))

    @staticmethod
    def union(*sets: CodeSet) -> CodeSet:
        """Everything in any of the sets."""
        if len(sets) == 1:
            return sets[0]
        events = sorted((edge, -1 if i & 1 else 1) for s in sets for i, edge in enumerate(s.edges))
        edges: list[int] = []
        depth = 0
        for edge, step in events:
            was, depth = depth, depth + step
            if bool(was) != bool(depth):
                if edges and edges[-1] == edge:
                    edges.pop()
                else:
                    edges.append(edge)
        return CodeSet(edges)

    def __invert__(self) -> CodeSet:
        edges = list(self.edges)
        for end in (0, LIMIT):
            if end in (edges[:1] if end == 0 else edges[-1:]):
                edges.remove(end)
            else:
                edges.insert(0 if end == 0 else len(edges), end)
        return CodeSet(edges)

    def __or__(self, other: CodeSet) -> CodeSet:
        return CodeSet.union(self, other)

    def __and__(self, other: CodeSet) -> CodeSet:
        return ~CodeSet.union(~self, ~other)

    def __sub__(self, other: CodeSet) -> CodeSet:
        return self & ~other

    def __contains__(self, char: str) -> bool:
        return bool(bisect_right(self.edges, ord(char)) & 1)

    def __bool__(self) -> bool:
        return bool(self.edges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CodeSet) and self.edges == other.edges

    def __hash__(self) -> int:
        return hash(self.edges)

    def __iter__(self) -> Iterator[int]:
        """Every code point, ascending."""
        for lo, hi in self.runs():
            yield from range(lo, hi)

    def runs(self) -> Iterator[tuple[int, int]]:
        """Half-open runs `(lo, hi)`."""
        return zip(self.edges[::2], self.edges[1::2], strict=True)

    def pattern(self) -> str:
        """A character class for the standard library's `re`, with every range spelled out."""
        if not self.edges:
            return r"[^\x00-\U0010ffff]"
        return "[" + "".join(rf"\U{lo:08x}-\U{hi - 1:08x}" for lo, hi in self.runs()) + "]"


EMPTY = CodeSet()
EVERYTHING = CodeSet((0, LIMIT))


def partition(sets: Sequence[CodeSet]) -> tuple[list[int], list[int]]:
    """Cut the code points into runs inside which all `sets` agree.

    Returns `(starts, signatures)`: run `i` begins at `starts[i]`, and bit `k` of `signatures[i]` says whether it lies
    in `sets[k]`.
    """
    flips: dict[int, int] = {0: 0}
    for k, code_set in enumerate(sets):
        for edge in code_set.edges:
            flips[edge] = flips.get(edge, 0) ^ (1 << k)
    starts = sorted(flips)
    signatures: list[int] = []
    signature = 0
    for start in starts:
        signature ^= flips[start]
        signatures.append(signature)
    return starts, signatures

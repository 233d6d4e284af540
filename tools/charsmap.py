"""Write a `precompiled_charsmap` as SentencePiece does: a double array over UTF-8 bytes, and the texts it points to.

A map of one's own shows what a normaliser does with a character: `tools/make_unicode_tables.py` and the tests use it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_LEAF, _SHIFTED, _VALUE = 1 << 8, 1 << 9, 1 << 31


def charsmap(entries: Mapping[str, str]) -> bytes:
    """The bytes of a map from texts to texts.

    Every node of the trie has a block of 256 units to itself, so that a child is found at `block ^ byte`.
    """
    keys = {key.encode(): text.encode() for key, text in entries.items()}
    nodes = sorted({key[:i] for key in keys for i in range(len(key) + 1)} | {b""}, key=lambda node: (len(node), node))
    block = {node: 256 * (i + 1) for i, node in enumerate(nodes)}
    units = [0] * (256 * (len(nodes) + 1))
    units[0] = _offset(block[b""])
    texts = bytearray()
    for node in nodes:
        if node:
            place = block[node[:-1]] ^ node[-1]
            units[place] = _offset(place ^ block[node]) | node[-1] | (_LEAF if node in keys else 0)
        if node in keys:
            units[block[node]] = _VALUE | len(texts)
            texts += keys[node] + b"\0"
    return struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + bytes(texts)


def _offset(distance: int) -> int:
    if distance < 1 << 21:
        return distance << 10
    return (distance >> 8) << 10 | _SHIFTED

"""Cases of `kernels/embedding.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

TOKENS = [
    *(((1,), 3, 1), ((2, 5), 7, 6), ((40,), 9, 33), ((3, 20), 300, 130)),
    *(((1500,), 20, 140), ((2, 30), 2500, 5), ((1100,), 1, 3)),
]
"""Shape of the ids, vocabulary, width."""


@cases("token_ids")
def token_ids(n: Numbers) -> Cases:
    for shape, vocab, _ in TOKENS:
        yield size(*shape, vocab), {"x": n.integers(vocab, *shape).astype(np.float32), "vocab_size": vocab}


@cases("embedding")
def embedding(n: Numbers) -> Cases:
    for shape, vocab, width in TOKENS:
        yield size(*shape, vocab, width), {"ids": n.integers(vocab, *shape), "table": n.normal(vocab, width)}


@cases("embedding_grad")
def embedding_grad(n: Numbers) -> Cases:
    for shape, vocab, width in TOKENS:
        operands = {"ids": n.integers(vocab, *shape), "vocab_size": vocab, "gy": n.normal(*shape, width)}
        yield size(*shape, vocab, width), operands
    unknown = n.integers(7, 50) - 2  # from -2 to 4, of which 0 to 2 are ids
    yield "unknown", {"ids": unknown, "vocab_size": 3, "gy": n.normal(50, 40)}

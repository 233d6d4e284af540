"""Embedding, norms, rotary positions, attention."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels import attention as k
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]
NORMS = [(1, 1), (1, 16), (3, 5), (2, 3, 33), (70, 12), (5, 1030)]
TOKENS = [((1,), 3, 1), ((2, 5), 7, 6), ((40,), 9, 33), ((3, 20), 300, 130)]
"""Shape of the ids, vocabulary, width."""


@cases("embedding")
def embedding(n: Numbers) -> Cases:
    for shape, vocab, width in TOKENS:
        yield size(*shape, vocab, width), {"ids": n.integers(vocab, *shape), "table": n.normal(vocab, width)}


@cases("embedding_grad")
def embedding_grad(n: Numbers) -> Cases:
    for shape, vocab, width in TOKENS:
        operands = {"ids": n.integers(vocab, *shape), "vocab_size": vocab, "gy": n.normal(*shape, width)}
        yield size(*shape, vocab, width), operands


@cases("token_ids")
def token_ids(n: Numbers) -> Cases:
    for shape, vocab, _ in TOKENS:
        yield size(*shape, vocab), {"x": n.integers(vocab, *shape).astype(np.float32), "vocab_size": vocab}


@cases("rms_norm")
def rms_norm(n: Numbers) -> Cases:
    for shape in NORMS:
        yield size(*shape), {"x": n.normal(*shape), "gamma": n.normal(shape[-1]), "eps": 1e-5}


@cases("rms_norm_grad")
def rms_norm_grad(n: Numbers) -> Cases:
    for shape in NORMS:
        operands = {"x": n.normal(*shape), "gamma": n.normal(shape[-1]), "eps": 1e-2, "gy": n.normal(*shape)}
        yield size(*shape), operands


@cases("layer_norm")
def layer_norm(n: Numbers) -> Cases:
    for shape in NORMS[1:]:
        x = n.normal(*shape) + np.float32(2)
        yield size(*shape), {"x": x, "gamma": n.normal(shape[-1]), "beta": n.normal(shape[-1]), "eps": 1e-5}


@cases("layer_norm_grad")
def layer_norm_grad(n: Numbers) -> Cases:
    for shape in NORMS[1:]:
        x = n.normal(*shape) + np.float32(2)
        yield size(*shape), {"x": x, "gamma": n.normal(shape[-1]), "eps": 1e-2, "gy": n.normal(*shape)}


def frequencies(width: int) -> Any:
    return 1e4 ** (-np.arange(0, width, 2) / width)


@cases("rope", "inverse_frequencies")
def rope(n: Numbers) -> Cases:
    for shape, position in [((1, 1, 2), 0), ((3, 2, 4), 5), ((2, 5, 3, 16), 0), ((7, 3, 64), 8000)]:
        for inverse in (False, True):
            operands = {"x": n.normal(*shape), "position": position, "inverse_frequencies": frequencies(shape[-1])}
            yield f"{size(*shape)}-{position}{'-inverse' * inverse}", {**operands, "inverse": inverse}


@cases("cache_write")
def cache_write(n: Numbers) -> Cases:
    for rows, steps, heads, width, position in [(1, 1, 1, 1, 0), (9, 3, 2, 5, 6), (64, 17, 3, 64, 11)]:
        operands = {"cache": n.normal(rows, heads, width), "x": n.normal(steps, heads, width)}
        yield size(rows, steps, heads, width), {**operands, "position": position}


@cases("attention")
def attention(n: Numbers) -> Cases:
    for rows, steps, heads, kv, width, position in [
        *((1, 1, 1, 1, 2, 0), (9, 1, 4, 2, 8, 6), (9, 3, 2, 2, 6, 6)),
        *((300, 1, 9, 3, 64, 270), (300, 40, 6, 2, 64, 250)),
    ]:
        cache = {"keys": n.normal(rows, kv, width), "values": n.normal(rows, kv, width)}
        label = f"{size(rows, steps, heads, kv, width)}-{position}"
        yield label, {"q": n.normal(steps, heads, width, scale=2), **cache, "position": position}


ATTENTIONS = [(1, 1, 1, 1, 2), (2, 3, 2, 2, 2), (2, 5, 4, 2, 6), (1, 33, 3, 1, 16), (3, 20, 6, 3, 64)]
"""Batch, steps, heads, key–value heads, width."""


@cases("attend")
def attend(n: Numbers) -> Cases:
    for b, t, heads, kv, d in ATTENTIONS:
        for causal in (False, True):
            operands = {"q": n.normal(b, t, heads, d), "k": n.normal(b, t, kv, d), "v": n.normal(b, t, kv, d)}
            yield f"{size(b, t, heads, kv, d)}{'-causal' * causal}", {**operands, "causal": causal}


@cases("attend_grad")
def attend_grad(n: Numbers) -> Cases:
    for b, t, heads, kv, d in ATTENTIONS[1:]:
        for causal in (False, True):
            q, keys, values = n.normal(b, t, heads, d), n.normal(b, t, kv, d), n.normal(b, t, kv, d)
            _, probabilities = k.attend(q, keys, values, causal=causal)
            operands = {"q": q, "k": keys, "v": values, "probabilities": probabilities, "gy": n.normal(b, t, heads, d)}
            yield f"{size(b, t, heads, kv, d)}{'-causal' * causal}", operands

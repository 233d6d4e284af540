"""The decoder against a plain float64 reading of the formulas, and its cache against itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loom_py.errors import InputError, ModelError
from loom_py.generation.on_numpy import OnNumpy
from loom_py.models.llama import LlamaConfig
from loom_py.models.protocols import Chunk, Segment
from loom_py.models.rope import inverse_frequencies
from loom_py.runtime import numpy_ops

from . import tiny

Array = NDArray[Any]


def reference(config: LlamaConfig, w: dict[str, Any], ids: list[int]) -> Array:
    """Logits (T, V) in float64, one position and one head at a time, no cache."""
    w = {k: v.astype(np.float64) for k, v in w.items()}
    d, heads, kv = config.head_dim, config.num_attention_heads, config.num_key_value_heads
    f = inverse_frequencies(d, config.rope_theta, config.rope_scaling)

    def norm(x: Array, g: Array) -> Array:
        return x / np.sqrt((x**2).mean() + config.rms_norm_eps) * g

    def rotate(x: Array, p: int) -> Array:
        out = x.copy()
        for i in range(d // 2):
            c, s = np.cos(p * f[i]), np.sin(p * f[i])
            out[i] = x[i] * c - x[i + d // 2] * s
            out[i + d // 2] = x[i + d // 2] * c + x[i] * s
        return out

    xs = [w["model.embed_tokens.weight"][i] for i in ids]
    for layer in range(config.num_hidden_layers):
        b = f"model.layers.{layer}."

        def linear(name: str, x: Array, b: str = b) -> Array:
            return w[f"{b}{name}.weight"] @ x + w.get(f"{b}{name}.bias", 0.0)

        hs = [norm(x, w[f"{b}input_layernorm.weight"]) for x in xs]
        q = [linear("self_attn.q_proj", h).reshape(heads, d) for h in hs]
        k = [linear("self_attn.k_proj", h).reshape(kv, d) for h in hs]
        v = [linear("self_attn.v_proj", h).reshape(kv, d) for h in hs]
        for t, x in enumerate(xs):
            mixed = []
            for head in range(heads):
                g = head * kv // heads
                scores = np.array([rotate(q[t][head], t) @ rotate(k[u][g], u) for u in range(t + 1)]) / np.sqrt(d)
                p = np.exp(scores - scores.max())
                mixed.append(sum(pi * v[u][g] for u, pi in enumerate(p / p.sum())))
            x = x + linear("self_attn.o_proj", np.concatenate(mixed))
            h = norm(x, w[f"{b}post_attention_layernorm.weight"])
            gate = linear("mlp.gate_proj", h)
            xs[t] = x + linear("mlp.down_proj", gate / (1 + np.exp(-gate)) * linear("mlp.up_proj", h))
    head = w["model.embed_tokens.weight" if config.tie_word_embeddings else "lm_head.weight"]
    return np.stack([head @ norm(x, w["model.norm.weight"]) for x in xs])


VARIANTS: dict[str, dict[str, Any]] = {
    "grouped, tied": {},
    "untied": {"tie_word_embeddings": False},
    "one kv head": {"num_key_value_heads": 1},
    "full heads": {"num_key_value_heads": 6},
    "head_dim given": {"head_dim": 10},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "linear scaling": {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    "llama3 scaling": {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        }
    },
}
IDS = [3, 1, 4, 1, 5, 9, 2, 6, 36, 0, 35]


@pytest.mark.parametrize("name", VARIANTS)
def test_logits(name: str) -> None:
    model = tiny.llama(**VARIANTS[name])
    expected = reference(tiny.config(**VARIANTS[name]), dict(model.weights), IDS)
    got = model.forward(np.array(IDS), model.new_cache(), every=True)
    assert np.linalg.norm(got - expected) / np.linalg.norm(expected) < 1e-5
    last = model.forward(np.array(IDS), model.new_cache())
    np.testing.assert_allclose(last, got[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunks", [[11], [1] * 11, [3, 8], [5, 1, 5], [10, 1]])
def test_chunks_do_not_matter(chunks: list[int]) -> None:
    model = tiny.llama()
    whole = model.forward(np.array(IDS), model.new_cache(), every=True)
    cache, start, rows = model.new_cache(), 0, []
    for n in chunks:
        rows.append(model.forward(np.array(IDS[start : start + n]), cache, every=True))
        start += n
    np.testing.assert_allclose(np.concatenate(rows), whole, rtol=1e-4, atol=1e-5)
    assert cache.length == len(IDS)


def test_cache_grows_and_keeps_what_it_had() -> None:
    model = tiny.llama()
    ids = np.random.default_rng(0).integers(0, 37, 290)
    cache = model.new_cache()
    last = model.forward(ids[:29], cache)
    for start in range(29, 290, 29):
        last = model.forward(ids[start : start + 29], cache)
    assert len(cache.arrays["keys.0"]) == 300
    np.testing.assert_allclose(last, model.forward(ids, model.new_cache()), rtol=1e-3, atol=1e-4)
    with pytest.raises(InputError, match="301 tokens do not fit the context of 300"):
        model.forward(ids[:11], cache)
    assert cache.length == 290


def test_truncated_cache_forgets() -> None:
    model = tiny.llama()
    cache = model.new_cache()
    model.forward(np.array([1, 2, 3, 4, 5]), cache)
    cache.truncate(2)
    again = model.forward(np.array([9, 8]), cache)
    np.testing.assert_allclose(again, model.forward(np.array([1, 2, 9, 8]), model.new_cache()), rtol=1e-4, atol=1e-5)


def test_weights_are_checked() -> None:
    w = tiny.weights(tiny.config())
    del w["model.norm.weight"]
    with pytest.raises(ModelError, match=r"model\.norm\.weight is missing"):
        OnNumpy(tiny.decoder(), w)
    w["model.norm.weight"] = np.zeros(3, np.float32)
    with pytest.raises(ModelError, match=r"shape \[3\], expected \[24\]"):
        OnNumpy(tiny.decoder(), w)


def test_sequences_side_by_side_do_not_mix() -> None:
    """Two sequences of different lengths go through the decoder in one chunk, each with its own cache."""
    model = tiny.llama()
    caches, texts = [model.new_cache() for _ in range(2)], ([3, 1, 4, 1, 5], [9, 2])
    for cache, ids in zip(caches, texts, strict=True):
        model.forward(np.array(ids), cache)
    more = ([6, 36, 0], [35, 8])
    segments = tuple(Segment(len(ids), c.length, c.layers) for ids, c in zip(more, caches, strict=True))
    positions = np.array([5, 6, 7, 2, 3])
    for every in (True, False):
        chunk = Chunk(np.array([*more[0], *more[1]]), segments, every, lambda: positions)
        hidden = model.decoder.trace(numpy_ops, model.weights, chunk)
        together = model.decoder.logits(numpy_ops, model.weights, hidden)
        alone = [
            model.forward(np.array([*a, *b]), model.new_cache(), every=True) for a, b in zip(texts, more, strict=True)
        ]
        rows = [a[-len(b) :] if every else a[-1:] for a, b in zip(alone, more, strict=True)]
        np.testing.assert_allclose(together, np.concatenate(rows), rtol=1e-4, atol=1e-5)

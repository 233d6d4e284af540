"""The two ways to merge agree with each other and with `tokenizers`."""

from __future__ import annotations

import itertools

import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from loom_py.progress import to_end
from loom_py.text import word_model
from loom_py.text.bpe import BPE, BPEOptions


@st.composite
def models(draw: st.DrawFn) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary over a, b, c and merges among its tokens, in any order (also orders no training would give)."""
    vocab = {"a": 0, "b": 1, "c": 2}
    merges: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(0, 14))):
        tokens = sorted(vocab)
        left, right = draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens))
        if len(left + right) <= 9:
            vocab.setdefault(left + right, len(vocab))
            merges.append((left, right))
    return vocab, draw(st.permutations(merges))


@settings(max_examples=300, deadline=None)
@given(models(), st.text("abc", min_size=1, max_size=120))
def test_both_ways_agree_with_tokenizers(model: tuple[dict[str, int], list[tuple[str, str]]], word: str) -> None:
    vocab, merges = model
    ours = BPE(vocab, merges, BPEOptions(), str)
    ids = [vocab[char] for char in word]
    expected = [token.id for token in tokenizers.models.BPE(vocab, merges).tokenize(word)]
    assert ours._merge_short(list(ids)) == expected
    assert to_end(ours._merge_steps(list(ids))) == expected
    assert list(ours.encode(word)) == expected


def test_cache_is_bounded() -> None:
    vocab = {chr(c): c - 97 for c in range(97, 123)}
    model = BPE(vocab, [], BPEOptions(), str)
    for word in itertools.islice(itertools.product(vocab, repeat=4), word_model._CACHE_WORDS + 100):
        model.encode("".join(word))
    assert len(model._cache) <= word_model._CACHE_WORDS
    model.encode("a" * 1000)
    assert "a" * 1000 not in model._cache

"""Generation on a tiny model: stopping, streaming text, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom_py.errors import InputError
from loom_py.generation.cache import NumpyCache
from loom_py.generation.generate import GeneratedToken, PrefillProgress, StopFilter, generate
from loom_py.generation.on_numpy import OnNumpy
from loom_py.generation.runner import PREFILL_CHUNK
from loom_py.generation.sampling import GenerationOptions

from ..models import tiny


class Letters:
    """Token n is the letter a + n mod 26."""

    def add(self, token_id: int, /) -> str:
        return chr(97 + token_id % 26)

    def finish(self) -> str:
        return ""


def run(
    model: OnNumpy, ids: list[int], cache: NumpyCache | None = None, eos: tuple[int, ...] = (), **options: Any
) -> tuple[list[PrefillProgress], list[GeneratedToken]]:
    events = list(
        generate(
            model,
            ids,
            GenerationOptions(**options),
            cache=cache or model.new_cache(),
            decoder=Letters(),
            eos_ids=frozenset(eos),
        )
    )
    tokens = [e for e in events if isinstance(e, GeneratedToken)]
    return [e for e in events if isinstance(e, PrefillProgress)], tokens


def test_greedy_equals_running_everything_again() -> None:
    model = tiny.llama()
    ids, expected = [1, 2, 3], []
    for _ in range(12):
        expected.append(int(np.argmax(model.forward(np.array(ids + expected), model.new_cache()))))
    _, tokens = run(model, ids, max_tokens=12)
    assert [t.id for t in tokens] == expected
    assert [t.finish_reason for t in tokens] == [None] * 11 + ["length"]
    assert "".join(t.text for t in tokens) == "".join(chr(97 + i % 26) for i in expected)


def test_prefill_reports_chunks() -> None:
    ids = [1] * (2 * PREFILL_CHUNK + 5)
    progress, _ = run(tiny.llama(), ids, max_tokens=1)
    assert [(p.done, p.total) for p in progress] == [(64, 133), (128, 133), (133, 133)]


def test_end_token_is_the_last_and_has_no_text() -> None:
    model = tiny.llama()
    _, free = run(model, [5], max_tokens=6)
    stop = free[3].id
    first = [t.id for t in free].index(stop)
    _, tokens = run(model, [5], max_tokens=6, eos=(stop,))
    assert [t.id for t in tokens] == [t.id for t in free[: first + 1]]
    assert tokens[-1].finish_reason == "stop"
    assert tokens[-1].text == ""


def test_stop_string_is_not_shown() -> None:
    model = tiny.llama()
    _, free = run(model, [5], max_tokens=20, temperature=1, seed=3)
    text = "".join(t.text for t in free)
    stop = text[5:8]
    _, tokens = run(model, [5], max_tokens=20, temperature=1, seed=3, stop=(stop,))
    assert "".join(t.text for t in tokens) == text[: text.index(stop)]
    assert tokens[-1].finish_reason == "stop"


@given(st.lists(st.text("ab", max_size=4), max_size=8), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_stop_filter(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    held, shown, stopped = StopFilter(stops), "", False
    for piece in pieces:
        text, stopped = held.add(piece)
        shown += text
        if stopped:
            break
    if not stopped:
        assert shown + held.held == whole
        assert not any(s in whole for s in stops)
    else:
        assert any(s in whole for s in stops)
        assert not any(s in shown for s in stops)
        assert whole.startswith(shown)


def test_stopping_early_leaves_a_whole_cache() -> None:
    model = tiny.llama()
    cache = model.new_cache()
    events = generate(
        model, [1, 2, 3], GenerationOptions(max_tokens=50), cache=cache, decoder=Letters(), eos_ids=frozenset()
    )
    seen: list[int] = []
    for event in events:
        if isinstance(event, GeneratedToken):
            seen.append(event.id)
            if len(seen) == 4:
                break
    events.close()  # type: ignore[attr-defined]
    assert cache.length == 3 + 3
    _, rest = run(model, [1, 2, 3, *seen], cache, max_tokens=3)
    _, straight = run(model, [1, 2, 3], max_tokens=7)
    assert [t.id for t in rest] == [t.id for t in straight[4:]]


def test_context_ends_generation() -> None:
    model = tiny.llama()
    _, tokens = run(model, [1] * 290, max_tokens=100)
    assert len(tokens) == 10
    assert tokens[-1].finish_reason == "length"


@pytest.mark.parametrize(
    ("ids", "message"),
    [([], "prompt: the prompt has no tokens"), ([1] * 300, "300 tokens, the context holds 300"), ([99], "token id 99")],
)
def test_bad_prompts(ids: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(tiny.llama(), ids)


# Found by attack: of stop strings that overlap another one won when a token ended in the middle of both.
@pytest.mark.parametrize("stop", [("bbbxb", "bbx"), ("abc", "b"), ("bc", "abcd"), ("aa", "aaa"), ("xyz", "yz")])
@pytest.mark.parametrize("text", ["aabbbbxbj", "zabcde", "aaaa", "wxyzyz"])
def test_overlapping_stop_strings_do_not_depend_on_tokens(stop: tuple[str, ...], text: str) -> None:
    results: set[str] = set()
    for cuts in range(1 << (len(text) - 1)):
        stream, shown, start, stopped = StopFilter(stop), "", 0, False
        for end in range(1, len(text) + 1):
            if end < len(text) and not cuts >> (end - 1) & 1:
                continue
            piece, stopped = stream.add(text[start:end])
            shown, start = shown + piece, end
            if stopped:
                break
        results.add(shown if stopped else shown + stream.held)
    assert len(results) == 1, results

"""Embedding texts, whatever the model: prompts, tokens, batches bounded in memory, pooling."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.pending import Waiting
from ..schema.fields import suggest
from ..text.batch_options import Truncation
from ..text.encoding import Encoding
from ..text.tokenizer import Tokenizer
from .pooling import Pooling
from .sentence_files import SentenceSettings

PACK = 512
"""The most tokens of several texts that go through a model together. A longer text goes alone."""


@dataclass(frozen=True)
class EmbedProgress:
    """`done` of `total` texts have their vectors."""

    done: int
    total: int


Steps = Generator[EmbedProgress | Waiting, None, NDArray[np.float32]]


@dataclass(frozen=True)
class TokenizedText:
    """- `index`: of the text among all.
    - `ids`, `types`: (T,).
    - `skipped`: tokens at the beginning that are not pooled.
    """

    index: int
    ids: NDArray[np.int64]
    types: NDArray[np.int64]
    skipped: int = 0


def check_texts(texts: object) -> list[str]:
    """Raises `InputError` for anything but texts, and for one text, which would pass for many of one letter."""
    if isinstance(texts, str):
        raise InputError("expected a list of texts, got one text", where="texts", remedy="Write [text].")
    if not isinstance(texts, Iterable):
        raise InputError(f"expected a list of texts, got {type(texts).__name__}", where="texts")
    listed = list(cast(Iterable[object], texts))
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise InputError(f"expected a text, got {type(text).__name__}", where=f"texts[{i}]")
    return cast(list[str], listed)


def chosen_prompt(settings: SentenceSettings, name: str | None) -> str:
    """The prompt of that name, or the model's default. Raises `InputError` for a name that there is not."""
    if name is None:
        return settings.prompts[settings.default_prompt] if settings.default_prompt is not None else ""
    if name not in settings.prompts:
        remedy = suggest(name, settings.prompts) if settings.prompts else "The model's files name no prompts."
        raise InputError(f"the model has no prompt {name!r:.60}", where="prompt", remedy=remedy)
    return settings.prompts[name]


def tokenized(
    tokenizer: Tokenizer, texts: Sequence[str], settings: SentenceSettings, limit: int, prompt: str | None
) -> Iterator[TokenizedText | None]:
    """Each text's tokens, cut to `limit`; None between them, where one may stop."""
    before = chosen_prompt(settings, prompt)
    skipped = 0
    if before and settings.pooling is not None and not settings.pooling.with_prompt:
        skipped = _prompt_length(tokenizer, before)
    side = "Right" if tokenizer.truncation is None else tokenizer.truncation.side
    cut = Truncation(limit, side=side)
    for index, text in enumerate(texts):
        text = before + text
        steps = tokenizer.row_steps((text.lower() if settings.lower_case else text, None), cut)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                yield _checked(stop.value, index, skipped)
                break
            yield None


def _prompt_length(tokenizer: Tokenizer, prompt: str) -> int:
    """Tokens before those of the text, which begin with what begins every text; the end of a text is not there yet."""
    whole, bare = tokenizer.encode(prompt), tokenizer.encode(prompt, add_special_tokens=False)
    return len(whole) - 1 if len(whole) > len(bare) and whole[-1:] != bare[-1:] else len(whole)


def _checked(encoding: Encoding, index: int, skipped: int) -> TokenizedText:
    if not encoding.ids:
        remedy = "Leave it out, or use a tokenizer with tokens for the beginning of texts."
        raise InputError("the text has no tokens", where=f"texts[{index}]", remedy=remedy)
    ids, types = (np.array(row, np.int64) for row in (encoding.ids, encoding.type_ids))
    return TokenizedText(index, ids, types, min(skipped, len(ids) - 1))


def packs(texts: Iterable[TokenizedText], size: int = PACK) -> Iterator[list[TokenizedText]]:
    """Texts in groups of at most `size` tokens, the longest first; a longer text is a group by itself."""
    group: list[TokenizedText] = []
    count = 0
    for text in sorted(texts, key=lambda text: -len(text.ids)):
        if group and count + len(text.ids) > size:
            yield group
            group, count = [], 0
        group.append(text)
        count += len(text.ids)
    if group:
        yield group


def vectors_of(pooling: Pooling, pooled: Sequence[NDArray[np.float32] | None], hidden_size: int) -> NDArray[np.float32]:
    """What the layers make of all texts' pooled hidden states: (N, D) float32."""
    rows = [row for row in pooled if row is not None]
    if not rows:
        return np.zeros((0, pooling.width(hidden_size)), np.float32)
    return pooling.finished(np.stack(rows))

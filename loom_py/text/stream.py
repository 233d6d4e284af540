"""Streaming decoder: token ids to text as they arrive, in whole characters; the pieces add up to a full decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .decoders import DecodeStep, StepFactory


class StreamDecoder:
    """Feeds ids through a chain of decoders.

    **Arguments:**

    - `token_of`: (id, position) → the token for the decoders, `None` to leave it out; raises `InputError` for an
      unknown id.
    - `factories`: makers of the decoders.
    """

    def __init__(self, token_of: Callable[[int, int], str | None], factories: Sequence[StepFactory]) -> None:
        self._token_of = token_of
        self._steps: list[DecodeStep] = [make() for make in factories]
        self._position = 0
        self._finished = False

    def add(self, token_id: int) -> str:
        """The text that is final after this id; often empty while a character is incomplete."""
        return self.add_all((token_id,))

    def add_all(self, ids: Sequence[int]) -> str:
        """The text that is final after these ids. An unknown id is an `InputError` and changes nothing."""
        tokens: list[str] = []
        for i, token_id in enumerate(ids, self._position):
            token = self._token_of(token_id, i)
            if token is not None:
                tokens.append(token)
        self._position += len(ids)
        for step in self._steps:
            if not tokens:
                return ""
            tokens = step.feed(tokens)
        return "".join(tokens)

    def finish(self) -> str:
        """The text still held back; an incomplete character becomes U+FFFD. A second call returns nothing."""
        tokens: list[str] = []
        if self._finished:
            return ""
        self._finished = True
        for step in self._steps:
            tokens = (step.feed(tokens) if tokens else []) + step.finish()
        return "".join(tokens)

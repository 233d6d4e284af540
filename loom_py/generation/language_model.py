"""A checkpoint ready to talk: decoder, tokenizer and chat template together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import TemplateError
from ..runtime.pending import Waiting
from ..text.chat_template import ChatTemplate
from ..text.tokenizer import Tokenizer
from .cache import Cache
from .generate import GeneratedToken, PrefillProgress, generate
from .runner import Runner
from .sampling import GenerationOptions

Event = PrefillProgress | GeneratedToken | Waiting


@dataclass
class LanguageModel:
    """Text in, text out. Keeps the cache between calls and reuses what two prompts have in common.

    **Arguments:**

    - `name`: of the file or directory it came from.
    - `model`, `tokenizer`: the decoder with its weights, and its tokenizer.
    - `template`: the chat template, or None for a base model.
    - `eos_ids`: tokens that end a text.

    `notices`: what the user should know about the model's files, in sentences.
    """

    name: str
    model: Runner[Any]
    tokenizer: Tokenizer
    template: ChatTemplate | None
    eos_ids: frozenset[int]
    notices: tuple[str, ...] = ()
    _cache: Cache | None = None
    _cached: list[int] = field(default_factory=list[int])

    @property
    def device(self) -> str:
        """Name of the device it runs on."""
        return self.model.device_name

    @property
    def activations(self) -> str:
        """What quantised weights are multiplied with: `f32`, or `q16`."""
        return self.model.activations

    def close(self) -> None:
        """Give a device's memory back now; the model cannot be used afterwards."""
        if self._cache is not None:
            self._cache.close()
        self.model.close()

    def chat_prompt(self, messages: Sequence[dict[str, Any]]) -> str:
        """The template's text for `[{"role", "content"}, …]`, ready for the assistant's answer."""
        if self.template is None:
            raise TemplateError(
                "has no chat template", where=self.name, remedy="Use completion, or an instruction-tuned model."
            )
        return self.template.render(list(messages), add_generation_prompt=True)

    def events(self, prompt: str, options: GenerationOptions, *, chat: bool = False) -> Iterator[Event]:
        """`generate` with everything it reports, prefill progress included.

        A chat prompt brings its special tokens as text; a plain one gets those the tokenizer adds by itself.
        """
        ids = self.tokenizer.encode(prompt, add_special_tokens=not chat)
        return self.continue_ids(ids, options)

    def continue_ids(self, ids: Sequence[int], options: GenerationOptions) -> Iterator[Event]:
        """Continue token ids."""
        cache = self._cache or self.model.new_cache()
        self._cache = cache
        common = 0
        for old, new in zip(self._cached, ids, strict=False):
            if old != new:
                break
            common += 1
        # The last prompt token always runs again: its logits are what the first new token is drawn from.
        cache.truncate(min(common, cache.length, max(len(ids) - 1, 0)))
        fed = list(ids)
        decoder = self.tokenizer.decoder(skip_special_tokens=True)
        try:
            for event in generate(self.model, ids, options, cache=cache, decoder=decoder, eos_ids=self.eos_ids):
                if isinstance(event, GeneratedToken):
                    fed.append(event.id)
                yield event
        finally:
            self._cached = fed[: cache.length]

    def generate(self, prompt: str, options: GenerationOptions | None = None) -> Iterator[GeneratedToken]:
        """Continue `prompt`; stop iterating whenever you like."""
        return _tokens(self.events(prompt, options or GenerationOptions()))

    def chat(
        self, messages: Sequence[dict[str, Any]], options: GenerationOptions | None = None
    ) -> Iterator[GeneratedToken]:
        """The assistant's answer to `[{"role": "user", "content": "…"}, …]`."""
        return _tokens(self.events(self.chat_prompt(messages), options or GenerationOptions(), chat=True))


def _tokens(events: Iterator[Event]) -> Iterator[GeneratedToken]:
    return (event for event in events if isinstance(event, GeneratedToken))

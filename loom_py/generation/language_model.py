"""A checkpoint ready to talk: decoder, tokenizer and chat template together."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, TemplateError
from ..models.protocols import Facts
from ..progress import to_end
from ..runtime.pending import Waiting
from ..runtime.profiling import Measured, Profile
from ..text.prompt import Prompt
from ..text.tokenizer import Tokenizer
from ..values import whole
from .cache import Cache
from .embedding import EmbedProgress, Steps, check_texts, tokenized, vectors_of
from .embedding_model import EmbeddingModel
from .generate import Encoding, GeneratedToken, PrefillProgress, check_ids, check_room, generate
from .pooling import Pooling
from .runner import PREFILL_CHUNK, Runner
from .sampling import GenerationOptions
from .sentence_files import PLAIN, SentenceSettings
from .text_files import TextSettings
from .token_ids import token_ids

Event = Encoding | PrefillProgress | GeneratedToken | Waiting
E = TypeVar("E", bound=Event)
T = TypeVar("T")


class Generation(Generic[E], Iterator[E]):
    """A text as it comes. Several may run at once, each with a cache of its own.

    **Arguments:**

    - `events`: everything that happens.
    - `wanted`: the kinds of events to hand out.
    - `options`: those it runs with, the model's defaults filled in.
    """

    def __init__(
        self, events: Generator[Event, None, None], wanted: tuple[type[E], ...], options: GenerationOptions
    ) -> None:
        self._events = events
        self._wanted = wanted
        self.options = options

    @property
    def seed(self) -> int:
        """With the same seed, prompt and options the text is the same."""
        return self.options.seed or 0

    def __next__(self) -> E:
        for event in self._events:
            if isinstance(event, self._wanted):
                return event
        raise StopIteration

    def close(self) -> None:
        """Stop here; the cache goes to the next generation."""
        self._events.close()


class NoText:
    """The `TokenDecoder` of a model without a tokenizer."""

    def add(self, token_id: int, /) -> str:
        return ""

    def finish(self) -> str:
        return ""


class LanguageModel(EmbeddingModel):
    """Text in, text out. Keeps a cache between calls and reuses what two prompts have in common.

    **Arguments:**

    - `name`: of the file or directory it came from.
    - `model`, `tokenizer`: the decoder with its weights, and its tokenizer; None for one that takes and gives ids.
    - `texts`: what its files say about texts. `template` is the chat template, or None for a base model, `eos_ids`
      the tokens that end a text, `defaults` how tokens are drawn where a caller does not say.
    - `notices`: what the user should know about the model's files, in sentences.
    - `sentences`: how the model's files say that texts are embedded; the last hidden state where they do not.
    """

    def __init__(
        self,
        name: str,
        model: Runner[Any],
        tokenizer: Tokenizer | None,
        texts: TextSettings,
        notices: tuple[str, ...] = (),
        sentences: SentenceSettings = PLAIN,
    ) -> None:
        self.model = model
        super().__init__(name, model, tokenizer, sentences, Pooling(("lasttoken",)), notices)
        self.template = texts.template
        self.eos_ids = frozenset(texts.eos_ids)
        self.defaults = texts.options
        self._idle: tuple[Cache, list[int]] | None = None  # the cache of the last generation, and the ids in it

    def logits(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.floating[Any]]:
        """ids (T,) of a whole text → logits of the token after each: (T, V)."""
        return self._alone(ids, lambda tokens, cache: self.model.forward(tokens, cache, every=True))

    def hidden(self, ids: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.floating[Any]]:
        """ids (T,) of a whole text → hidden states after the last norm: (T, H)."""
        return self._alone(ids, self.model.hidden)

    @property
    def facts(self) -> Facts:
        return self.model.decoder.facts

    def embed_steps(self, texts: Iterable[str], *, prompt: str | None = None) -> Steps:
        self._check_open()
        listed = check_texts(texts)
        pooled: list[NDArray[np.float32] | None] = []
        cache = self.model.new_cache()
        try:
            for text in tokenized(self.tokenizer, listed, self.sentences, self.max_length, prompt):
                if text is not None:
                    cache.truncate(0)
                    hidden = yield from self.model.hidden_steps(text.ids, cache)
                    pooled.append(self.pooling.pooled(hidden[text.skipped :]))
                yield EmbedProgress(len(pooled), len(listed))
                self._check_open()
        finally:
            cache.close()
        return vectors_of(self.pooling, pooled, self.facts.hidden_size)

    def chosen_experts(self, start: int = 0) -> NDArray[np.integer[Any]]:
        """Of a mixture of experts: those that each token of the last generation had, from the position `start` on.

        (positions, layers with experts, experts of a token), the most likely first; (0, 0, 0) for other models and
        before the first generation.
        """
        self._check_open()
        if self._idle is None:
            return np.zeros((0, 0, 0), np.int64)
        cache, ids = self._idle
        layers = [self.model.kept(cache, name)[start : len(ids)] for name in cache.kept if name.startswith("experts.")]
        return np.stack(layers, 1) if layers else np.zeros((0, 0, 0), np.int64)

    def _alone(
        self, ids: Sequence[int] | NDArray[np.integer[Any]], run: Callable[[NDArray[np.int64], Cache], NDArray[Any]]
    ) -> NDArray[np.floating[Any]]:
        """What `run` makes of ids in a cache of their own."""
        self._check_open()
        listed = token_ids(ids, "ids")
        check_ids(listed, self.model.decoder.facts.vocab_size, "ids")
        tokens = np.asarray(listed, np.int64)
        cache = self.model.new_cache()
        try:
            return run(tokens, cache)
        finally:
            cache.close()

    def close(self) -> None:
        """Give a device's memory back now; the model cannot be used afterwards."""
        self._closed = True
        if self._idle is not None:
            self._idle[0].close()
            self._idle = None
        self.model.close()

    def chat_prompt(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        parse_special: bool = False,
        template: str | None = None,
        **variables: Any,
    ) -> Prompt:
        """The template's prompt for `[{"role", "content"}, …]`, ready for the assistant's answer.

        - `parse_special`: special tokens written out in the messages become those tokens, instead of text.
        - `template`: the name of one of several; the default is `default`, or `tool_use` if there are `tools`.
        - `variables`: of the template, such as `tools`.
        """
        return to_end(self.chat_prompt_steps(messages, parse_special=parse_special, template=template, **variables))

    def chat_prompt_steps(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        parse_special: bool = False,
        template: str | None = None,
        **variables: Any,
    ) -> Generator[Encoding, None, Prompt]:
        """`chat_prompt` in steps, between which one may stop."""
        if self.template is None:
            raise TemplateError(
                "has no chat template", where=self.name, remedy="Use completion, or an instruction-tuned model."
            )
        given = cast(object, messages)
        if not isinstance(given, Iterable):
            raise InputError(f"expected a list of messages, got {type(given).__name__}", where="messages")
        if template is None:
            template = "tool_use" if variables.get("tools") and "tool_use" in self.template.names else "default"
        chosen = self.template.variant(template)
        return (
            yield from _as_encoding(chosen.prompt_steps(list(messages), True, parse_special=parse_special, **variables))
        )

    def prompt_ids(self, prompt: str | Prompt) -> list[int]:
        """The ids that `prompt` is fed as: what begins a text comes once, and no end token behind it."""
        return self.tokenizer.encode_prompt(_prompt(prompt), self.eos_ids)

    def events(self, prompt: str | Prompt, options: GenerationOptions) -> Generation[Event]:
        """`generate` with everything it reports, prefill progress included."""
        chosen = _options(options).filled(self.defaults)
        return Generation(
            self._run(_prompt(prompt), chosen), (Encoding, PrefillProgress, GeneratedToken, Waiting), chosen
        )

    def continue_ids(
        self, ids: Sequence[int] | NDArray[np.integer[Any]], options: GenerationOptions
    ) -> Generation[Event]:
        """Continue token ids, as they are."""
        chosen = _options(options).filled(self.defaults)
        return Generation(
            self._run(token_ids(ids, "prompt"), chosen), (PrefillProgress, GeneratedToken, Waiting), chosen
        )

    def generate(
        self, prompt: str | Prompt, options: GenerationOptions | None = None, *, parse_special: bool = True
    ) -> Generation[GeneratedToken]:
        """Continue `prompt`; stop iterating whenever you like.

        - `parse_special`: special tokens written out in the prompt are those tokens; otherwise they are text.
        """
        return self._tokens(_prompt(prompt, parse_special=parse_special), options)

    def chat(
        self,
        messages: Sequence[dict[str, Any]],
        options: GenerationOptions | None = None,
        *,
        parse_special: bool = False,
        template: str | None = None,
        **variables: Any,
    ) -> Generation[GeneratedToken]:
        """The assistant's answer to `[{"role": "user", "content": "…"}, …]`; the rest is `chat_prompt`'s."""
        prompt = self.chat_prompt(messages, parse_special=parse_special, template=template, **variables)
        return self._tokens(prompt, options)

    def profile(self, tokens: int = 1, context: int | None = None, repeats: int = 3) -> Profile:
        """Where the time goes, kernel by kernel: `print(model.profile())`.

        **Arguments:**

        - `tokens`: fed at once: 1 for a step of the answer, more for a chunk of the prompt.
        - `context`: tokens before them; 128 if None, or what there is room for.
        - `repeats`: runs whose best counts.

        Raises `InputError` for more tokens than the context holds, `DeviceError` for a device of your own that cannot
        replay parts of a program.
        """
        return to_end(self.profile_steps(tokens, context, repeats))

    def profile_steps(
        self, tokens: int = 1, context: int | None = None, repeats: int = 3
    ) -> Generator[Waiting | Measured, None, Profile]:
        """`profile` for callers that can wait or want to see how far it is."""
        self._check_open()
        whole(tokens, "tokens", 1, PREFILL_CHUNK)
        if context is None:
            context = max(0, min(128, self.model.decoder.facts.max_position_embeddings - tokens))
        whole(context, "context", 0)
        whole(repeats, "repeats", 1, 1000)
        return (yield from self.model.profile(tokens, context, repeats))

    def _tokens(self, prompt: Prompt, options: GenerationOptions | None) -> Generation[GeneratedToken]:
        chosen = _options(options).filled(self.defaults)
        return Generation(self._run(prompt, chosen), (GeneratedToken,), chosen)

    def _run(self, prompt: Prompt | Sequence[int], options: GenerationOptions) -> Generator[Event, None, None]:
        """A generation has its cache to itself from its first step to its end, however it ends."""
        self._check_open()
        ids = (yield from self._encoded(prompt)) if isinstance(prompt, Prompt) else prompt
        cache, cached = self._idle or (self.model.new_cache(), [])
        self._idle = None
        drawn: list[int] = []
        try:
            common = 0
            for old, new in zip(cached, ids, strict=False):
                if old != new:
                    break
                common += 1
            # The last prompt token always runs again: its logits are what the first new token is drawn from.
            cache.truncate(min(common, cache.length, max(len(ids) - 1, 0)))
            tokenizer = self.tokenizer if self._tokenizer or options.stop else None
            decoder = NoText() if tokenizer is None else tokenizer.decoder(skip_special_tokens=True)
            hidden = {} if tokenizer is None else tokenizer.special_tokens_in(options.stop or ())
            ends = self.eos_ids | {i for i, token in hidden.items() if token in (options.stop or ())}
            for event in generate(self.model, ids, options, cache=cache, decoder=decoder, eos_ids=ends, hidden=hidden):
                if isinstance(event, GeneratedToken):
                    drawn.append(event.id)
                yield event
                self._check_open()
        finally:
            if self._closed:
                cache.close()
            else:
                if self._idle is not None:
                    self._idle[0].close()
                self._idle = cache, [*ids, *drawn[:-1]][: cache.length]

    def _encoded(self, prompt: Prompt) -> Generator[Event, None, list[int]]:
        """`prompt_ids` in steps: of a long prompt they take seconds, in which a stop must get through.

        A prompt that the context does not hold is refused before it is encoded to its end.
        """
        limit = self.facts.max_position_embeddings
        steps = self.tokenizer.prompt_steps(prompt, self.eos_ids, limit - 1)
        ids = yield from _as_encoding(steps, self._check_open)
        check_room(len(ids), limit, whole=False)
        return ids


def _prompt(prompt: object, *, parse_special: bool = True) -> Prompt:
    """Texts as prompts; `InputError` for anything else, such as bytes, which would pass for token ids."""
    if isinstance(prompt, Prompt):
        return prompt
    if not isinstance(prompt, str):
        got = type(prompt).__name__
        raise InputError(f"expected text, got {got}", where="prompt", remedy="Give token ids to continue_ids.")
    return Prompt.of(prompt, parse_special=parse_special)


def _options(options: object) -> GenerationOptions:
    """The options, or those that leave everything to the model."""
    if options is None:
        return GenerationOptions()
    if not isinstance(options, GenerationOptions):
        got = type(options).__name__
        remedy = "Write GenerationOptions(max_tokens=…), or GenerationOptions.from_json for an object."
        raise InputError(f"expected GenerationOptions, got {got}", where="options", remedy=remedy)
    return options


def _as_encoding(
    steps: Generator[None, None, T], check: Callable[[], None] = lambda: None
) -> Generator[Encoding, None, T]:
    """Steps of work on a prompt as events, after each of which `check` may end it."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
        yield Encoding()
        check()

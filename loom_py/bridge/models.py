"""Language models and encoders for JavaScript: loading, generation and embedding as tasks."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..generation.embedding import EmbedProgress
from ..generation.generate import Encoding, GeneratedToken, PrefillProgress
from ..generation.language_model import Event, LanguageModel
from ..generation.loading import LoadProgress
from ..generation.placing import load_any_to_device
from ..generation.sampling import GenerationOptions
from ..generation.text_encoder import TextEncoder
from ..schema.fields import json_type
from ..schema.strict import parse_json
from ..text.prompt import Prompt
from .arrays import to_js
from .files import JsSource, Reader
from .objects import keep, release, take
from .tasks import Task


def load_start(readers: Iterable[Reader], activations: str | None = None) -> int:
    """Handle of a loading task over JavaScript files; its result is the model's handle and description.

    The model goes to the best device that takes weights as they are stored and has room for them; `activations` as in
    `OnDevice`.
    """
    sources = {source.name: source for source in map(JsSource, readers)}

    def result(loaded: tuple[LanguageModel | TextEncoder, str]) -> dict[str, Any]:
        model, reason = loaded
        return {"handle": keep(model), **describe_model(model), "reason": reason}

    steps = load_any_to_device(sources, next(iter(sources), "model"), activations=activations or "q16")
    return keep(Task(steps, _load_event, result))


def _load_event(progress: LoadProgress) -> dict[str, Any]:
    return {"file": progress.tensor, "loaded": progress.loaded, "total": progress.total}


def describe_model(model: LanguageModel | TextEncoder) -> dict[str, Any]:
    """What a page shows about a model."""
    facts = model.facts
    template = model.template if isinstance(model, LanguageModel) else None
    head = model.head if isinstance(model, TextEncoder) else None
    return {
        "name": model.name,
        "kind": "encoder" if isinstance(model, TextEncoder) else "decoder",
        "chat": template is not None,
        "templates": list(template.names) if template is not None else [],
        "family": facts.model_type,
        "hidden_size": facts.hidden_size,
        "num_hidden_layers": facts.num_hidden_layers,
        "vocab_size": facts.vocab_size,
        "max_position_embeddings": facts.max_position_embeddings,
        "experts": facts.experts,
        "dimension": model.dimension,
        "prompts": list(model.sentences.prompts),
        "head": head.kind if head is not None else "",
        "labels": list(head.labels) if head is not None else [],
        "device": model.device,
        "activations": model.activations,
        "notices": list(model.notices),
    }


def embed_start(handle: int, texts: Iterable[str], prompt: str | None = None) -> int:
    """Handle of a task that embeds texts, a JSON array in pieces.

    Its events say how many are done; its result names the vectors, which `embedded` gives, and their `dimension`.
    """
    model = take(handle, (LanguageModel, TextEncoder))

    def steps() -> Generator[Any, None, dict[str, Any]]:
        listed = parse_json((yield from _joined(texts)), where="texts")
        vectors = yield from model.embed_steps(listed, prompt=prompt)
        return {"vectors": keep(vectors), "dimension": model.dimension}

    return keep(Task(steps(), _embed_event))


def embedded(handle: int) -> Any:
    """All vectors of an `embed_start` one after another, which are forgotten here."""
    vectors = take(handle, np.ndarray)
    release(handle)
    return to_js(vectors.reshape(-1))


def _embed_event(event: EmbedProgress | Encoding) -> dict[str, Any] | None:
    return None if isinstance(event, Encoding) else {"loaded": event.done, "total": event.total}


def fill_mask_start(handle: int, text: str, count: int) -> int:
    """Handle of a task that finds words for the gaps in a text."""
    steps = _encoder(handle, "fills no gaps").fill_mask_steps(text, count)
    return keep(Task(steps, _no_event, lambda gaps: [[dataclasses.asdict(word) for word in gap] for gap in gaps]))


def classify_start(handle: int, text: str, pair: str | None = None) -> int:
    """Handle of a task that labels a text, or two."""
    steps = _encoder(handle, "classifies no texts").classify_steps(text, pair)
    return keep(Task(steps, _no_event, lambda labels: [dataclasses.asdict(label) for label in labels]))


def _no_event(_: object) -> None:
    return None


def _encoder(handle: int, lack: str) -> TextEncoder:
    model = take(handle, (LanguageModel, TextEncoder))
    if isinstance(model, TextEncoder):
        return model
    raise InputError(f"the model {lack}", where=model.name, remedy="Use an encoder with a head for this.")


def _language_model(handle: int) -> LanguageModel:
    model = take(handle, (LanguageModel, TextEncoder))
    if isinstance(model, LanguageModel):
        return model
    remedy = "Use a decoder, or embed texts with it."
    raise InputError("the model embeds texts and cannot continue them", where=model.name, remedy=remedy)


def chat_start(handle: int, messages: Iterable[str], options: str) -> int:
    """Handle of a task that answers a conversation `[{role, content}, …]`; its events are prefill steps and tokens.

    - `messages`: pieces of JSON text.
    """
    model = _language_model(handle)
    settings, special = _settings(options)

    def prompt(text: str) -> Generator[Encoding, None, Prompt]:
        value = parse_json(text, where="messages")
        if not isinstance(value, list) or not all(
            isinstance(m, dict) and isinstance(m.get("role"), str) for m in value
        ):
            raise InputError("expected an array of {role, content}", where="messages")
        return (yield from model.chat_prompt_steps(value, **special))

    return _generation(model, messages, prompt, settings)


def complete_start(handle: int, prompt: Iterable[str], options: str) -> int:
    """Handle of a task that continues a text, given in pieces; its events are prefill steps and tokens."""
    settings, special = _settings(options)
    if "template" in special:
        raise InputError("belongs to a chat", where="options.template")

    def whole(text: str) -> Generator[Encoding, None, Prompt]:
        yield from ()
        return Prompt.of(text, **special)

    return _generation(_language_model(handle), prompt, whole, settings)


def chosen_experts(handle: int, start: int) -> str:
    """JSON of the experts of each token of the last generation from a position on: positions × layers × experts."""
    return json.dumps(_language_model(handle).chosen_experts(start).tolist())


def profile_start(handle: int, tokens: int, context: int | None, repeats: int) -> int:
    """Handle of a task that measures a model's kernels; its events say how far it is."""
    model = _language_model(handle)
    return keep(
        Task(model.profile_steps(tokens, context, repeats), dataclasses.asdict, lambda profile: profile.to_json())
    )


def _generation(
    model: LanguageModel,
    pieces: Iterable[str],
    prompt: Callable[[str], Generator[Encoding, None, Prompt]],
    options: GenerationOptions,
) -> int:

    def steps() -> Generator[Event, None, dict[str, Any]]:
        text = yield from _joined(pieces)
        generation = model.events((yield from prompt(text)), options)
        try:
            yield from generation
        finally:
            generation.close()
        return {"seed": generation.seed}

    return keep(Task(steps(), _generation_event, more=_more_tokens))


def _joined(pieces: Iterable[str]) -> Generator[Encoding, None, str]:
    """A text that comes in pieces, since each takes a while to cross from JavaScript."""
    text: list[str] = []
    for piece in pieces:
        text.append(piece)
        yield Encoding()
    return "".join(text)


def _more_tokens(event: object) -> bool:
    return isinstance(event, GeneratedToken) and event.more > 0


def _generation_event(event: Any) -> dict[str, Any] | None:
    if isinstance(event, Encoding):
        return None
    if isinstance(event, PrefillProgress):
        return {"loaded": event.done, "total": event.total}
    return {"id": int(event.id), "text": event.text, "finishReason": event.finish_reason}


def _settings(text: str) -> tuple[GenerationOptions, dict[str, Any]]:
    """The options of a generation, and those of its prompt: `parse_special`, `template`."""
    value = parse_json(text, where="options")
    special: dict[str, Any] = {}
    if isinstance(value, dict):
        for key, name, kind, words in (
            ("parseSpecial", "parse_special", bool, "a boolean"),
            ("template",) * 2 + (str, "a string"),
        ):
            item = value.pop(key, None)
            if item is not None and not isinstance(item, kind):
                raise InputError(f"expected {words}, got {json_type(item)}", where=f"options.{key}")
            special |= {} if item is None else {name: item}
    return generation_options(value), special


def generation_options(value: object) -> GenerationOptions:
    """`GenerationOptions` from a JSON object with JavaScript's names (`maxTokens`, `topP`, …)."""
    if not isinstance(value, Mapping):
        raise InputError("expected an object", where="options")
    fields = {f.name for f in dataclasses.fields(GenerationOptions)}
    chosen: dict[str, Any] = {}
    for key, item in value.items():
        name = re.sub(r"[A-Z]", lambda m: "_" + m[0].lower(), key)
        if name not in fields:
            names = ", ".join(sorted(_camel(n) for n in fields))
            raise InputError("unknown option", where=f"options.{key}", remedy=f"Known: {names}.")
        if item is not None:
            chosen[name] = tuple(item) if isinstance(item, list) else item
    return GenerationOptions(**chosen)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)

"""Language models for JavaScript: loading and generation as tasks."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from ..errors import InputError
from ..generation.generate import Encoding, PrefillProgress
from ..generation.language_model import Event, LanguageModel
from ..generation.loading import LoadProgress
from ..generation.placing import load_to_device
from ..generation.sampling import GenerationOptions
from ..schema.fields import json_type
from ..schema.strict import parse_json
from ..text.prompt import Prompt
from .files import JsSource, Reader
from .objects import keep, take
from .tasks import Task


def load_start(readers: Iterable[Reader], activations: str | None = None) -> int:
    """Handle of a loading task over JavaScript files; its result is the model's handle and description.

    The model goes to the best device that takes weights as they are stored and has room for them; `activations` as in
    `OnDevice`.
    """
    sources = {source.name: source for source in map(JsSource, readers)}

    def result(loaded: tuple[LanguageModel, str]) -> dict[str, Any]:
        model, reason = loaded
        return {"handle": keep(model), **describe_model(model), "reason": reason}

    steps = load_to_device(sources, next(iter(sources), "model"), activations=activations or "q16")
    return keep(Task(steps, _load_event, result))


def _load_event(progress: LoadProgress) -> dict[str, Any]:
    return {"file": progress.tensor, "loaded": progress.loaded, "total": progress.total}


def describe_model(model: LanguageModel) -> dict[str, Any]:
    """What a page shows about a model."""
    facts = model.model.decoder.facts
    return {
        "name": model.name,
        "chat": model.template is not None,
        "templates": list(model.template.names) if model.template is not None else [],
        "hidden_size": facts.hidden_size,
        "num_hidden_layers": facts.num_hidden_layers,
        "vocab_size": facts.vocab_size,
        "max_position_embeddings": facts.max_position_embeddings,
        "experts": facts.experts,
        "device": model.device,
        "activations": model.activations,
        "notices": list(model.notices),
    }


def chat_start(handle: int, messages: Iterable[str], options: str) -> int:
    """Handle of a task that answers a conversation `[{role, content}, …]`; its events are prefill steps and tokens.

    - `messages`: pieces of JSON text.
    """
    model = take(handle, LanguageModel)
    settings, special = _settings(options)

    def prompt(text: str) -> Prompt:
        value = parse_json(text, where="messages")
        if not isinstance(value, list) or not all(
            isinstance(m, dict) and isinstance(m.get("role"), str) for m in value
        ):
            raise InputError("expected an array of {role, content}", where="messages")
        return model.chat_prompt(value, **special)

    return _generation(model, messages, prompt, settings)


def complete_start(handle: int, prompt: Iterable[str], options: str) -> int:
    """Handle of a task that continues a text, given in pieces; its events are prefill steps and tokens."""
    settings, special = _settings(options)
    if "template" in special:
        raise InputError("belongs to a chat", where="options.template")
    return _generation(take(handle, LanguageModel), prompt, lambda text: Prompt.of(text, **special), settings)


def chosen_experts(handle: int, start: int) -> str:
    """JSON of the experts of each token of the last generation from a position on: positions × layers × experts."""
    return json.dumps(take(handle, LanguageModel).chosen_experts(start).tolist())


def profile_start(handle: int, tokens: int, context: int | None, repeats: int) -> int:
    """Handle of a task that measures a model's kernels; its events say how far it is."""
    model = take(handle, LanguageModel)
    return keep(
        Task(model.profile_steps(tokens, context, repeats), dataclasses.asdict, lambda profile: profile.to_json())
    )


def _generation(
    model: LanguageModel, pieces: Iterable[str], prompt: Callable[[str], Prompt], options: GenerationOptions
) -> int:
    """Of a text that comes in pieces, since each takes a while to cross from JavaScript."""

    def steps() -> Generator[Event, None, dict[str, Any]]:
        text: list[str] = []
        for piece in pieces:
            text.append(piece)
            yield Encoding()
        generation = model.events(prompt("".join(text)), options)
        try:
            yield from generation
        finally:
            generation.close()
        return {"seed": generation.seed}

    return keep(Task(steps(), _generation_event))


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

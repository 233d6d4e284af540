"""Language models for JavaScript: loading and generation as tasks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import InputError
from ..generation.generate import PrefillProgress
from ..generation.language_model import LanguageModel
from ..generation.loading import LoadProgress
from ..generation.placing import load_to_device
from ..generation.sampling import GenerationOptions
from ..schema.strict import parse_json
from .files import JsSource, Reader
from .objects import is_live, keep, take
from .tasks import Task

_generating: dict[int, int] = {}
"""Model handle → its last generation task."""


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
        "hidden_size": facts.hidden_size,
        "num_hidden_layers": facts.num_hidden_layers,
        "vocab_size": facts.vocab_size,
        "max_position_embeddings": facts.max_position_embeddings,
        "device": model.device,
        "activations": model.activations,
        "notices": list(model.notices),
    }


def chat_start(handle: int, messages: str, options: str) -> int:
    """Handle of a task that answers a conversation `[{role, content}, …]`; its events are prefill steps and tokens."""
    model = _idle_model(handle)
    value = parse_json(messages, where="messages")
    if not isinstance(value, list) or not all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in value):
        raise InputError("expected an array of {role, content}", where="messages")
    return _generation(handle, model.events(model.chat_prompt(value), generation_options(options), chat=True))


def complete_start(handle: int, prompt: str, options: str) -> int:
    """Handle of a task that continues a text; its events are prefill steps and tokens."""
    return _generation(handle, _idle_model(handle).events(prompt, generation_options(options)))


def _generation(handle: int, events: Iterator[Any]) -> int:
    _generating[handle] = task = keep(Task(events, _generation_event))
    return task


def _generation_event(event: Any) -> dict[str, Any]:
    if isinstance(event, PrefillProgress):
        return {"loaded": event.done, "total": event.total}
    return {"id": int(event.id), "text": event.text, "finishReason": event.finish_reason}


def _idle_model(handle: int) -> LanguageModel:
    """The model, if it is not generating: it has one key–value cache."""
    model = take(handle, LanguageModel)
    if is_live(_generating.get(handle, 0)):
        raise InputError("the model is generating already", remedy="Wait for the answer, or stop it first.")
    return model


def generation_options(text: str) -> GenerationOptions:
    """`GenerationOptions` from JSON with JavaScript's names (`maxTokens`, `topP`, …)."""
    value = parse_json(text, where="options")
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

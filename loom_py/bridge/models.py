"""Language models for JavaScript: loading and generation as tasks."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InputError
from ..generation.generate import PrefillProgress
from ..generation.language_model import LanguageModel
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
    model = take(handle, LanguageModel)
    settings, parse_special = _settings(options)
    value = parse_json(messages, where="messages")
    if not isinstance(value, list) or not all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in value):
        raise InputError("expected an array of {role, content}", where="messages")
    prompt = model.chat_prompt(value, parse_special=bool(parse_special))
    return keep(Task(model.events(prompt, settings), _generation_event))


def complete_start(handle: int, prompt: str, options: str) -> int:
    """Handle of a task that continues a text; its events are prefill steps and tokens."""
    settings, parse_special = _settings(options)
    parts = Prompt.of(prompt, parse_special=parse_special is not False)
    return keep(Task(take(handle, LanguageModel).events(parts, settings), _generation_event))


def _generation_event(event: Any) -> dict[str, Any]:
    if isinstance(event, PrefillProgress):
        return {"loaded": event.done, "total": event.total}
    return {"id": int(event.id), "text": event.text, "finishReason": event.finish_reason}


def _settings(text: str) -> tuple[GenerationOptions, bool | None]:
    """The options of a generation, and `parseSpecial` among them."""
    value = parse_json(text, where="options")
    parse_special = value.pop("parseSpecial", None) if isinstance(value, dict) else None
    if parse_special is not None and not isinstance(parse_special, bool):
        raise InputError(f"expected a boolean, got {json_type(parse_special)}", where="options.parseSpecial")
    return generation_options(value), parse_special


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

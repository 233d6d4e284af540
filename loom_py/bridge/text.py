"""The original's text functions for JavaScript: JSON answers over the current tokenizer and model of `simple`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..compat import welvet
from ..errors import InputError
from ..formats.source import BytesSource
from ..generation.generate import GeneratedToken, PrefillProgress
from ..generation.language_model import LanguageModel
from ..schema.strict import parse_json
from .files import JsSource, Reader
from .objects import keep
from .tasks import Task


def load_tokenizer(file: Reader) -> str:
    """Make a tokenizer.json the current tokenizer."""
    outside = JsSource(file)
    source = BytesSource(bytes(outside.read(0, outside.size)), outside.name)  # the model is built with it later
    tokenizer = welvet.load_tokenizer_from_bytes(source)
    return _success(vocab_size=tokenizer.vocab_size, message="Tokenizer loaded successfully")


def load_transformer(config: Reader, weights: Reader) -> str:
    """Make config.json and model.safetensors the current model, with the current tokenizer."""
    return json.dumps(_loaded(welvet.load_transformer_from_bytes(JsSource(config), JsSource(weights))))


def load_transformer_start(config: Reader, weights: Reader) -> int:
    """`load_transformer` as a task."""
    steps = welvet.load_transformer_steps(JsSource(config), JsSource(weights))
    return keep(Task(steps, lambda p: {"file": p.tensor, "loaded": p.loaded, "total": p.total}, _loaded))


def _loaded(model: LanguageModel) -> dict[str, Any]:
    facts = model.model.decoder.facts
    sizes = {"vocab_size": facts.vocab_size, "hidden_size": facts.hidden_size, "num_layers": facts.num_hidden_layers}
    size = facts.vocab_size * facts.hidden_size
    return {"success": True, **sizes, "embeddings_size": size, "message": "Transformer loaded successfully"}


def encode_text(text: str, add_special_tokens: bool) -> str:
    """JSON array of token ids."""
    return json.dumps(welvet.encode_text(text, bool(add_special_tokens)))


def decode_tokens(ids: str, skip_special_tokens: bool) -> str:
    """Text of a JSON array of token ids."""
    return welvet.decode_tokens(_ids(ids), bool(skip_special_tokens))


def generate_text(prompt: str, max_tokens: float, temperature: float) -> str:
    """The prompt and its continuation."""
    events = list(_events(prompt, max_tokens, temperature))
    new = [event.id for event in events if isinstance(event, GeneratedToken)]
    return _success(
        generated_text=welvet.decode_tokens(welvet.current_model().prompt_ids(prompt) + new),
        num_tokens=len(new),
    )


def generate_start(prompt: str, max_tokens: float, temperature: float) -> int:
    """Handle of a task that continues a text; its events are prefill steps and tokens."""

    def event(e: PrefillProgress | GeneratedToken) -> dict[str, Any]:
        return {"loaded": e.done, "total": e.total} if isinstance(e, PrefillProgress) else {"id": e.id, "text": e.text}

    return keep(Task(_events(prompt, max_tokens, temperature), event))


def generate_next_token(ids: str, temperature: float) -> str:
    """The token after a sequence, given all of it."""
    return str(next(e.id for e in _events(_ids(ids), 1, temperature) if isinstance(e, GeneratedToken)))


def _events(prompt: str | list[int], max_tokens: Any, temperature: Any) -> Iterator[Any]:
    """`welvet.generation` with JavaScript's numbers."""
    for name, value in (("maxTokens", max_tokens), ("temperature", temperature)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError("expected a number", where=name)
    whole = isinstance(max_tokens, float) and max_tokens.is_integer()
    count: Any = int(max_tokens) if whole else max_tokens  # `GenerationOptions` says what is wrong with others
    return welvet.generation(prompt, count, temperature)


def _ids(text: str) -> list[int]:
    value = parse_json(text, where="ids")
    if not isinstance(value, list) or not all(isinstance(i, int) and not isinstance(i, bool) for i in value):
        raise InputError("expected an array of token ids", where="ids")
    return value


def _success(**values: Any) -> str:
    return json.dumps({"success": True, **values}, ensure_ascii=False)

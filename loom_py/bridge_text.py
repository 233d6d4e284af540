"""The original's text functions: one current tokenizer and one current model, JSON answers, everything at once."""

from __future__ import annotations

import json
import secrets
from typing import Any

from .bridge_files import JsSource, Reader
from .errors import InputError
from .formats.json_strict import parse_json
from .formats.source import BytesSource, Source
from .models.language_model import LanguageModel
from .models.loading import load_steps
from .text.generate import GeneratedToken
from .text.sampling import GenerationOptions
from .text.tokenizer import Tokenizer

_tokenizer: Tokenizer | None = None
_tokenizer_source: Source | None = None
_model: LanguageModel | None = None


def load_tokenizer(file: Reader) -> str:
    """Make a tokenizer.json the current tokenizer."""
    global _tokenizer, _tokenizer_source
    outside = JsSource(file)
    source = BytesSource(bytes(outside.read(0, outside.size)), outside.name)  # the model is built with it later
    tokenizer = Tokenizer.from_json(source)
    _tokenizer, _tokenizer_source = tokenizer, source
    return _success(vocab_size=tokenizer.vocab_size, message="Tokenizer loaded successfully")


def load_transformer(config: Reader, weights: Reader) -> str:
    """Make config.json and model.safetensors the current model, with the current tokenizer."""
    global _model
    _current_tokenizer()
    assert _tokenizer_source is not None
    files: dict[str, Source] = {
        "config.json": JsSource(config),
        "tokenizer.json": _tokenizer_source,
        "model.safetensors": JsSource(weights),
    }
    steps = load_steps(files)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            _model = model = stop.value
            break
    c = model.model.config
    return _success(
        vocab_size=c.vocab_size,
        hidden_size=c.hidden_size,
        num_layers=c.num_hidden_layers,
        embeddings_size=c.vocab_size * c.hidden_size,
        message="Transformer loaded successfully",
    )


def encode_text(text: str, add_special_tokens: bool) -> str:
    """JSON array of token ids."""
    return json.dumps(_current_tokenizer().encode(text, add_special_tokens=bool(add_special_tokens)))


def decode_tokens(ids: str, skip_special_tokens: bool) -> str:
    """Text of a JSON array of token ids."""
    return _current_tokenizer().decode(_ids(ids), skip_special_tokens=bool(skip_special_tokens))


def generate_text(prompt: str, max_tokens: int, temperature: float) -> str:
    """The prompt and its continuation."""
    model, tokenizer = _current_model(), _current_tokenizer()
    ids = tokenizer.encode(prompt)
    if not ids:
        raise InputError("Empty input after tokenization")
    new = _continue(model, ids, max_tokens, temperature)
    return _success(generated_text=tokenizer.decode(ids + new), num_tokens=len(new))


def generate_next_token(ids: str, temperature: float) -> str:
    """The token after a sequence, in view of all of it."""
    tokens = _ids(ids)
    if not tokens:
        raise InputError("Empty input after tokenization")
    return str(_continue(_current_model(), tokens, 1, temperature)[0])


def _continue(model: LanguageModel, ids: list[int], max_tokens: int, temperature: float) -> list[int]:
    options = GenerationOptions(max_tokens=int(max_tokens), temperature=temperature, seed=secrets.randbits(32))
    return [event.id for event in model.continue_ids(ids, options) if isinstance(event, GeneratedToken)]


def _ids(text: str) -> list[int]:
    value = parse_json(text, where="ids")
    if not isinstance(value, list) or not all(isinstance(i, int) and not isinstance(i, bool) for i in value):
        raise InputError("expected an array of token ids", where="ids")
    return value


def _current_tokenizer() -> Tokenizer:
    if _tokenizer is None:
        raise InputError("Tokenizer not loaded")
    return _tokenizer


def _current_model() -> LanguageModel:
    if _model is None:
        raise InputError("Model not loaded")
    return _model


def _success(**values: Any) -> str:
    return json.dumps({"success": True, **values}, ensure_ascii=False)

"""What a model's small files say about its texts: special tokens, chat templates, what ends a text, how to draw tokens.

In the Hugging Face layout: `tokenizer_config.json`, `special_tokens_map.json`, `generation_config.json`,
`chat_template.jinja`, `chat_template.json` and `config.json`. In GGUF: the metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from ..errors import FormatError, InputError
from ..formats.files import read_json_file, read_text_file
from ..formats.source import Source
from ..models.protocols import Facts
from ..schema.fields import FILE, Fields, shown
from ..text.chat_template import ChatTemplate
from ..text.end_tokens import END_NAMES, FILE_NAMES, end_names
from ..text.tokenizer import Tokenizer
from .sampling import GenerationOptions

MAX_JSON_BYTES = 64 * 1024 * 1024
MAX_TEMPLATE_BYTES = 1024 * 1024
_GGUF = "tokenizer.ggml."
_ENDS = ("eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep")
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
GGUF_SAMPLING = dict(zip(_SAMPLING, ("temp", "top_k", "top_p", "min_p", "penalty_repeat"), strict=True))


@dataclass
class TextSettings:
    """What the files say.

    - `eos_ids`: tokens that end a text.
    - `options`: how tokens are drawn where a caller does not say.
    - `notices`: what was ignored, in sentences.
    """

    template: ChatTemplate | None = None
    eos_ids: set[int] = field(default_factory=set[int])
    options: GenerationOptions = field(default_factory=GenerationOptions)
    notices: list[str] = field(default_factory=list[str])


def gguf_texts(metadata: Mapping[str, Any], tokenizer: Tokenizer | None, facts: Facts, name: str) -> TextSettings:
    """From the metadata of a GGUF file; without a tokenizer there is no chat template."""
    settings = TextSettings(eos_ids={*facts.eos_token_ids, *_well_known(tokenizer)})
    ids: dict[str, int] = {}
    for key, value in metadata.items():
        if key.startswith(_GGUF) and key.endswith("_token_id") and not isinstance(value, (str, list, np.ndarray)):
            role = key.removeprefix(_GGUF).removesuffix("_token_id")
            size = 0 if tokenizer else facts.vocab_size
            for token_id in _ids([value], tokenizer, f"{name} at {key}", settings.notices, size):
                ids[role] = token_id
    settings.eos_ids |= {ids[role] for role in _ENDS if role in ids}
    given = {ours: _plain(metadata.get(f"general.sampling.{theirs}")) for ours, theirs in GGUF_SAMPLING.items()}
    settings.options = _options(given, f"{name} at general.sampling", settings.notices)
    if tokenizer is None:
        return settings
    roles = {"unknown": "unk", "padding": "pad", "seperator": "sep"}
    tokens = {f"{roles.get(role, role)}_token": tokenizer.id_to_token(i) or "" for role, i in ids.items()}
    templates = {
        key.removeprefix("tokenizer.chat_template.").replace("tokenizer.chat_template", "default"): value
        for key, value in metadata.items()
        if key == "tokenizer.chat_template" or key.startswith("tokenizer.chat_template.")
    }
    settings.template = _template(templates, tokens, name)
    return settings


def hugging_face_texts(
    files: Mapping[str, Source], tokenizer: Tokenizer | None, facts: Facts, config: Mapping[str, Any], name: str
) -> TextSettings:
    """From the files of a directory; `config` is its `config.json`. Without a tokenizer there is no chat template."""
    settings = TextSettings(eos_ids={*facts.eos_token_ids, *_well_known(tokenizer)})
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        _ids(_listed(config.get(key)), tokenizer, f"config.json at {key}", settings.notices, facts.vocab_size)
    of_generation = _json(files, "generation_config.json")
    ends = _listed(of_generation.get("eos_token_id"))
    where = "generation_config.json"
    settings.eos_ids |= set(_ids(ends, tokenizer, f"{where} at eos_token_id", settings.notices, facts.vocab_size))
    settings.options = _options(_sampling(of_generation), where, settings.notices)
    if tokenizer is None:
        return settings
    of_tokenizer = _json(files, "tokenizer_config.json")
    tokens = special_tokens(files)
    for role, token_id in (("bos_token", facts.bos_token_id), ("eos_token", next(iter(facts.eos_token_ids), None))):
        if role not in tokens and token_id is not None:
            tokens[role] = tokenizer.id_to_token(token_id) or ""
    end = tokenizer.token_to_id(tokens.get("eos_token", ""))
    settings.eos_ids |= set() if end is None else {end}
    try:
        templates, place = _templates(files, of_tokenizer)
        settings.template = _template(templates, tokens, place or name)
    except FormatError as error:  # completion works without
        settings.template = ChatTemplate.unreadable(error, name)
    return settings


def _well_known(tokenizer: Tokenizer | None) -> set[int]:
    if tokenizer is None:
        return set()
    names = frozenset(name for name in END_NAMES | FILE_NAMES if tokenizer.token_to_id(name) is not None)
    return {i for i in map(tokenizer.token_to_id, end_names(names)) if i is not None}


def _ids(
    values: Iterable[Any], tokenizer: Tokenizer | None, where: str, notices: list[str], vocab_size: int = 0
) -> list[int]:
    """Those of `values` that are ids; a notice for each that is not."""
    ids: list[int] = []
    for value in map(_plain, values):
        if value is None:
            continue
        whole = isinstance(value, int) and not isinstance(value, bool)
        in_tokenizer = tokenizer is not None and whole and tokenizer.id_to_token(value) is not None
        if whole and (0 <= value < vocab_size or in_tokenizer):
            ids.append(value)
        else:
            notices.append(f"{where}: {shown(value)} is no token's id and is ignored.")
    return ids


def _listed(value: Any) -> list[Any]:
    """A value, or all of several."""
    return cast(list[Any], value) if isinstance(value, list) else [value]


def _plain(value: Any) -> Any:
    return cast(Any, value.item()) if isinstance(value, np.generic) else value


def _json(files: Mapping[str, Source], name: str) -> Mapping[str, Any]:
    """A small JSON file's object; empty where it is not there."""
    if name not in files:
        return {}
    return Fields(read_json_file(files[name], max_bytes=MAX_JSON_BYTES), file=name, rules=FILE).values


def special_tokens(files: Mapping[str, Source]) -> dict[str, str]:
    """`bos_token`, `eos_token` and the like as text: strings, or objects of an `AddedToken`; null is none."""
    of_tokenizer, special_map = _json(files, "tokenizer_config.json"), _json(files, "special_tokens_map.json")
    tokens: dict[str, str] = {}
    for source in (special_map, of_tokenizer):
        for key, value in source.items():
            if not key.endswith("_token") or isinstance(value, bool):
                continue
            text = cast(dict[str, Any], value).get("content") if isinstance(value, dict) else value
            if isinstance(text, str):
                tokens[key] = text
            elif value is None and source is of_tokenizer:
                tokens[key] = ""
    return tokens


def _templates(files: Mapping[str, Source], of_tokenizer: Mapping[str, Any]) -> tuple[Any, str]:
    """The chat templates, and the file of the default one."""
    templates: Any
    others = [
        {"name": file.rpartition("/")[2].removesuffix(".jinja"), "template": _text(source)}
        for file, source in files.items()
        if file.endswith(".jinja") and file != "chat_template.jinja"
    ]
    templates, place = of_tokenizer.get("chat_template"), "tokenizer_config.json"
    if alone := _json(files, "chat_template.json").get("chat_template"):
        templates, place = alone, "chat_template.json"
    if "chat_template.jinja" in files:
        text = _text(files["chat_template.jinja"])
        named = cast(list[Any], templates) if isinstance(templates, list) else []
        others += [t for t in named if not isinstance(t, dict) or cast(dict[str, Any], t).get("name") != "default"]
        templates, place = text, "chat_template.jinja"
    if others:
        default = [{"name": "default", "template": templates}] if isinstance(templates, str) else templates or []
        templates = [*default, *others] if isinstance(default, list) else templates
    return templates, place


def _text(source: Source) -> str:
    return read_text_file(source, max_bytes=MAX_TEMPLATE_BYTES)


def _template(source: Any, tokens: Mapping[str, str], place: str) -> ChatTemplate | None:
    """From a text, a list of `{"name", "template"}`, or texts by name."""
    if isinstance(source, dict):
        source = [{"name": name, "template": text} for name, text in cast(dict[str, Any], source).items()]
    return ChatTemplate(source, tokens=tokens, name=place) if source else None


def _sampling(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `generation_config.json`. transformers draws only with `do_sample`, then from the first 50."""
    given = {key: config.get(key) for key in _SAMPLING}
    if config.get("do_sample") is True:
        given["temperature"] = 1.0 if given["temperature"] is None else given["temperature"]
        given["top_k"] = 50 if "top_k" not in config else given["top_k"]
    else:
        given["temperature"] = 0.0
    stop = config.get("stop_strings")
    given["stop"] = None if stop is None else tuple(_listed(stop))
    return given | {"max_tokens": config.get("max_new_tokens")}


def _options(given: Mapping[str, Any], where: str, notices: list[str]) -> GenerationOptions:
    """`given` as options; a notice for each that has no meaning."""
    chosen: dict[str, Any] = {}
    for key, value in given.items():
        if value is None:
            continue
        try:
            GenerationOptions(**{key: value})
        except InputError as error:
            notices.append(f"{where}: {key} {error.message}; it is ignored.")
        else:
            chosen[key] = value
    return GenerationOptions(**chosen)

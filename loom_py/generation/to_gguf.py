"""A model in the Hugging Face layout as one GGUF file, with its tokenizer, chat template and pooling."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InputError, ModelError
from ..models.gguf_config import POOLING
from ..models.gguf_export import GGUFReport, Progress, StorageName, export_gguf
from ..models.protocols import Facts
from ..models.registry import gguf_architecture, read_encoder
from ..models.weights import CheckpointWeights
from ..text.tokenizer_to_gguf import ROLES, gguf_tokenizer
from .opening import OpenedEncoder, OpenedModel, model_files, open_model
from .text_files import GGUF_SAMPLING, gguf_texts, special_tokens

_FURTHER_ENDS = ("eot", "eom")
"""Roles of tokens that end a text beside the first."""


def convert_to_gguf(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    dtype: StorageName | None = None,
    head: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[GGUFReport, tuple[str, ...]]:
    """Writes the model in a directory as the file `target`.

    **Arguments:**

    - `dtype`: of matrices; as they are stored if None.
    - `head`: whether an encoder's head is written; GGUF has a place for BERT's that gives labels to texts.

    **Returns:** what was written, and what GGUF has no place for and models do without, in sentences.

    Raises `ModelError` or `TokenizerError` for what cannot be held, before anything is written; the file is complete or
    absent.
    """
    files = model_files(path)
    if all(name.lower().endswith(".gguf") for name in files):
        raise InputError("is GGUF already", where=str(path), remedy="Give a directory in the Hugging Face layout.")
    name = os.path.basename(os.path.abspath(path))
    opened = open_model(files, name, tokenizer=False)
    model = opened.encoder if isinstance(opened, OpenedEncoder) else opened.decoder
    weights, config = opened.weights, opened.config
    if isinstance(opened, OpenedModel) and opened.own_head is not None and opened.own_head.differs():
        model, weights = opened.own_head.decoder, opened.own_head.weights
        config = {**config, "tie_word_embeddings": False}
    if isinstance(opened, OpenedEncoder) and not head:
        model = read_encoder(config)
        weights = CheckpointWeights(weights.checkpoint, model.weights(), "hugging_face")
    more = {"general.name": name, **_tokens(opened, model.facts)}
    more |= _pooling(opened, gguf_architecture(config)) if isinstance(opened, OpenedEncoder) else {}
    more |= _texts(opened, more) if isinstance(opened, OpenedModel) else {}
    report = export_gguf(config, model, weights, target, more, dtype=dtype, overwrite=overwrite, progress=progress)
    return report, tuple(_left_out(opened))


def _tokens(opened: OpenedModel | OpenedEncoder, facts: Facts) -> dict[str, Any]:
    """The tokenizer; without one the special ids alone."""
    pad = opened.config.get("pad_token_id")
    given = {"bos": facts.bos_token_id, "eos": next(iter(facts.eos_token_ids), None), "pad": pad}
    roles = {role: i for role, i in given.items() if isinstance(i, int) and 0 <= i < facts.vocab_size}
    tokenizer = opened.tokenizer
    if tokenizer is None:
        return {
            "tokenizer.ggml.model": "none",
            **{f"tokenizer.ggml.{ROLES[role]}_token_id": i for role, i in roles.items()},
        }
    for key, text in special_tokens(opened.files).items():
        role, token_id = key.removesuffix("_token"), tokenizer.token_to_id(text)
        if role in ROLES and token_id is not None:
            roles.setdefault(role, token_id)
    return gguf_tokenizer(opened.files, tokenizer, facts.vocab_size, roles)


def _texts(opened: OpenedModel, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The chat templates, how tokens are drawn, and the tokens that end a text beside the first."""
    texts, more = opened.texts, dict[str, Any]()
    if texts.template is not None:
        if texts.template.problem is not None:
            raise texts.template.problem
        for name in texts.template.names:
            text = texts.template.variant(name).text
            more["tokenizer.chat_template" if name == "default" else f"tokenizer.chat_template.{name}"] = text
    for ours, theirs in GGUF_SAMPLING.items():
        value = getattr(texts.options, ours)
        if value:
            more[f"general.sampling.{theirs}"] = value
    again = gguf_texts({**metadata, **more}, opened.tokenizer, opened.decoder.facts, opened.name)
    ends = sorted(texts.eos_ids - again.eos_ids)
    if len(ends) > len(_FURTHER_ENDS):
        message = (
            f"{len(texts.eos_ids)} tokens end a text, for {len(ends) - len(_FURTHER_ENDS)} of which GGUF has no place"
        )
        raise ModelError(message, where="generation_config.json at eos_token_id")
    return more | {f"tokenizer.ggml.{role}_token_id": i for role, i in zip(_FURTHER_ENDS, ends, strict=False)}


def _pooling(opened: OpenedEncoder, architecture: str) -> dict[str, int]:
    """How a text's hidden states become its vector."""
    pooling, head = opened.sentences.pooling, opened.encoder.head
    if pooling is None or head is not None:
        return {}
    number = next((number for number, mode in POOLING.items() if pooling.modes == (mode,)), None)
    if number is None or pooling.layers or opened.sentences.lower_case:
        what = " + ".join(pooling.modes) + " and dense layers" * bool(pooling.layers)
        what += " of texts in lower case" * opened.sentences.lower_case
        raise ModelError(f"GGUF has no place for vectors made by {what}", where="modules.json")
    return {f"{architecture}.pooling_type": number}


def _left_out(opened: OpenedModel | OpenedEncoder) -> Iterator[str]:
    """What GGUF has no place for and models do without."""
    sentences = opened.sentences
    if sentences.prompts:
        yield f"GGUF has no place for the prompts {', '.join(sentences.prompts)}; put them in front of texts yourself."
    if sentences.max_length is not None and isinstance(opened, OpenedEncoder):
        yield f"GGUF has no place for the longest text of {sentences.max_length} tokens; readers take the model's."
    if sentences.pooling is not None and not sentences.pooling.normalised:
        yield "Readers of GGUF normalise vectors, which this model's files do not ask for."
    if isinstance(opened, OpenedModel) and opened.texts.options.stop:
        yield f"GGUF has no place for the stop strings {', '.join(map(repr, opened.texts.options.stop))}."
    tokens = opened.tokenizer.added_tokens.values() if opened.tokenizer is not None else ()
    if beside := [token.content for token in tokens if token.lstrip or token.rstrip or token.single_word]:
        yield f"GGUF has no place for how spaces beside {', '.join(beside[:3])} are treated."

"""The tokenizer in a GGUF file's metadata, written as Hugging Face's `tokenizer.json` and `tokenizer_config.json`.

`Tokenizer.from_gguf` checks the metadata first; the rest only translates it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .gguf_splitting import DIGIT, SPLITTINGS
from .pretokenize import GPT2_PATTERN
from .tokenizer import Tokenizer

_CONTROL, _USER_DEFINED = 3, 4
_ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def _byte_level(use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _steps(patterns: Sequence[str]) -> list[dict[str, Any]]:
    """Pre-tokenizers for the patterns; the last one maps bytes, and splits by GPT-2's pattern where that comes last."""
    last = patterns[-1] == GPT2_PATTERN
    steps: list[dict[str, Any]] = [
        {"type": "Digits", "individual_digits": True}
        if pattern == DIGIT
        else {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in (patterns[:-1] if last else patterns)
    ]
    return [*steps, _byte_level(last)]


def tokenizer_json(metadata: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A `tokenizer.json` that gives the same ids as the GGUF file's tokenizer.

    Raises `TokenizerError` with the metadata key for a tokenizer that is damaged or not a byte-level BPE.
    """
    Tokenizer.from_gguf(metadata, where)
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    splitting = SPLITTINGS[metadata.get("tokenizer.ggml.pre") or "default"]
    steps = _steps(splitting.patterns)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **token} for i, token in _added_tokens(metadata).items()],
        "normalizer": {"type": "NFC"} if splitting.nfc else None,
        "pre_tokenizer": steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps},
        "post_processor": _template(metadata, splitting.add_bos),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": splitting.ignore_merges,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": [_pair(merge) for merge in metadata["tokenizer.ggml.merges"]],
        },
    }


def tokenizer_config(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """`tokenizer_config.json`: special tokens by their role, the chat template, the longest input."""
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    config: dict[str, Any] = {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(i): token for i, token in _added_tokens(metadata).items()},
        "clean_up_tokenization_spaces": False,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    for role, name in _ROLES.items():
        token_id = metadata.get(f"tokenizer.ggml.{name}_token_id")
        if isinstance(token_id, int) and 0 <= token_id < len(tokens):
            config[role] = tokens[token_id]
    if isinstance(template := metadata.get("tokenizer.chat_template"), str):
        config["chat_template"] = template
    if isinstance(length := metadata.get(f"{metadata.get('general.architecture')}.context_length"), int):
        config["model_max_length"] = length
    return config


def _added_tokens(metadata: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Id → control tokens (special) and user-defined ones."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    kinds = metadata.get("tokenizer.ggml.token_type", [])
    return {
        i: {"content": token, **flags, "special": kind == _CONTROL}
        for i, (token, kind) in enumerate(zip(metadata["tokenizer.ggml.tokens"], kinds, strict=False))
        if kind in (_CONTROL, _USER_DEFINED) and token
    }


def _pair(merge: str) -> list[str]:
    """`"Ġ t"` as `["Ġ", "t"]`; the separating space is not the first character."""
    at = merge.index(" ", 1)
    return [merge[:at], merge[at + 1 :]]


def _template(metadata: Mapping[str, Any], add_bos: bool) -> dict[str, Any] | None:
    """A post-processor that adds the beginning or end token to a text if the file asks for it."""
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    single: list[dict[str, Any]] = [{"Sequence": {"id": "A", "type_id": 0}}]
    second: list[dict[str, Any]] = [{"Sequence": {"id": "B", "type_id": 1}}]
    used: dict[str, Any] = {}
    for role, default in (("bos", add_bos), ("eos", False)):
        token_id = metadata.get(f"tokenizer.ggml.{role}_token_id")
        if token_id is None or not metadata.get(f"tokenizer.ggml.add_{role}_token", default):
            continue
        token = tokens[token_id]
        used[token] = {"id": token, "ids": [token_id], "tokens": [token]}
        for sequence, type_id in ((single, 0), (second, 1)):
            sequence.insert(0 if role == "bos" else len(sequence), {"SpecialToken": {"id": token, "type_id": type_id}})
    if not used:
        return None
    return {"type": "TemplateProcessing", "single": single, "pair": single + second, "special_tokens": used}

"""The tokenizer in a GGUF file's metadata, written as Hugging Face's `tokenizer.json` and `tokenizer_config.json`.

`Tokenizer.from_gguf` checks the metadata first; the rest only translates it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .gguf_metadata import Metadata
from .gguf_splitting import DIGIT, SPLITTINGS, Splitting
from .pretokenize import GPT2_PATTERN
from .sentencepiece import CONTROL, NORMAL, SPACE, UNKNOWN, UNUSED, USER_DEFINED, SentencePiece
from .tokenizer import Tokenizer
from .tokenizer_gguf import read_bert, sentencepiece_vocabulary

_ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}


def _byte_level(use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def splitting_steps(splitting: Splitting) -> list[dict[str, Any]]:
    """Pre-tokenizers for the patterns; the last one maps bytes, and splits by GPT-2's pattern where that comes last."""
    patterns = splitting.patterns
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

    A Unigram model gets `Precompiled` for the file's map of texts, which differs from SentencePiece in rare clusters of
    accents. Raises `TokenizerError` with the metadata key for a tokenizer that is damaged or of another kind.
    """
    Tokenizer.from_gguf(metadata, where)
    source = Metadata(metadata, where)
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, **token} for i, token in _added_tokens(metadata).items()],
    }
    return document | _MODELS[source.text("model")](source)


def _byte_level_bpe(source: Metadata) -> dict[str, Any]:
    splitting = SPLITTINGS[source.text("pre", "") or "default"]
    steps = splitting_steps(splitting)
    return {
        "normalizer": {"type": "NFC"} if splitting.nfc else None,
        "pre_tokenizer": steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps},
        "post_processor": _template(source, splitting.add_bos, False),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": _bpe(source.tokens(), [_pair(merge) for merge in source.strings("merges")])
        | {"ignore_merges": splitting.ignore_merges},
    }


def _bpe(tokens: Sequence[str], merges: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": {token: i for i, token in enumerate(tokens)},
        "merges": list(merges),
    }


def _score_bpe(source: Metadata) -> dict[str, Any]:
    """Every way to make a token of two is a merge, in the order of the tokens' scores."""
    vocab = sentencepiece_vocabulary(source, unigram=False)
    matched = vocab.ids(NORMAL, USER_DEFINED, UNUSED)
    own = {vocab.tokens[i] for i in matched}
    merges = [
        [token[:at], token[at:]]
        for token in (vocab.tokens[i] for i in sorted(matched, key=lambda i: -vocab.scores[i]))
        for at in range(1, len(token))
        if token[:at] in own and token[at:] in own
    ]
    model = {"unk_token": vocab.tokens[vocab.unk_id], "fuse_unk": True, "byte_fallback": vocab.byte_fallback}
    steps = [{"type": "Prepend", "prepend": SPACE}] if vocab.spaces.prefix else []
    return {
        "normalizer": {"type": "Sequence", "normalizers": [*steps, _replace(" ", SPACE)]},
        "pre_tokenizer": None,
        "post_processor": _template(source, True, False),
        "decoder": _sentencepiece_decoder(vocab),
        "model": _bpe(vocab.tokens, merges) | model,
    }


def _unigram(source: Metadata) -> dict[str, Any]:
    vocab = sentencepiece_vocabulary(source, unigram=True)
    normalizers: list[dict[str, Any]] = []
    if raw := source.array("precompiled_charsmap", optional=True):
        text = base64.b64encode(bytes(value & 0xFF for value in raw)).decode()
        normalizers.append({"type": "Precompiled", "precompiled_charsmap": text})
    if vocab.spaces.merge:
        normalizers.append({"type": "Strip", "strip_left": True, "strip_right": True})
        normalizers.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    scheme = "always" if vocab.spaces.prefix else "never"
    return {
        "normalizer": {"type": "Sequence", "normalizers": normalizers} if normalizers else None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": True},
        "post_processor": _template(source, False, True),
        "decoder": _sentencepiece_decoder(vocab),
        "model": {
            "type": "Unigram",
            "unk_id": vocab.unk_id,
            "vocab": [list(entry) for entry in zip(vocab.tokens, vocab.scores, strict=True)],
            "byte_fallback": vocab.byte_fallback,
        },
    }


def _replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def _sentencepiece_decoder(vocab: SentencePiece) -> dict[str, Any]:
    steps = [_replace(SPACE, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    if vocab.spaces.prefix or vocab.spaces.merge:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def _wordpiece(source: Metadata) -> dict[str, Any]:
    bert = read_bert(source)
    return {
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": bert.strip,
            "lowercase": bert.lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "BertProcessing",
            "sep": [source.tokens()[bert.sep], bert.sep],
            "cls": [source.tokens()[bert.cls], bert.cls],
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": bert.unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": bert.vocab,
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
    """Id → control tokens (special; those of models with an unknown token have that, too) and user-defined ones."""
    source = Metadata(metadata, "")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    tokens = source.tokens()
    special = (CONTROL,) if source.text("model") == "gpt2" else (CONTROL, UNKNOWN)
    return {
        i: {"content": token, **flags, "special": kind in special}
        for i, (token, kind) in enumerate(zip(tokens, source.token_types(len(tokens)), strict=False))
        if (kind in special or kind == USER_DEFINED) and token
    }


def _pair(merge: str) -> list[str]:
    """`"Ġ t"` as `["Ġ", "t"]`; the separating space is not the first character."""
    at = merge.index(" ", 1)
    return [merge[:at], merge[at + 1 :]]


def _template(source: Metadata, add_bos: bool, add_eos: bool) -> dict[str, Any] | None:
    """A post-processor that adds the beginning or end token to a text if the file asks for it."""
    tokens = source.tokens()
    single: list[dict[str, Any]] = [{"Sequence": {"id": "A", "type_id": 0}}]
    second: list[dict[str, Any]] = [{"Sequence": {"id": "B", "type_id": 1}}]
    used: dict[str, Any] = {}
    for role, default in (("bos", add_bos), ("eos", add_eos)):
        token_id = source.token_id(f"{role}_token_id", len(tokens)) if source.has(f"{role}_token_id") else None
        if token_id is None or not source.flag(f"add_{role}_token", default):
            continue
        token = tokens[token_id]
        used[token] = {"id": token, "ids": [token_id], "tokens": [token]}
        for sequence, type_id in ((single, 0), (second, 1)):
            sequence.insert(0 if role == "bos" else len(sequence), {"SpecialToken": {"id": token, "type_id": type_id}})
    if not used:
        return None
    return {"type": "TemplateProcessing", "single": single, "pair": single + second, "special_tokens": used}


_MODELS: dict[str, Callable[[Metadata], dict[str, Any]]] = {
    "gpt2": _byte_level_bpe,
    "llama": _score_bpe,
    "t5": _unigram,
    "bert": _wordpiece,
}

"""Reads the tokenizer in a GGUF file's metadata into the parts of a `Tokenizer`.

GGUF stores the vocabulary with token types, and merges or scores; `tokenizer.ggml.model` says of which kind. How a
byte-level BPE splits text is named by `tokenizer.ggml.pre`. This file holds what `tokenizer.json` would say about all
that, as llama.cpp has it in `llama-vocab.cpp`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .added_tokens import AddedTokens
from .bert_normalizer import build_bert_normalizer
from .bpe import BPE, BPEOptions
from .charsmap import Charsmap
from .decode_steps import ByteLevelStep, WordPieceStep
from .gguf_metadata import CONTROL, PREFIX, Metadata, added_tokens, frames
from .gguf_splitting import DIGIT, SPLITTINGS
from .normalize import identity
from .normalizers import unicode_form
from .parts import TokenizerParts
from .postprocess import bert_frames
from .pretokenize import PreTokenizer, bert_pre_tokenizer, map_bytes, split
from .regex import cached_regex, class_regex
from .sentencepiece import NORMAL, SPACE, UNKNOWN, SentencePiece, Spaces
from .unicode_tables import lowercase, named_set
from .wordpiece import WordPiece

_NO_PRE = (
    "The file does not say how its tokenizer splits text (tokenizer.ggml.pre), so llama.cpp's default is used; "
    "some texts may get other tokens than the model was trained with."
)


def read_tokenizer_gguf(metadata: Mapping[str, Any], where: str) -> TokenizerParts:
    """Raises `TokenizerError`, and nothing else, whatever the metadata holds."""
    source = Metadata(metadata, where)
    kind = source.text("model")
    if kind not in _MODELS:
        remedy = "Use a model with one of the tokenizers " + ", ".join(_MODELS) + "."
        source.fail("model", f"the tokenizer {kind[:40]!r} is not supported", remedy)
    return _MODELS[kind](source)


def _byte_level_bpe(source: Metadata) -> TokenizerParts:
    named = source.text("pre", "")
    pre = named or "default"
    if pre not in SPLITTINGS:
        remedy = "Use the model's files in the Hugging Face layout: their tokenizer.json says how text is split."
        source.fail("pre", f"the pre-tokenizer {pre[:40]!r} is not supported", remedy)
    splitting = SPLITTINGS[pre]
    tokens = source.tokens()
    vocab = {token: i for i, token in enumerate(tokens)}
    options = BPEOptions(ignore_merges=splitting.ignore_merges)
    model = BPE(vocab, _merges(source), options, lambda rank: f"{source.where}: {PREFIX}merges[{rank}]")
    # Qwen's tokenizer.json composes characters first; GGUF does not say so, but the model was trained that way.
    normalizer = unicode_form("NFC") if splitting.nfc else identity
    added = added_tokens(tokens, source.token_types(len(tokens)))
    return TokenizerParts(
        model=model,
        added=AddedTokens(added, vocab.get, len(vocab), lambda text: text),
        normalizer=normalizer,
        pre_tokenizer=[*map(_step, splitting.patterns), map_bytes],
        frames=frames(source, splitting.add_bos, False, len(tokens)),
        decoder=[ByteLevelStep],
        notices=() if named else (_NO_PRE,),
    )


def _step(pattern: str) -> PreTokenizer:
    regex = class_regex(named_set("rust_numeric")) if pattern == DIGIT else cached_regex(pattern)
    return split(regex, "Isolated")


def _merges(source: Metadata) -> list[tuple[str, str]]:
    merges: list[tuple[str, str]] = []
    for i, merge in enumerate(source.strings("merges")):
        left, space, right = merge[:1], *merge[1:].partition(" ")[1:]
        left += merge[1:].partition(" ")[0]
        if not space or not right or " " in right:
            source.fail(f"merges[{i}]", "must be two tokens with one space between")
        merges.append((left, right))
    return merges


def _sentencepiece(unigram: bool) -> Callable[[Metadata], TokenizerParts]:
    """Of Llama (merged by score) or T5 (unigram); each text between special tokens begins with a space."""

    def read(source: Metadata) -> TokenizerParts:
        vocab = sentencepiece_vocabulary(source, unigram)
        model = vocab.model(f"{source.where}: {PREFIX}unknown_token_id")
        added = added_tokens(vocab.tokens, vocab.kinds, unknown=True)
        return TokenizerParts(
            model=model,
            added=AddedTokens(added, model.vocab.get, len(vocab.tokens), lambda text: text),
            normalizer=vocab.normalizer(),
            pre_tokenizer=vocab.pre_tokenizer(),
            frames=frames(source, not unigram, unigram, len(vocab.tokens)),
            decoder=vocab.decoder(),
            parse_special=False,
        )

    return read


def sentencepiece_vocabulary(source: Metadata, unigram: bool) -> SentencePiece:
    """What the entries say about tokens, scores and spaces. llama.cpp reads a map of texts for unigram models only."""
    tokens = source.tokens()
    kinds = source.token_types(len(tokens)) or [NORMAL] * len(tokens)
    scores = source.numbers("scores", len(tokens))
    unk_id = source.token_id("unknown_token_id", len(tokens))
    if unk_id is None:
        unk_id = next((i for i, kind in enumerate(kinds) if kind == UNKNOWN), 2 if unigram and len(tokens) > 2 else 0)
    merge = unigram and source.flag("remove_extra_whitespaces", False)
    escape = not unigram or source.flag("escape_whitespaces", True)
    suffix = unigram and source.flag("treat_whitespace_as_suffix", False)
    spaces = Spaces(source.flag("add_space_prefix", True), merge, escape, suffix)
    charsmap = _charsmap(source) if unigram else None
    fallback = f"<0x{0:02X}>" in tokens
    return SentencePiece(tokens, scores, kinds, unk_id, unigram, fallback, spaces, charsmap)


def _charsmap(source: Metadata) -> Charsmap | None:
    values = source.array("precompiled_charsmap", optional=True)
    if not values:
        return None
    try:
        return Charsmap(np.array(values, np.int16).astype(np.uint8).tobytes())
    except (TypeError, OverflowError):
        source.fail("precompiled_charsmap", "must be an array of bytes")
    except ValueError as error:
        source.fail("precompiled_charsmap", str(error))


@dataclass(frozen=True)
class Bert:
    """What the entries say about BERT's WordPiece.

    - `vocab`: the tokens as in vocab.txt, with their ids.
    - `unknown`: the token of a word that has no others.
    - `lower`, `strip`: whether case and accents go.
    - `cls`, `sep`: the ids around a text.
    """

    vocab: Mapping[str, int]
    unknown: str
    lower: bool
    strip: bool
    cls: int
    sep: int


def read_bert(source: Metadata) -> Bert:
    """In GGUF a token that begins a word has a `▁` in front, and one that continues it no `##`."""
    tokens = source.tokens()
    kinds = source.token_types(len(tokens)) or [NORMAL] * len(tokens)
    vocab = wordpiece_vocabulary(tokens, kinds)
    unk_id = source.token_id("unknown_token_id", len(tokens))
    unknown = next((t for t, i in vocab.items() if i == unk_id), "[UNK]")
    lower = source.flag("normalizer.lowercase", not _is_cased(vocab, kinds))
    return Bert(vocab, unknown, lower, source.flag("normalizer.strip_accents", lower), *_bert_ends(source, tokens))


def _wordpiece(source: Metadata) -> TokenizerParts:
    bert = read_bert(source)
    tokens = source.tokens()
    added = added_tokens(tokens, source.token_types(len(tokens)), unknown=True)
    return TokenizerParts(
        model=WordPiece(bert.vocab, bert.unknown, where=f"{source.where}: {PREFIX}unknown_token_id"),
        added=AddedTokens(added, bert.vocab.get, len(tokens), lambda text: text),
        normalizer=build_bert_normalizer(True, True, bert.strip, bert.lower),
        pre_tokenizer=bert_pre_tokenizer(),
        frames=bert_frames(bert.cls, bert.sep),
        decoder=[lambda: WordPieceStep("##", True)],
    )


def wordpiece_vocabulary(tokens: list[str], kinds: list[int]) -> dict[str, int]:
    """The tokens as in vocab.txt, with their ids."""
    vocab: dict[str, int] = {}
    for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        special = kind in (CONTROL, UNKNOWN) or (token.startswith("[") and token.endswith("]") and len(token) > 2)
        vocab.setdefault(token if special else token[1:] if token.startswith(SPACE) else f"##{token}", i)
    return vocab


def _is_cased(vocab: Mapping[str, int], kinds: list[int]) -> bool:
    return any(kinds[i] == NORMAL and lowercase(token) != token for token, i in vocab.items() if token[:1] != "[")


def _bert_ends(source: Metadata, tokens: list[str]) -> tuple[int, int]:
    """`[CLS]` and `[SEP]`, which stand around every text whatever the flags say, as in llama.cpp."""
    ids: list[int] = []
    for keys, token in (
        (("cls_token_id", "bos_token_id"), "[CLS]"),
        (("seperator_token_id", "eos_token_id"), "[SEP]"),
    ):
        named = (source.token_id(key, len(tokens)) for key in keys)
        token_id = next((i for i in named if i is not None), tokens.index(token) if token in tokens else None)
        if token_id is None:
            source.fail(keys[0], "the entry is missing, and there is no token of that name")
        ids.append(token_id)
    return ids[0], ids[1]


_MODELS: dict[str, Callable[[Metadata], TokenizerParts]] = {
    "gpt2": _byte_level_bpe,
    "llama": _sentencepiece(unigram=False),
    "t5": _sentencepiece(unigram=True),
    "bert": _wordpiece,
}

"""A tokenizer's files written as the `tokenizer.ggml.*` entries of a GGUF file, checked by reading them back."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import TokenizerError
from ..formats.files import read_json_file
from ..formats.source import Source
from ..schema.fields import shown
from .gguf_metadata import PREFIX
from .gguf_splitting import SPLITTINGS
from .gguf_to_json import splitting_steps
from .sentencepiece import BYTE, CONTROL, NORMAL, SPACE, UNKNOWN, UNUSED, USER_DEFINED
from .tokenizer import Tokenizer
from .tokenizer_json import MAX_BYTES
from .tokenizer_sentencepiece import read_sentencepiece

ROLES = {
    "bos": "bos",
    "eos": "eos",
    "unk": "unknown",
    "sep": "seperator",
    "pad": "padding",
    "cls": "cls",
    "mask": "mask",
    "eot": "eot",
    "eom": "eom",
}
"""A special token's role → its name in GGUF's keys."""
_REMEDY = "Keep the model in the Hugging Face layout."
_FILLER = "[PAD{}]"
SAMPLES = (
    "Hello, world! It's 12345 o'clock, we'll SEE.",
    "  two  spaces,\ttabs\n\nand lines \r\n ",
    "a",
    " a",
    "I'M I'LL x=3.14; y_2 = foo(bar)[7] // 1000000",
    "Crème brûlée, cre\u0301me, ÅNGSTRÖM, ẞ, ﬁne, ｆｕｌｌ, ①½²",
    "日本語テキスト 漢字かな交じり文 한국어 ไทย हिन्दी",
    "Здравствуй мир! Γειά σου, שלום عليكم",
    "👩\u200d💻🎈 \u00a0x\u3000y",
    "https://example.org/a?b=c&d=%20#e <b>tag</b> [x] {y}",
    "supercalifragilistic" * 6,
    "𐍈 ꙮ rare",
)
"""Texts at the borders of many rules."""


@dataclass
class _Vocabulary:
    """Tokens by id with their kinds and scores, and further entries by their short keys."""

    model: str
    tokens: dict[int, str]
    kinds: dict[int, int] = field(default_factory=dict[int, int])
    scores: dict[int, float] | None = None
    more: dict[str, Any] = field(default_factory=dict[str, Any])


def gguf_tokenizer(
    files: Mapping[str, Source], tokenizer: Tokenizer, size: int, roles: Mapping[str, int]
) -> dict[str, Any]:
    """The entries by their full keys.

    **Arguments:**

    - `files`: of the model's folder, by name; `tokenizer` is what they make.
    - `size`: of the model's vocabulary, which ids without a token fill up.
    - `roles`: ids of special tokens by their role, one of `ROLES`.

    Raises `TokenizerError` for what GGUF has no place for.
    """
    name, vocab = _vocabulary(files, tokenizer)
    for i, token in tokenizer.added_tokens.items():
        vocab.tokens[i] = token.content
        if vocab.kinds.get(i) != UNKNOWN:
            vocab.kinds[i] = CONTROL if token.special else USER_DEFINED
    count = max(size, max(vocab.tokens, default=0) + 1)
    ids = range(count)
    entries: dict[str, Any] = {
        "model": vocab.model,
        "pre": "default",
        "tokens": [vocab.tokens.get(i, _FILLER.format(i)) for i in ids],
        "token_type": [vocab.kinds.get(i, NORMAL) if i in vocab.tokens else UNUSED for i in ids],
    }
    if vocab.scores is not None:
        entries["scores"] = [float(vocab.scores.get(i, 0.0)) for i in ids]
    ends = _ends(tokenizer, name)
    unknown = [i for i, kind in vocab.kinds.items() if kind == UNKNOWN]
    of_model = {"unk": unknown[0]} if unknown else {}
    ids_by_role = {role: i for role, i in {**of_model, **roles, **ends}.items() if i < count}
    flags = {f"add_{role}_token": role in ends for role in ("bos", "eos")}
    entries |= vocab.more | {f"{ROLES[role]}_token_id": i for role, i in ids_by_role.items()} | flags
    metadata = {f"{PREFIX}{key}": value for key, value in entries.items()}
    _check(metadata, tokenizer, name)
    return metadata


def _ends(tokenizer: Tokenizer, name: str) -> dict[str, int]:
    """The tokens that a text begins and ends with, `bos` and `eos`."""
    plain, full = tokenizer.encode("a", add_special_tokens=False), tokenizer.encode("a")
    before = next(i for i in range(len(full)) if full[i : i + len(plain)] == plain)
    after = full[before + len(plain) :]
    if before > 1 or len(after) > 1:
        message = f"puts {before} tokens in front of a text and {len(after)} behind it; GGUF has one each"
        raise TokenizerError(message, where=name, remedy=_REMEDY)
    return {role: ids[0] for role, ids in (("bos", full[:before]), ("eos", after)) if ids}


def _vocabulary(files: Mapping[str, Source], tokenizer: Tokenizer) -> tuple[str, _Vocabulary]:
    """From the first file that there is, in the order of `tokenizer_files`; with its name."""
    if "tokenizer.json" in files:
        document = read_json_file(files["tokenizer.json"], max_bytes=MAX_BYTES)
        return "tokenizer.json", _of_json(document, tokenizer)
    for name in ("tokenizer.model", "spiece.model"):
        if name in files:
            return name, _of_sentencepiece(files[name])
    vocab = {token: i for i, token in tokenizer.model_tokens.items()}
    return "vocab.txt", _wordpiece({"vocab": vocab, "unk_token": "[UNK]"}, tokenizer)


def _of_json(document: Mapping[str, Any], tokenizer: Tokenizer) -> _Vocabulary:
    model = document["model"]
    kind = model.get("type") or ("BPE" if "merges" in model else "WordPiece")
    if kind == "BPE":
        byte_level = any(step["type"] == "ByteLevel" for step in _steps(document.get("pre_tokenizer")))
        return _byte_level_bpe(document) if byte_level else _score_bpe(model, tokenizer)
    if kind == "Unigram":
        return _unigram(document, tokenizer)
    if kind == "WordPiece":
        return _wordpiece(model, tokenizer)
    message = f"GGUF has no place for a tokenizer of type {kind}"
    raise TokenizerError(message, where="tokenizer.json at model.type", remedy=_REMEDY)


def _steps(step: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """The single steps of a normaliser or a pre-tokenizer."""
    if step is None:
        return
    if step["type"] != "Sequence":
        yield {key: value for key, value in step.items() if key != "trim_offsets"}
        return
    for part in step.get("pretokenizers") or step.get("normalizers") or ():
        yield from _steps(part)


def _byte_level_bpe(document: Mapping[str, Any]) -> _Vocabulary:
    model = document["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    more = {"pre": _splitting_name(document), "merges": merges}
    return _Vocabulary("gpt2", {i: token for token, i in model["vocab"].items()}, more=more)


def _splitting_name(document: Mapping[str, Any]) -> str:
    """The name in `tokenizer.ggml.pre` for how a `tokenizer.json` splits words."""
    steps = list(_steps(document.get("pre_tokenizer")))
    nfc = [step["type"] for step in _steps(document.get("normalizer"))] == ["NFC"]
    whole = bool(document["model"].get("ignore_merges"))
    names = [
        name
        for name, splitting in SPLITTINGS.items()
        if splitting.nfc == nfc
        and steps == [*_steps({"type": "Sequence", "pretokenizers": splitting_steps(splitting)})]
    ]
    # A name for tokens that are words goes first where the file has it; whether texts differ is checked later.
    names.sort(key=lambda name: SPLITTINGS[name].ignore_merges != whole)
    if not names:
        message = "GGUF has no name for how texts are split"
        raise TokenizerError(message, where="tokenizer.json at pre_tokenizer", remedy=_REMEDY)
    return names[0]


def _score_bpe(model: Mapping[str, Any], tokenizer: Tokenizer) -> _Vocabulary:
    """Scores that put the merges into their order: GGUF merges whatever makes the token of the best score."""
    vocab: dict[str, int] = model["vocab"]
    order: dict[str, int] = {}
    pairs: set[tuple[str, str]] = set()
    last = ""
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        pairs.add((left, right))
        if left + right != last and order.setdefault(left + right, len(order)) != len(order) - 1:
            raise _unordered(left + right)
        last = left + right
    kinds = _kinds(vocab, model.get("unk_token"), bool(model.get("byte_fallback")))
    own = {token for token, i in vocab.items() if kinds.get(i, NORMAL) == NORMAL and i not in tokenizer.special_ids}
    for token in own:
        for at in range(1, len(token)):
            if token[:at] in own and token[at:] in own and (token[:at], token[at:]) not in pairs:
                raise _unordered(token)
    scores = {i: -float(order.get(token, len(order))) for token, i in vocab.items()}
    more = {"add_space_prefix": _space_in_front(tokenizer)}
    return _Vocabulary("llama", {i: token for token, i in vocab.items()}, kinds, scores, more)


def _unordered(token: str) -> TokenizerError:
    message = f"GGUF cannot hold the merges that make {token[:40]!r}: it has one score a token"
    return TokenizerError(message, where="tokenizer.json at model.merges", remedy=_REMEDY)


def _kinds(vocab: Mapping[str, int], unknown: str | None, byte_fallback: bool) -> dict[int, int]:
    kinds = {vocab[unknown]: UNKNOWN} if unknown is not None and unknown in vocab else {}
    if byte_fallback:
        kinds |= {vocab[token]: BYTE for token in (f"<0x{byte:02X}>" for byte in range(256)) if token in vocab}
    return kinds


def _space_in_front(tokenizer: Tokenizer) -> bool:
    """Whether a text gets a space in front."""
    first = tokenizer.encode("a", add_special_tokens=False)[:1]
    return any((tokenizer.id_to_token(i) or "").startswith(SPACE) for i in first)


def _unigram(document: Mapping[str, Any], tokenizer: Tokenizer) -> _Vocabulary:
    model = document["model"]
    tokens = {i: token for i, (token, _) in enumerate(model["vocab"])}
    scores = {i: score for i, (_, score) in enumerate(model["vocab"])}
    unknown = tokens.get(model["unk_id"]) if model.get("unk_id") is not None else None
    kinds = _kinds({token: i for i, token in tokens.items()}, unknown, bool(model.get("byte_fallback")))
    more: dict[str, Any] = {
        "add_space_prefix": _space_in_front(tokenizer),
        "remove_extra_whitespaces": tokenizer.encode("a  b") == tokenizer.encode("a b"),
    }
    for step in _steps(document.get("normalizer")):
        if step["type"] == "Precompiled" and step.get("precompiled_charsmap"):
            more["precompiled_charsmap"] = base64.b64decode(step["precompiled_charsmap"])
    return _Vocabulary("t5", tokens, kinds, scores, more)


def _of_sentencepiece(source: Source) -> _Vocabulary:
    vocab = read_sentencepiece(source)
    more: dict[str, Any] = {
        "add_space_prefix": vocab.spaces.prefix,
        "remove_extra_whitespaces": vocab.spaces.merge,
    }
    if not vocab.spaces.escape:
        more["escape_whitespaces"] = False
    if vocab.spaces.suffix:
        more["treat_whitespace_as_suffix"] = True
    if vocab.charsmap is not None:
        more["precompiled_charsmap"] = vocab.charsmap.raw
    model = "t5" if vocab.unigram else "llama"
    return _Vocabulary(model, dict(enumerate(vocab.tokens)), dict(enumerate(vocab.kinds)),
                       dict(enumerate(vocab.scores)), more)  # fmt: skip


def _wordpiece(model: Mapping[str, Any], tokenizer: Tokenizer) -> _Vocabulary:
    """In GGUF a token that begins a word has a `▁` in front, and one that continues it no `##`."""
    vocab: dict[str, int] = model["vocab"]
    tokens: dict[int, str] = {}
    for token, i in vocab.items():
        special = i in tokenizer.special_ids or (token.startswith("[") and token.endswith("]") and len(token) > 2)
        tokens[i] = token if special else token[2:] if token.startswith("##") else SPACE + token
    more: dict[str, Any] = {
        "normalizer.lowercase": tokenizer.encode("A") == tokenizer.encode("a"),
        "normalizer.strip_accents": tokenizer.encode("é") == tokenizer.encode("e"),
    }
    unknown = vocab.get(model.get("unk_token", "[UNK]"))
    if unknown is not None:
        more["unknown_token_id"] = unknown
    ends = _ends(tokenizer, "tokenizer")
    if len(ends) < 2:
        raise TokenizerError("GGUF's WordPiece has a token on either side of a text", where="tokenizer", remedy=_REMEDY)
    more |= {"cls_token_id": ends["bos"], "seperator_token_id": ends["eos"]}
    return _Vocabulary("bert", tokens, more=more)


def _check(metadata: Mapping[str, Any], tokenizer: Tokenizer, name: str) -> None:
    """Raises `TokenizerError` unless a tokenizer read from the entries gives the same ids."""
    read = {key: list(value) if isinstance(value, bytes) else value for key, value in metadata.items()}
    try:
        again = Tokenizer.from_gguf(read, name)
    except TokenizerError as error:
        raise TokenizerError(f"GGUF cannot hold it: {error.message}", where=name, remedy=_REMEDY) from error
    symbols = [token.content for token in tokenizer.added_tokens.values() if not token.special][:50]
    for text in (*SAMPLES, *(f"a{symbol}b" for symbol in symbols)):
        if again.encode(text) != tokenizer.encode(text):
            message = f"GGUF cannot hold it: {shown(text)} would become other tokens"
            raise TokenizerError(message, where=name, remedy=_REMEDY)

"""Reads `tokenizer.json`, the file of Hugging Face's `tokenizers`, into the parts of a `Tokenizer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FormatError, TokenizerError
from ..formats.files import read_json_file
from ..formats.source import BytesSource, Source
from ..schema.fields import Fields, json_type, range_fault
from ..schema.strict import parse_json
from .added_tokens import AddedToken, AddedTokens
from .bpe import BPE, BPEOptions
from .decoders import build_decoder
from .normalize import build_normalizer
from .parts import TokenizerParts
from .postprocess import build_post_processor
from .pretokenize import build_pre_tokenizer
from .tokenizer_fields import MAX_ID, RULES, unsupported

MAX_BYTES = 256 * 1024 * 1024
MAX_ADDED = 100_000
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def read_tokenizer_json(source: Source | bytes | bytearray | memoryview | str | Mapping[str, Any]) -> TokenizerParts:
    """Raises `TokenizerError`, and nothing else, whatever the file holds."""
    name = "tokenizer.json"
    document: object = source
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = BytesSource(source, name)
    try:
        if isinstance(source, str):
            document = parse_json(source, where=name, max_bytes=MAX_BYTES)
        elif isinstance(source, Source):
            name = source.name
            document = read_json_file(source, max_bytes=MAX_BYTES)
    except TokenizerError:
        raise
    except FormatError as error:
        raise TokenizerError(error.message, where=error.where, remedy=error.remedy) from None
    return _parts(Fields(document, file=name, rules=RULES))


def _parts(root: Fields) -> TokenizerParts:
    version = root.values.get("version", "1.0")
    if version != "1.0":
        raise unsupported(root, f"version {str(version)[:20]!r}", "version")
    model = _model(root.object("model"))
    normalizer = build_normalizer(_optional(root, "normalizer"))
    tokens = _added_tokens(root)
    added = AddedTokens(tokens, model.vocab.get, len(model.vocab), lambda text: normalizer(text)[0])
    parts = TokenizerParts(
        model=model,
        added=added,
        normalizer=normalizer,
        pre_tokenizer=build_pre_tokenizer(_optional(root, "pre_tokenizer")),
        template=build_post_processor(_optional(root, "post_processor")),
        decoder=build_decoder(_optional(root, "decoder")),
    )
    return parts


def _optional(root: Fields, key: str) -> Fields | None:
    return root.object(key) if root.has(key) else None


def _added_tokens(root: Fields) -> list[AddedToken]:
    if not root.has("added_tokens"):
        return []
    if len(root.array("added_tokens")) > MAX_ADDED:
        raise root.error(f"has more than {MAX_ADDED} entries", "added_tokens")
    tokens: list[AddedToken] = []
    ids: dict[int, str] = {}
    for node in root.objects("added_tokens", required=True):
        content, token_id = node.string("content"), node.integer("id", minimum=0, maximum=MAX_ID)
        if ids.setdefault(token_id, content) != content:
            raise node.error(f"the id {token_id} is already that of {ids[token_id][:40]!r}", "id")
        flags = {key: node.boolean(key, default=...) for key in _FLAGS}
        _check_unicode(node, content, "content")
        tokens.append(AddedToken(content, **flags))
    return tokens


def _model(node: Fields) -> BPE:
    kind = node.string("type", default="BPE")
    if kind != "BPE":
        raise unsupported(node, f"the model {kind[:40]!r}", "type")
    if node.has("dropout") and node.values["dropout"] != 0:
        raise unsupported(node, "dropout", "dropout")
    vocab = _vocab(node)
    options = BPEOptions(
        unk_token=node.string("unk_token", default=None),
        continuing_subword_prefix=node.string("continuing_subword_prefix", default=""),
        end_of_word_suffix=node.string("end_of_word_suffix", default=""),
        fuse_unk=node.boolean("fuse_unk"),
        byte_fallback=node.boolean("byte_fallback"),
        ignore_merges=node.boolean("ignore_merges"),
    )
    merges, places = _merges(node)
    return BPE(vocab, merges, options, lambda rank: node.at("merges", places[rank]))


def _vocab(node: Fields) -> Mapping[str, int]:
    vocab = node.object("vocab").values
    if set(map(type, vocab.values())) - {int} or set(map(type, vocab)) - {str}:
        token, value = next((t, v) for t, v in vocab.items() if type(v) is not int or type(t) is not str)
        raise node.error(f"expected a whole number, got {json_type(value)}", "vocab", str(token)[:80])
    if vocab and (min(vocab.values()) < 0 or max(vocab.values()) > MAX_ID):
        token = next(t for t, v in vocab.items() if not 0 <= v <= MAX_ID)
        raise node.error(range_fault(vocab[token], minimum=0, maximum=MAX_ID), "vocab", token[:80])
    if len(set(vocab.values())) != len(vocab):
        seen: dict[int, str] = {}
        for token, token_id in vocab.items():
            if token_id in seen:
                raise node.error(f"the id {token_id} is already that of {seen[token_id][:40]!r}", "vocab", token[:80])
            seen[token_id] = token
    return vocab


def _merges(node: Fields) -> tuple[list[tuple[str, str]], range | list[int]]:
    """The merges as pairs, and the index of each in the file."""
    items = node.array("merges")
    if all(type(item) is str for item in items):
        kept = [i for i, item in enumerate(items) if not item.startswith("#version")]
        merges = [tuple(items[i].split(" ")) for i in kept]
        if set(map(len, merges)) - {2}:
            bad = next(i for i, merge in zip(kept, merges, strict=True) if len(merge) != 2)
            raise node.error("expected two tokens with one space between", "merges", bad)
        return merges, kept  # type: ignore[return-value]  # all of length 2, as checked above
    for i, item in enumerate(items):
        if not isinstance(item, (list, tuple)) or len(item) != 2 or not type(item[0]) is type(item[1]) is str:
            raise node.error("expected an array of two tokens (as all the others, or none)", "merges", i)
    return items, range(len(items))  # type: ignore[return-value]  # pairs of strings, as checked above


def _check_unicode(node: Fields, text: str, key: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise node.error("holds half of a surrogate pair", key) from None

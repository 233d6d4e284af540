"""Reads `tokenizer.json`, the file of Hugging Face's `tokenizers`, into the parts of a `Tokenizer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FormatError, TokenizerError
from ..formats.source import BytesSource, Source
from ..schema.file_fields import kind_of
from ..schema.strict import parse_json
from .added_tokens import AddedToken, AddedTokens
from .bpe import BPE, BPEOptions
from .decoders import build_decoder
from .json_node import Node
from .normalize import build_normalizer
from .parts import TokenizerParts
from .postprocess import build_post_processor
from .pretokenize import build_pre_tokenizer

MAX_BYTES = 256 * 1024 * 1024
MAX_ADDED = 100_000


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
            document = parse_json(source.read(0, source.size), where=name, max_bytes=MAX_BYTES)
    except TokenizerError:
        raise
    except FormatError as error:
        raise TokenizerError(error.message, where=error.where, remedy=error.remedy) from None
    return _parts(Node(document, name))


def _parts(root: Node) -> TokenizerParts:
    version = root.value.get("version", "1.0")
    if version != "1.0":
        root.unsupported(f"version {str(version)[:20]!r}", "version")
    model = _model(root.child("model"))
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


def _optional(root: Node, key: str) -> Node | None:
    return root.child(key) if root.has(key) else None


def _added_tokens(root: Node) -> list[AddedToken]:
    if not root.has("added_tokens"):
        return []
    if len(root.items("added_tokens")) > MAX_ADDED:
        root.fail(f"has more than {MAX_ADDED} entries", "added_tokens")
    tokens: list[AddedToken] = []
    ids: dict[int, str] = {}
    for node in root.children("added_tokens"):
        content, token_id = node.get("content", str), node.count("id")
        if ids.setdefault(token_id, content) != content:
            node.fail(f"the id {token_id} is already that of {ids[token_id][:40]!r}", "id")
        flags = {key: node.get(key, bool) for key in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        _check_unicode(node, content, "content")
        tokens.append(AddedToken(content, **flags))
    return tokens


def _model(node: Node) -> BPE:
    kind = node.get("type", str, "BPE")
    if kind != "BPE":
        node.unsupported(f"the model {kind[:40]!r}", "type")
    if node.has("dropout") and node.value["dropout"] != 0:
        node.unsupported("dropout", "dropout")
    vocab = _vocab(node)
    options = BPEOptions(
        unk_token=node.get("unk_token", str) if node.has("unk_token") else None,
        continuing_subword_prefix=node.get("continuing_subword_prefix", str, ""),
        end_of_word_suffix=node.get("end_of_word_suffix", str, ""),
        fuse_unk=node.get("fuse_unk", bool, False),
        byte_fallback=node.get("byte_fallback", bool, False),
        ignore_merges=node.get("ignore_merges", bool, False),
    )
    merges, places = _merges(node)
    return BPE(vocab, merges, options, lambda rank: f"{node.where}: model.merges[{places[rank]}]")


def _vocab(node: Node) -> Mapping[str, int]:
    vocab = node.child("vocab").value
    if set(map(type, vocab.values())) - {int} or set(map(type, vocab)) - {str}:
        token, value = next((t, v) for t, v in vocab.items() if type(v) is not int or type(t) is not str)
        node.fail(f"must be an integer, but is {kind_of(value)}", "vocab", str(token)[:80])
    if vocab and (min(vocab.values()) < 0 or max(vocab.values()) >= 2**32):
        token = next(t for t, v in vocab.items() if not 0 <= v < 2**32)
        node.fail(f"the id {str(vocab[token])[:40]} is not between 0 and 4294967295", "vocab", token[:80])
    if len(set(vocab.values())) != len(vocab):
        seen: dict[int, str] = {}
        for token, token_id in vocab.items():
            if token_id in seen:
                node.fail(f"the id {token_id} is already that of {seen[token_id][:40]!r}", "vocab", token[:80])
            seen[token_id] = token
    return vocab


def _merges(node: Node) -> tuple[list[tuple[str, str]], range | list[int]]:
    """The merges as pairs, and the index of each in the file."""
    items = node.items("merges")
    if all(type(item) is str for item in items):
        kept = [i for i, item in enumerate(items) if not item.startswith("#version")]
        merges = [tuple(items[i].split(" ")) for i in kept]
        if set(map(len, merges)) - {2}:
            bad = next(i for i, merge in zip(kept, merges, strict=True) if len(merge) != 2)
            node.fail("must be two tokens with one space between", "merges", bad)
        return merges, kept  # type: ignore[return-value]  # all of length 2, as checked above
    for i, item in enumerate(items):
        if not isinstance(item, (list, tuple)) or len(item) != 2 or not type(item[0]) is type(item[1]) is str:
            node.fail("must be an array of two tokens (as all the others, or none)", "merges", i)
    return items, range(len(items))  # type: ignore[return-value]  # pairs of strings, as checked above


def _check_unicode(node: Node, text: str, key: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        node.fail("holds half of a surrogate pair", key)

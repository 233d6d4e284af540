"""Reads `tokenizer.json`, the file of Hugging Face's `tokenizers`, into the parts of a `Tokenizer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FormatError, TokenizerError
from ..formats.files import read_json_file
from ..formats.source import BytesSource, Source
from ..progress import to_end
from ..schema.fields import Fields
from ..schema.strict import parse_json
from .added_tokens import AddedToken, AddedTokens
from .batch_options import read_padding, read_truncation
from .decoders import build_decoder
from .normalizers import build_normalizer
from .parts import TokenizerParts
from .postprocess import build_post_processor
from .pretokenize import build_pre_tokenizer
from .tokenizer_fields import MAX_ID, RULES, unsupported
from .tokenizer_models import build_model

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
    model = build_model(root.object("model"))
    normalizer = build_normalizer(_optional(root, "normalizer"))
    tokens = _added_tokens(root)
    added = AddedTokens(tokens, model.vocab.get, len(model.tokens), lambda text: to_end(normalizer(text))[0])
    return TokenizerParts(
        model=model,
        added=added,
        normalizer=normalizer,
        pre_tokenizer=build_pre_tokenizer(_optional(root, "pre_tokenizer")),
        frames=build_post_processor(_optional(root, "post_processor")),
        decoder=build_decoder(_optional(root, "decoder")),
        truncation=read_truncation(_optional(root, "truncation")),
        padding=read_padding(_optional(root, "padding")),
    )


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


def _check_unicode(node: Fields, text: str, key: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise node.error("holds half of a surrogate pair", key) from None

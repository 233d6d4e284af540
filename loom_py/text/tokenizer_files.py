"""The tokenizer of a model's directory, from whichever of its files says what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import TokenizerError
from ..formats.files import read_json_file
from ..formats.folder import TOKENIZERS
from ..formats.source import Source
from ..schema.fields import Fields, Rules
from .added_tokens import AddedToken
from .tokenizer import Tokenizer
from .tokenizer_fields import MAX_ID
from .tokenizer_sentencepiece import Extra, read_tokenizer_model
from .tokenizer_vocab import SPECIAL, BertOptions, read_vocab_txt

CONFIG = "tokenizer_config.json"
MAX_CONFIG = 64 * 1024 * 1024
_RULES = Rules(error=TokenizerError, remedy="Give the model's tokenizer.json.", exact=True, nulls=True)
_ENDS = {"LlamaTokenizer": (True, False), "GemmaTokenizer": (True, False), "T5Tokenizer": (False, True)}
"""Whether a text begins and ends with tokens where tokenizer_config.json does not say."""
_SHIFTED = ("XLMRoberta", "Camembert", "MBart", "Barthez", "XGLM", "Pegasus", "BigBird", "Reformer", "DebertaV2")
"""Families whose ids are not those of their SentencePiece model."""


def open_tokenizer(files: Mapping[str, Source], name: str) -> Tokenizer:
    """The tokenizer that some files make, by their names; `name` is that of the directory, for errors.

    tokenizer.json goes before `tokenizer.model` or `spiece.model` (SentencePiece), and those before vocab.txt (BERT).
    Raises `TokenizerError`.
    """
    for file, read in READERS.items():
        if file in files:
            return read(files[file], files.get(CONFIG))
    raise TokenizerError(
        f"there is no {', '.join(list(READERS)[:-1])} or {list(READERS)[-1]}",
        where=name,
        remedy="Give a .gguf, or all files of the model's directory.",
    )


def _json(source: Source, config: Source | None) -> Tokenizer:
    return Tokenizer.from_json(source)


def _sentencepiece(source: Source, config: Source | None) -> Tokenizer:
    fields = _config(config)
    kind = fields.string("tokenizer_class", default="").removesuffix("Fast")
    if kind.removesuffix("Tokenizer") in _SHIFTED:
        raise fields.error(f"the ids of a {kind} are not those of its {source.name}", "tokenizer_class")
    bos, eos = _ENDS.get(kind, (False, False))
    added: dict[int, AddedToken] = {}
    tokens = fields.object("added_tokens_decoder") if fields.has("added_tokens_decoder") else None
    for key in tokens.values if tokens is not None else ():
        token = tokens.object(key) if tokens is not None else fields
        if not key.isascii() or not key.isdecimal() or len(key) > 10 or int(key) > MAX_ID:
            raise fields.error("expected the id of a token", "added_tokens_decoder", key)
        flags = {flag: token.boolean(flag) for flag in ("single_word", "lstrip", "rstrip", "special")}
        added[int(key)] = AddedToken(token.string("content"), **flags)
    extra = Extra(fields.boolean("add_bos_token", default=bos), fields.boolean("add_eos_token", default=eos), added)
    return Tokenizer(read_tokenizer_model(source, extra))


def _vocab_txt(source: Source, config: Source | None) -> Tokenizer:
    fields = _config(config)
    strip = fields.boolean("strip_accents") if fields.has("strip_accents") else None
    keys = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    special = [_token(fields, key, default) for key, default in zip(keys, SPECIAL, strict=True)]
    options = BertOptions(
        fields.boolean("do_lower_case", default=True),
        strip,
        fields.boolean("tokenize_chinese_chars", default=True),
        special,
    )
    return Tokenizer(read_vocab_txt(source, options))


def _token(fields: Fields, key: str, default: str) -> str:
    """A special token: a string, or the object of an `AddedToken`."""
    value = fields.values.get(key)
    return fields.object(key).string("content") if isinstance(value, Mapping) else fields.string(key, default=default)


def _config(source: Source | None) -> Fields:
    value = {} if source is None else read_json_file(source, max_bytes=MAX_CONFIG)
    return Fields(value, file=CONFIG, rules=_RULES)


READERS: dict[str, Callable[[Source, Source | None], Tokenizer]] = dict(
    zip(TOKENIZERS, (_json, _sentencepiece, _sentencepiece, _vocab_txt), strict=True)
)
"""By the name of the file, the first that is there."""

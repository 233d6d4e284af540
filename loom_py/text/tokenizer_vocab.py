"""Reads BERT's vocab.txt, one token a line, where a directory has no tokenizer.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import FormatError, TokenizerError
from ..formats.files import read_text_file
from ..formats.source import Source
from .added_tokens import AddedToken, AddedTokens
from .bert_normalizer import build_bert_normalizer
from .decode_steps import WordPieceStep
from .parts import TokenizerParts
from .postprocess import bert_frames
from .pretokenize import bert_pre_tokenizer
from .unicode_tables import named_set
from .wordpiece import WordPiece

MAX_BYTES = 64 * 1024 * 1024
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class BertOptions:
    """What tokenizer_config.json says beside it.

    - `lower`, `strip`, `chinese`: steps of the normaliser; `strip` goes with `lower` unless given.
    - `special`: the padding, unknown, beginning, end and mask tokens.
    """

    lower: bool = True
    strip: bool | None = None
    chinese: bool = True
    special: Sequence[str] = SPECIAL


def read_vocab_txt(source: Source, options: BertOptions | None = None) -> TokenizerParts:
    """Raises `TokenizerError`, and nothing else, whatever the file holds."""
    options = options or BertOptions()
    if source.size > MAX_BYTES:
        raise TokenizerError(f"{source.size} bytes are more than the limit of {MAX_BYTES}", where=source.name)
    try:
        text = read_text_file(source, max_bytes=MAX_BYTES)
    except FormatError as error:
        raise TokenizerError(error.message, where=error.where, remedy=error.remedy) from None
    lines = text.split("\n")
    vocab = {_without_space(line): i for i, line in enumerate(lines[:-1] if not lines[-1] else lines)}
    _, unknown, cls, sep, _ = options.special
    for token in (unknown, cls, sep):
        if token not in vocab:
            raise TokenizerError(
                f"the token {token[:40]!r} is missing",
                where=source.name,
                remedy="The file is not the vocabulary of a BERT, or tokenizer_config.json names other special tokens.",
            )
    added = [AddedToken(token, special=True) for token in options.special if token in vocab]
    strip = options.lower if options.strip is None else options.strip
    return TokenizerParts(
        model=WordPiece(vocab, unknown, where=f"{source.name}, {unknown}"),
        added=AddedTokens(added, vocab.get, len(vocab), lambda text: text),
        normalizer=build_bert_normalizer(True, options.chinese, strip, options.lower),
        pre_tokenizer=bert_pre_tokenizer(),
        frames=bert_frames(vocab[cls], vocab[sep]),
        decoder=[lambda: WordPieceStep("##", True)],
    )


def _without_space(line: str) -> str:
    """Without white space at its end, as `tokenizers` reads it."""
    end = len(line)
    while end and line[end - 1] in named_set("rust_whitespace"):
        end -= 1
    return line[:end]

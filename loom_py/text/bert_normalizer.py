"""BERT's normaliser (Devlin et al. 2019): clean, put spaces around Chinese characters, strip accents, lower case."""

from __future__ import annotations

import re
from functools import cache

from ..schema.fields import Fields
from .normalize import Normalizer, in_blocks
from .unicode_tables import form_boundary, lowercase, named_set, normalize


def bert_normalizer(node: Fields) -> Normalizer:
    """`strip_accents: null` strips where the text is lower-cased. Raises `TokenizerError`."""
    lower = node.boolean("lowercase", default=...)
    strip = node.boolean("strip_accents", default=lower)
    return build_bert_normalizer(
        node.boolean("clean_text", default=...), node.boolean("handle_chinese_chars", default=...), strip, lower
    )


def build_bert_normalizer(clean: bool, chinese: bool, strip: bool, lower: bool) -> Normalizer:
    """The normaliser with these of its steps."""

    def apply(text: str) -> tuple[str, bool]:
        kept = not (clean and text) or text[0] not in named_set("bert_control")
        if clean:
            text = _any_of("bert_space").sub(" ", _any_of("bert_control").sub("", text))
        if not text.isascii():
            text = _any_of("bert_chinese").sub(r" \g<0> ", text) if chinese else text
            text = _any_of("bert_accent").sub("", normalize("NFD", text)) if strip else text
        return (lowercase(text) if lower else text), kept

    return in_blocks(apply, form_boundary)


@cache
def _any_of(name: str) -> re.Pattern[str]:
    return re.compile(named_set(name).pattern())

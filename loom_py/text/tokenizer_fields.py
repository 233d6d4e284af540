"""Shared by the readers of `tokenizer.json`'s parts: the rules of the file, and three forms that recur in it."""

from __future__ import annotations

from ..errors import LoomError, TokenizerError
from ..schema.fields import Fields, Rules

RULES = Rules(
    error=TokenizerError,
    remedy="The file is damaged or not a tokenizer.json; fetch or export it again.",
    exact=True,
    max_depth=17,  # one part of the file and sixteen nested sequences: no tokenizer needs more
)
MAX_ID = 2**32 - 1


def unsupported(f: Fields, what: str, *steps: str | int) -> LoomError:
    """The error for a valid tokenizer that uses something this package does not have."""
    return f.error(f"{what} is not supported", *steps, remedy="Use a model whose tokenizer does without it.")


def read_character(f: Fields, key: str) -> str:
    """A string of one character."""
    value = f.string(key)
    if len(value) != 1:
        raise f.error(f"expected one character, got {value[:20]!r}", key)
    return value


def read_pattern(f: Fields) -> tuple[str, bool]:
    """The `pattern` field, `{"String": …}` or `{"Regex": …}`: the text, and whether it is a regex."""
    inner = f.object("pattern")
    kinds = [kind for kind in ("String", "Regex") if kind in inner.values]
    if len(kinds) != 1 or len(inner.values) != 1:
        raise inner.error("expected exactly one of the fields 'String' and 'Regex'")
    return inner.string(kinds[0]), kinds[0] == "Regex"

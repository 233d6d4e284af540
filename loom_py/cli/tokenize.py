"""Turn text into token ids, or back.

The input is the argument or standard input. Without --json it is a text, and one line of ids is written. With --json it
is a JSON array of strings, and an array of id arrays is written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import InputError
from ..generation.loading import load_tokenizer
from ..output import print_json
from ..schema.fields import shown
from ..schema.strict import parse_json
from ..text.tokenizer import Tokenizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="tokenizer.json, a .gguf, or a model directory")
    parser.add_argument("--decode", action="store_true", help="the input is ids; write text")
    parser.add_argument("--no-special", action="store_true", help="add no special tokens (decoding: leave them out)")
    parser.add_argument("text", nargs="?", help="the text (ids with --decode); standard input if left out")


def run(args: argparse.Namespace) -> int:
    tokenizer = load_tokenizer(args.model)
    place = "standard input" if args.text is None else "TEXT"
    raw = _standard_input() if args.text is None else args.text.encode("utf-8", "surrogateescape")
    if args.json:
        items = parse_json(raw, where=place)
        kind = list if args.decode else str
        if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
            what = "arrays of ids" if args.decode else "strings"
            raise InputError(f"expected a JSON array of {what}", where=place)
        if args.decode:
            result: list[object] = [_decode(tokenizer, ids, f"{place}[{i}]", args) for i, ids in enumerate(items)]
        else:
            result = [tokenizer.encode(item, add_special_tokens=not args.no_special) for item in items]
        print_json(result)
        return 0
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 ({error.reason})", where=f"{place} at byte {error.start}") from error
    if args.decode:
        words = text.replace(",", " ").split()
        ids = [int(word) if word.isdecimal() and len(word) < 20 else word for word in words]
        print(_decode(tokenizer, ids, place, args))
    else:
        print(*tokenizer.encode(text, add_special_tokens=not args.no_special))
    return 0


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise InputError("is closed", where="standard input", remedy="Give TEXT, or pipe it in.")
    return sys.stdin.buffer.read()


def _decode(tokenizer: Tokenizer, ids: Sequence[object], place: str, args: argparse.Namespace) -> str:
    """The text of `ids`, each a whole number that the vocabulary has."""
    whole: list[int] = []
    for i, item in enumerate(ids):
        if isinstance(item, bool) or not isinstance(item, int):
            raise InputError(f"expected an id, got {shown(item)}", where=f"{place}[{i}]")
        if tokenizer.id_to_token(item) is None:
            remedy = "Decode ids with the tokenizer that made them."
            raise InputError(f"the vocabulary has no token with id {item}", where=f"{place}[{i}]", remedy=remedy)
        whole.append(item)
    return tokenizer.decode(whole, skip_special_tokens=args.no_special)

"""Turn text into token ids, or back.

Without --json the text is the argument or standard input, and one line of ids is written. With --json a JSON array of
strings is read from standard input and an array of id arrays is written.
"""

from __future__ import annotations

import argparse
import json
import sys

from ..errors import InputError
from ..formats.json_strict import parse_json
from ..models.loading import load_tokenizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="tokenizer.json, a .gguf, or a model directory")
    parser.add_argument("--decode", action="store_true", help="the input is ids; write text")
    parser.add_argument("--no-special", action="store_true", help="add no special tokens (decoding: leave them out)")
    parser.add_argument("text", nargs="?", help="the text (ids with --decode); standard input if left out")


def run(args: argparse.Namespace) -> int:
    tokenizer = load_tokenizer(args.model)
    raw = sys.stdin.buffer.read() if args.text is None else args.text.encode("utf-8", "surrogateescape")
    if args.json:
        items = parse_json(raw, where="standard input")
        kind = list if args.decode else str
        if not isinstance(items, list) or not all(isinstance(item, kind) for item in items):
            what = "arrays of ids" if args.decode else "strings"
            raise InputError(f"expected a JSON array of {what}", where="standard input")
        if args.decode:
            result: list[object] = [tokenizer.decode(item, skip_special_tokens=args.no_special) for item in items]
        else:
            result = [tokenizer.encode(item, add_special_tokens=not args.no_special) for item in items]
        print(json.dumps(result, ensure_ascii=False))
        return 0
    try:
        text = raw.decode("utf-8")
        if args.decode:
            ids = [int(word) for word in text.replace(",", " ").split()]
            print(tokenizer.decode(ids, skip_special_tokens=args.no_special))
            return 0
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 ({error.reason})", where=f"input at byte {error.start}") from error
    except ValueError as error:
        raise InputError(f"expected ids ({error})", where="input") from error
    print(*tokenizer.encode(text, add_special_tokens=not args.no_special))
    return 0

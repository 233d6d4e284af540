"""What a language model makes of token ids: the logits after each, or the hidden states that they come from."""

from __future__ import annotations

import argparse

import numpy as np

from ..output import print_json
from .device import chosen
from .language_model import add_model, load, token_ids


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--ids", required=True, metavar="ARRAY", help="the tokens, as a JSON array")
    parser.add_argument("--hidden", action="store_true", help="the hidden states after the last norm instead of logits")


def run(args: argparse.Namespace) -> int:
    ids = token_ids(args.ids)
    with chosen(args):
        model = load(args, tokenizer=False)
        rows = model.hidden(ids) if args.hidden else model.logits(ids)
    if args.json:
        print_json({"hidden" if args.hidden else "logits": rows.astype(float).tolist()})
    elif args.hidden:
        for token, row in zip(ids, rows, strict=True):
            print(f"{token}: norm {np.linalg.norm(row):.4f}")
    else:
        for token, row in zip(ids, rows, strict=True):
            following = int(np.argmax(row))
            print(f"{token} → {following} ({row[following]:.4f})")
    return 0

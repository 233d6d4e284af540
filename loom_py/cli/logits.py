"""What a model makes of token ids: logits, or the hidden states that they come from.

A language model has the logits of the token after each; an encoder those of words for each, or of labels for the text,
and without a head it has hidden states only.
"""

from __future__ import annotations

import argparse

import numpy as np

from ..generation.text_encoder import TextEncoder
from ..output import print_json
from .device import chosen
from .language_model import add_model, load_any, token_ids


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--ids", required=True, metavar="ARRAY", help="the tokens, as a JSON array")
    parser.add_argument("--hidden", action="store_true", help="the hidden states after the last norm instead of logits")


def run(args: argparse.Namespace) -> int:
    ids = token_ids(args.ids)
    with chosen(args):
        model = load_any(args, tokenizer=False)
        headless = isinstance(model, TextEncoder) and model.head is None
        hidden = args.hidden or headless
        rows = model.hidden(ids) if hidden else model.logits(ids)
    if args.json:
        print_json({"hidden" if hidden else "logits": rows.astype(float).tolist()})
    elif isinstance(model, TextEncoder) and model.head is not None and rows.ndim == 1:
        for label, value in zip(model.head.labels, rows, strict=True):
            print(f"{label} ({value:.4f})")
    elif hidden:
        for token, row in zip(ids, rows, strict=True):
            print(f"{token}: norm {np.linalg.norm(row):.4f}")
    else:
        for token, row in zip(ids, rows, strict=True):
            following = int(np.argmax(row))
            print(f"{token} → {following} ({row[following]:.4f})")
    return 0

"""Continue a prompt with a language model, by its own defaults unless options say otherwise."""

from __future__ import annotations

import argparse
import sys
import time

from ..errors import InputError
from ..generation.generate import GeneratedToken, PrefillProgress
from ..generation.language_model import LanguageModel
from ..generation.sampling import GenerationOptions
from ..output import print_json
from ..text.prompt import Prompt
from .device import chosen
from .language_model import add_model, load, token_ids


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_model(parser)
    prompt = parser.add_mutually_exclusive_group(required=True)
    prompt.add_argument("--prompt", help="the text to continue, or the user's message with --chat")
    prompt.add_argument("--ids", metavar="ARRAY", help="its tokens as a JSON array; the model needs no tokenizer then")
    add("--chat", action="store_true", help="put the prompt into the model's chat template")
    add("--system", default="", help="system message for --chat")
    add("--template", metavar="NAME", help="one of the model's chat templates, for --chat")
    special = "whether special tokens written out in the texts are those tokens (default: not with --chat)"
    add("--parse-special", action=argparse.BooleanOptionalAction, default=None, help=special)
    add("--max-tokens", type=int, metavar="N")
    add("--greedy", action="store_true", help="always the most likely token (temperature 0)")
    add("--temperature", type=float)
    add("--top-k", type=int)
    add("--top-p", type=float)
    add("--min-p", type=float)
    add("--repetition-penalty", type=float)
    add("--seed", type=int)
    add("--stop", action="append", default=[], metavar="TEXT", help="end before this text; may be given several times")


def run(args: argparse.Namespace) -> int:
    if args.greedy and args.temperature:
        raise InputError("cannot be combined with --temperature", where="--greedy")
    if args.ids is not None and args.chat:
        raise InputError("cannot be combined with --ids", where="--chat")
    ids = None if args.ids is None else token_ids(args.ids)
    options = GenerationOptions(
        max_tokens=args.max_tokens,
        temperature=0.0 if args.greedy else args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        min_p=args.min_p,
        repetition_penalty=args.repetition_penalty,
        seed=args.seed,
        stop=tuple(args.stop) or None,
    )
    with chosen(args):
        return _generate(args, load(args, tokenizer=ids is None), ids, options)


def _generate(
    args: argparse.Namespace, model: LanguageModel, given: list[int] | None, options: GenerationOptions
) -> int:
    prompt: Prompt | None = None
    if args.chat:
        system = [{"role": "system", "content": args.system}] if args.system else []
        messages = [*system, {"role": "user", "content": args.prompt}]
        prompt = model.chat_prompt(messages, parse_special=bool(args.parse_special), template=args.template)
    elif given is None:
        prompt = Prompt.of(args.prompt, parse_special=args.parse_special is not False)
    start = time.perf_counter()
    first = 0.0
    ids: list[int] = []
    text, reason, prompt_tokens = "", "length", 0
    generation = model.continue_ids(given or [], options) if prompt is None else model.events(prompt, options)
    for event in generation:
        if isinstance(event, PrefillProgress):
            prompt_tokens = event.total
        if not isinstance(event, GeneratedToken):
            continue
        first = first or time.perf_counter() - start
        ids.append(event.id)
        text += event.text
        reason = event.finish_reason or reason
        if not args.json:
            print(event.text if given is None else f"{event.id} ", end="", flush=True)
    elapsed = time.perf_counter() - start
    speed = (len(ids) - 1) / (elapsed - first) if len(ids) > 1 else 0.0
    if args.json:
        report = {
            "ids": ids,
            "text": text,
            "finish_reason": reason,
            "prompt_tokens": prompt_tokens,
            "seed": generation.seed,
        }
        report |= {"device": model.device, "activations": model.activations}
        times = {"time_to_first_token": round(first, 4), "tokens_per_second": round(speed, 2)}
        print_json(report | times)
    else:
        print()
        note = f"{len(ids)} tokens, first after {first:.2f} s, then {speed:.1f} a second on {model.device} ({reason})"
        note += f", seed {generation.seed}" if generation.options.temperature else ""
        print(note, file=sys.stderr)
    return 0

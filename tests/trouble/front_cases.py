"""Rows of the trouble table about models and tokenizers, as small models whose answers are known, for every front.

tests/trouble/test_fronts.py asks the command line on every device, tests/trouble/test_generation_page.py a session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, processors

from tests.browser import tiny_checkpoint
from tests.formats.tiny_gguf import write_tiny_gguf
from tests.models.chain import Chain

PRE = {"llama3": 8, "llama-v3": 8, "falcon3": 8, "pixtral": 8, "smaug-bpe": 7, "gpt2": 7, "starcoder": 7, "refact": 7,
       "command-r": 7}  # fmt: skip
"""Names of splittings, and tokens of `hello 12 hi` with it; Llama 3's put a token in front."""


@dataclass(frozen=True)
class Case:
    """A model's files, what it is asked, and what it gives: a text, or an error that `says` something.

    - `prompt`: a text to continue, with `chat` a message; or messages, which a command line does not take.
    - `gives`: the text, why it ended, and how many tokens the prompt had.
    - `notice`: a part of the only notice about the files, "" for none.
    """

    write: Callable[[Path], Path]
    prompt: str | list[dict[str, str]] = "hi"
    gives: tuple[str, str, int] | None = None
    says: str = ""
    notice: str = ""
    chat: bool = False
    stop: str = ""


MOST = 3
"""Tokens of each answer, at most."""


def gguf(path: Path, **changes: Any) -> Path:
    path.mkdir()
    changes.setdefault("follows", {"i": "o"})
    return write_tiny_gguf(path / "m.gguf", **changes).path


def folder(
    path: Path,
    follows: Mapping[str, str | int] | None = None,
    rows: int = 0,
    tokenizer: Callable[[Tokenizer], None] = lambda _: None,
    **files: Any,
) -> Path:
    """The Hugging Face layout: a chain if there is `follows`, `rows` tokens that only weights have, other `files`.

    Of files an object changes some fields (`config` is config.json), bytes are the whole file (`chat_template_jinja`).
    """
    tiny_checkpoint.write(path)
    engine = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer(engine)
    engine.save(str(path / "tokenizer.json"))
    if follows is not None:
        ids = {
            str(engine.token_to_id(a)): b if isinstance(b, int) else engine.token_to_id(b) for a, b in follows.items()
        }
        chain = Chain({int(a): int(b) for a, b in ids.items() if b is not None})
        weights = load_file(path / "model.safetensors")
        embedding = weights["model.embed_tokens.weight"]
        weights["model.embed_tokens.weight"] = np.concatenate([embedding, np.eye(rows, embedding.shape[1], dtype="f")])
        weights = {name: chain.weight(name, weights[name]) for name in sorted(weights)}
        save_file({**weights, "lm_head.weight": chain.head(len(embedding) + rows)}, path / "model.safetensors")
        files["config"] = {"vocab_size": len(embedding) + rows, "tie_word_embeddings": False, **files.get("config", {})}
    for name, content in files.items():
        if isinstance(content, bytes):
            (path / name.replace("_jinja", ".jinja")).write_bytes(content)
            continue
        file = path / f"{name}.json"
        file.write_text(json.dumps((json.loads(file.read_text()) if file.is_file() else {}) | content))
    return path


def framed(engine: Tokenizer) -> None:
    """A post-processor that puts a token at both ends of a text."""
    tokens = [(token, engine.token_to_id(token)) for token in ("<|im_start|>", "<|im_end|>")]
    engine.post_processor = processors.TemplateProcessing("<|im_start|> $A <|im_end|>", None, tokens)  # type: ignore


def marked(path: Path) -> Path:
    folder(path)
    (path / "config.json").write_bytes(b"\xef\xbb\xbf" + (path / "config.json").read_bytes())
    return path


def template(text: str | list[dict[str, str]]) -> Callable[[Path], Path]:
    return partial(folder, follows={"i": "o"}, tokenizer_config={"chat_template": text})


ENDED = {"tokenizer.ggml.eos_token_id": 0}
CONTENT = "{{ messages[0].content }}"
LAST = "{% for m in messages %}{% if messages|length == loop.index %}hi{% endif %}{% endfor %}"
BROKEN: dict[str, tuple[Any, str]] = {
    "an unknown filter": ("{{ messages | frobnicate }}", "frobnicate"),
    "50 operators": ("{{ " + " + ".join(["1"] * 50) + " }}", "nested too deeply"),
    "50 blocks": ("{% if true %}" * 50 + "hi" + "{% endif %}" * 50, "nested too deeply"),
    "no default": ([{"name": "rag", "template": CONTENT}], "default"),
}
CASES: dict[str, Case] = {
    "1: a well-known name": Case(
        partial(gguf, specials=["<|eot_id|>"], fields=ENDED, follows={"i": "o", "o": "<|eot_id|>"}),
        gives=("o", "stop", 2),
    ),
    "1: a key of its own": Case(
        partial(gguf, specials=["<x>"], fields=ENDED | {"tokenizer.ggml.eot_token_id": 3}, follows={"i": "<x>"}),
        gives=("", "stop", 2),
    ),
    "1: a stop string": Case(
        partial(gguf, specials=["<x>"], follows={"i": "o", "o": "<x>"}), stop="<x>", gives=("o", "stop", 2)
    ),
    "3: a row without a token": Case(partial(folder, follows={"i": 266}, rows=13), gives=("", "length", 2)),
    "6: a flag": Case(
        partial(gguf, fields={"tokenizer.ggml.add_eos_token": True}, follows={"i": "o", "<|im_end|>": "x"}),
        gives=("ooo", "length", 2),
    ),
    "6: a post-processor": Case(
        partial(folder, follows={"i": "o", "<|im_end|>": "x"}, tokenizer=framed), gives=("ooo", "length", 3)
    ),
    "8: a template without it": Case(
        partial(gguf, add_bos=True, template=CONTENT), chat=True, gives=("ooo", "length", 3)
    ),
    "8: a template with it": Case(
        partial(gguf, add_bos=True, template="{{ bos_token }}" + CONTENT), chat=True, gives=("ooo", "length", 3)
    ),
    "8: a prompt with it": Case(partial(gguf, add_bos=True), "<|im_start|>hi", gives=("ooo", "length", 3)),
    "9: another head": Case(
        partial(folder, follows={"i": "o"}, config={"tie_word_embeddings": True}),
        gives=("ooo", "length", 2),
        notice="lm_head.weight differs",
    ),
    **{f"10: {pre}": Case(partial(gguf, pre=pre), "hello 12 hi", gives=("ooo", "length", n)) for pre, n in PRE.items()},
    "10: none": Case(partial(gguf, pre=""), gives=("ooo", "length", 2), notice="how its tokenizer splits text"),
    "10: unknown": Case(partial(gguf, pre="quipu-9"), says="'quipu-9' is not supported"),
    "11: padding": Case(
        partial(gguf, fields={"tokenizer.ggml.padding_token_id": 4294967295}),
        gives=("ooo", "length", 2),
        notice="4294967295",
    ),
    "11: beginning": Case(
        partial(gguf, fields={"tokenizer.ggml.bos_token_id": -1}), gives=("ooo", "length", 2), notice="bos_token_id"
    ),
    "11: beginning, used": Case(
        partial(gguf, add_bos=True, fields={"tokenizer.ggml.bos_token_id": -1}), says="must be the id of one of the"
    ),
    **{f"12: {name}": Case(template(text), gives=("ooo", "length", 2)) for name, (text, _) in BROKEN.items()},
    **{f"12: {name}, chat": Case(template(text), chat=True, says=says) for name, (text, says) in BROKEN.items()},
    "13: length of 400 messages": Case(
        template(LAST), [{"role": "user", "content": "x"}] * 400, chat=True, gives=("ooo", "length", 2)
    ),
    "13: length, 400 times": Case(
        template("{% for i in range(400) %}{% if messages|length > 1 %}x{% endif %}{% endfor %}hi"),
        chat=True,
        gives=("ooo", "length", 2),
    ),
    "14: a template": Case(
        partial(folder, follows={"i": "o"}, chat_template_jinja=b"\xef\xbb\xbfhi"),
        chat=True,
        gives=("ooo", "length", 2),
    ),
    "14: a template in UTF-16": Case(
        partial(folder, follows={"i": "o"}, chat_template_jinja="hi".encode("utf-16")),
        chat=True,
        gives=("ooo", "length", 2),
    ),
    "14: config.json": Case(marked, says="begins with a byte order mark"),
}

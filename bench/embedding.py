"""The case of an embedder: sentences, the vectors that they must get, its weights for LOOM's rivals, its operations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loom_py import load_model
from tools import console, files, paths

from . import onnx_bert
from .cases import DATA, SEED, Case, Row, Work

NAME = "all-MiniLM-L6-v2"
KEY = "minilm"
SENTENCES, FEW, WORDS = 1000, 100, 20
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")
"""Beside the weights, what transformers.js reads."""


@dataclass(frozen=True)
class Sizes:
    """Of a BERT."""

    layers: int
    width: int
    inner: int

    def operations(self, tokens: int) -> float:
        """Of a text of so many tokens, a multiply-add as two: products with weights, and those of attention."""
        weights = self.layers * (4 * self.width * self.width + 2 * self.width * self.inner)
        return 2.0 * tokens * weights + 4.0 * tokens * tokens * self.width * self.layers


def sentences(count: int) -> list[str]:
    """Sentences of `WORDS` words, drawn from the licence's."""
    text = (paths.REPOSITORY / "LICENSE").read_text(encoding="utf-8")
    words = sorted({word for word in text.lower().split() if word.isalpha()})
    random = np.random.default_rng(SEED)
    return [" ".join(words[i] for i in random.integers(0, len(words), WORDS)) + "." for _ in range(count)]


def model_folder() -> Path:
    """The site's embedder. Raises `console.Failure` if it has none."""
    folder = paths.SITE / "models" / NAME
    if not folder.is_dir():
        raise console.Failure(
            f"the site has no {NAME}; build without LOOM_MODEL=none, or use --only with another case."
        )
    return folder


def place_rivals_model(folder: Path) -> None:
    """The same weights in ONNX, with the tokenizer, where transformers.js looks for them in the served folder."""
    source, target = model_folder(), folder / "bench" / "models" / KEY
    kept = paths.cache("bench", f"{NAME}-{files.sha256_of_tree([Path(onnx_bert.__file__)])[:12]}.onnx")
    if not kept.is_file():
        from safetensors.numpy import load_file

        console.detail(f"{kept.name}: the weights of {NAME}")
        weights = load_file(source / "model.safetensors")
        floats = {name: np.asarray(v, np.float32) for name, v in weights.items()}
        with files.replacing(kept) as part:
            onnx_bert.write(part, json.loads((source / "config.json").read_text(encoding="utf-8")), floats)
    files.place(kept, target / "onnx" / "model.onnx")
    for name in FILES:
        files.place(source / name, target / name)


def case(folder: Path, count: int) -> Case:
    """So many sentences; their vectors by NumPy are written into `folder`, for the contestants' check."""
    texts = sentences(count)
    model: Any = load_model(model_folder())
    (folder / f"{KEY}.f32").write_bytes(np.ascontiguousarray(model.embed(texts), np.float32).tobytes())
    config = json.loads((model_folder() / "config.json").read_text(encoding="utf-8"))
    sizes = Sizes(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])
    lengths = [len(model.tokenizer.encode(text)) for text in texts]
    operations = sum(map(sizes.operations, lengths)) / len(texts)
    tokens = round(sum(lengths) / len(lengths))
    name = "embedding"
    row = Row(name, f"Embed {len(texts):,} sentences of {WORDS} words ({tokens} tokens)", "texts/s")
    message = {"kind": name, "name": name, "texts": texts, "vectors": f"/{DATA}/{KEY}.f32"}
    return Case(name, name, [row], message, {f"{name} {KEY}": Work(0, operations)})

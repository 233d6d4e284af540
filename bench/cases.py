"""The benchmark cases: networks, data, prompts, and the least bytes and operations that each case needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from loom_py import build_network_from_json
from loom_py.network.network import Network
from loom_py.text.tokenizer import Tokenizer
from tools import console, paths

from .weights import ModelFile

SEED = 1
DATA = "bench/data"
MLP: dict[str, Any] = {
    "batch_size": 64, "grid_rows": 1, "grid_cols": 2, "layers_per_cell": 1,
    "layers": [
        {"type": "dense", "input_size": 784, "output_size": 128, "activation": "plain_relu"},
        {"type": "dense", "input_size": 128, "output_size": 10, "activation": "linear"},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """The least that one unit of a row needs: bytes from memory, and operations (a multiply-add is two).

    `dot` says that the operations are products of int8, else float32. 0 bytes: everything fits the caches.
    """

    bytes: float
    operations: float
    dot: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the result. `unit` is "ms" each, "tokens/s" or "texts/s"; `tokens` the prompt's."""

    name: str
    title: str
    unit: str
    tokens: int = 0


@dataclass
class Case:
    """One round of a case gives one time for each of its rows.

    **Arguments:**

    - `name`: for `--only`.
    - `kind`: "training", "language" or "embedding", which selects the contestants.
    - `rows`, `work`: its lines, and the minimum work of each; keys are the row's name and the weights' format, if any.
    - `message`: sent to the contestants' pages (`pages/*.js` say what they read).
    - `expected`: the value that their `check` must be near, so that all do the same work; None for no check.
    - `tolerance`: relative.
    """

    name: str
    kind: str
    rows: list[Row]
    message: dict[str, Any]
    work: dict[str, Work] = field(default_factory=dict)
    expected: float | None = None
    tolerance: float = 0.0


def training(folder: Path) -> list[Case]:
    """The two training cases; their data are written into `folder`. The expected losses are NumPy's, computed here."""
    text = (paths.REPOSITORY / "examples" / "grid_scatter.json").read_text(encoding="utf-8")
    # LOOM's own "relu" is 1.1 max(0, z), for which the rivals would need another operation.
    demo = json.loads(text.replace('"relu"', '"plain_relu"'))
    settings = demo["training"]
    grid = [(np.array([b["Input"]], np.float32), np.array([b["Target"]], np.float32)) for b in demo["batches"]]
    random = np.random.default_rng(SEED)
    mlp = []
    for _ in range(4):
        x = np.round(random.random((64, 784)) * 255).astype(np.float32) / np.float32(256)
        mlp.append((x, np.eye(10, dtype=np.float32)[random.integers(0, 10, 64)]))
    return [
        _training_case(
            folder, "grid", "Grid scatter, 800 epochs", demo["network"], grid, units=1, idle=(7, 10),
            epochs=settings["Epochs"], loss="mse", rate=settings["LearningRate"], clip=settings["GradientClip"],
        ),
        _training_case(
            folder, "mlp", "MLP 784-128-10, batch 64, one step", MLP, mlp, units=200, idle=(),
            epochs=50, loss="cross_entropy_logits", rate=0.5, clip=0.0,
        ),
    ]  # fmt: skip


def _training_case(
    folder: Path,
    name: str,
    title: str,
    config: dict[str, Any],
    batches: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    units: int,
    idle: Sequence[int],
    epochs: int,
    loss: str,
    rate: float,
    clip: float,
) -> Case:
    network = build_network_from_json(config, seed=SEED)
    params = list(network.parameters.values())
    data = {"params": [_array(p) for p in params], "batches": [[_array(x), _array(t)] for x, t in batches]}
    (folder / f"{name}.json").write_text(json.dumps(data), encoding="utf-8")
    samples = [{"Input": x.ravel(), "Target": t.ravel()} for x, t in batches]
    options = {"Epochs": epochs, "LearningRate": rate, "LossType": loss, "GradientClip": clip}
    result = network.train(samples, options)
    message = {
        "kind": "train", "name": name, "graph": name, "data": f"/{DATA}/{name}.json", "network": config, "seed": SEED,
        "epochs": epochs, "learningRate": rate, "loss": loss, "clip": clip, "units": units, "idle": list(idle),
    }  # fmt: skip
    row = Row(name, title, "ms")
    updates = epochs * len(batches) / units
    work = Work(0, updates * _update_operations(network, len(batches[0][0])))
    return Case(name, "training", [row], message, {name: work}, result.final_loss, tolerance=0.02)


def _update_operations(network: Network, batch: int) -> float:
    """Forward and weight gradients 2·B·P each, the input's gradient 2·B·P but for the first layer, the step 2·P."""
    sizes = [p.size for p in network.parameters.values()]
    first = next(p.size for p in network.parameters.values() if p.ndim == 2)
    return 6 * batch * sum(sizes) - 2 * batch * first + 2 * sum(sizes)


def _array(values: np.ndarray) -> dict[str, Any]:
    return {"shape": list(values.shape), "data": [float(v) for v in values.ravel()]}


def product(size: int = 512, units: int = 10) -> Case:
    """One matrix product of float32; `pages/contestant.js` makes the same two matrices."""
    name = "matmul"
    index = np.arange(size * size)
    a, b = (((index * step) % 17 - 8) / 8 for step in (5, 7))
    c = (a.reshape(size, size) @ b.reshape(size, size)).ravel()
    expected = float((c * (index % 13 - 6)).sum())
    message = {"kind": "product", "name": name, "size": size, "units": units}
    work = Work(3 * 4 * size * size, 2 * size**3)
    rows = [Row(name, f"Matrix product {size}³, float32", "ms")]
    return Case(name, "training", rows, message, {name: work}, expected, tolerance=1e-3)


def language(tokenizer: Tokenizer, files: dict[str, ModelFile], rounds: int, *, quick: bool) -> list[Case]:
    """The language cases, on a text that does not change: the licence.

    Prefill and decode at context 64 come from one request; the prompt of 1,024 stays in the cache from round to round.
    """
    ids = tokenizer.encode((paths.REPOSITORY / "LICENSE").read_text(encoding="utf-8"))

    def case(name: str, prefill: Row | None, decode: Row | None, **more: Any) -> Case:
        rows = {"prefill": prefill, "decode": decode}
        names = {kind: row.name for kind, row in rows.items() if row}
        message = {"kind": "language", "names": names, "decode": 64 if decode else 0, **more}
        work = {
            f"{r.name} {key}": least(file, kind, r.tokens)
            for kind, r in rows.items()
            if r
            for key, file in files.items()
        }
        return Case(name, "language", [row for row in rows.values() if row], message, work)

    def prompt(start: int, length: int) -> tuple[int, dict[str, Any]]:
        """The first piece from `start` on whose text gives the same ids again; rivals take text."""
        for at in range(start, len(ids) - length):
            text = tokenizer.decode(ids[at : at + length])
            if tokenizer.encode(text) == ids[at : at + length]:
                return at, {"ids": ids[at : at + length], "text": text}
        raise console.Failure(f"the licence has no {rounds} pieces of {length} tokens for {rounds} rounds.")

    def prompts(length: int) -> list[dict[str, Any]]:
        chunks, at = [], 0
        for _ in range(rounds):
            at, piece = prompt(at, length)
            chunks.append(piece)
            at += 7
        return chunks

    prefill64 = Row("prefill64", "Prefill, 64 tokens", "tokens/s", 64)
    prefill256 = Row("prefill256", "Prefill, 256 tokens", "tokens/s", 256)
    decode64 = Row("decode64", "Decode 64 tokens at context 64", "tokens/s", 64)
    decode1024 = Row("decode1024", "Decode 64 tokens at context 1,024", "tokens/s", 1024)
    cases = [case("short", prefill64, decode64, prompts=prompts(64))]
    if not quick:
        cases.append(case("long", prefill256, None, prompts=prompts(256)))
        cases.append(case("far", None, decode1024, prompts=[], context=prompt(0, 1024)[1]))
    return cases


def least(file: ModelFile, kind: str, tokens: int) -> Work:
    """Per token, for a prompt of `tokens`, or 64 more behind it.

    Each weight is read once for a prompt or a token, each key and value (float32) once a token; the head works once a
    prompt. The embedding is the head as well.
    """
    dot = file.format != "f32"
    scores = 4 * file.attention_width * file.blocks
    if kind == "prefill":
        operations = 2 * file.block_weights + scores * tokens / 2 + 2 * file.head_weights / tokens
        return Work(file.weight_bytes / tokens, operations, dot)
    context = tokens + 32
    cache = 2 * 4 * file.key_width * file.blocks * context
    return Work(file.weight_bytes + cache, 2 * (file.block_weights + file.head_weights) + scores * context, dot)

"""The contestants. A LOOM device that is not available is left out of the result, with its own reason."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

FORMATS = {
    "q4_1": "Q4_1", "f32": "f32", "q8_0": "Q8_0", "q4_0": "Q4_0",
    "qwen3-0.6b": "Qwen3-0.6B's shape, Q4_0", "llama-3.2-1b": "Llama-3.2-1B's shape, Q4_0",
}  # fmt: skip
"""Formats of the language model's weights, and larger models with random ones."""
EMBEDDERS = {"minilm": "all-MiniLM-L6-v2"}
"""Models that embed, in float32."""


BEFORE = "before:"
"""Prefix of the other checkout's contestants."""


@dataclass(frozen=True)
class Contestant:
    """One page of the browser.

    **Arguments:**

    - `name`: in the result.
    - `module`: `pages/<module>.js`.
    - `options`: for its `open`.
    - `threads`: selects the rows to compare with, and the roofline.
    - `isolated`: whether its page may share memory between threads.
    - `weights`: the format of the language model it holds, or its embedder; "" for the training cases.
    - `device`: the device of LOOM that has to do the work.
    - `before`: whether it is LOOM as another checkout built it (`--against`), served beside this one.
    """

    name: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    isolated: bool = True
    weights: str = ""
    device: str = ""
    before: bool = False

    @property
    def ours(self) -> bool:
        return self.module == "loom"


def loom(cores: int) -> list[tuple[str, dict[str, Any], int]]:
    """Name, options of `loom.start`, threads."""
    rows: list[tuple[str, dict[str, Any], int]] = [
        ("LOOM numpy", {"device": "numpy", "threads": 1}, 1),
        ("LOOM simd", {"device": "simd", "threads": 1}, 1),
    ]
    if cores > 1:
        rows.append((f"LOOM simd ×{cores}", {"device": "simd", "threads": cores}, cores))
    rows.append(("LOOM webgpu", {"device": "webgpu", "threads": 1}, cores))
    return rows


def with_before(ours: list[Contestant]) -> list[Contestant]:
    """Each of LOOM's seats followed by the same seat of the other checkout, so that the two take turns."""
    return [seat for new in ours for seat in (new, replace(new, name=f"{BEFORE} {new.name}", before=True))]


def for_training(cores: int, *, against: bool = False) -> list[Contestant]:
    """LOOM, TensorFlow.js, jax-js; with `against` LOOM and the other checkout's LOOM only."""
    contestants = [
        Contestant(name, "loom", {"start": start}, threads, device=start["device"])
        for name, start, threads in loom(cores)
    ]
    if against:
        return with_before(contestants)
    contestants.append(Contestant("TF.js cpu", "tfjs", {"backend": "cpu", "threads": 1}))
    contestants.append(Contestant("TF.js wasm", "tfjs", {"backend": "wasm", "threads": 1}, isolated=False))
    contestants.append(Contestant("jax-js wasm", "jax", {"threads": 1}, isolated=False))
    if cores > 1:
        contestants.append(Contestant(f"TF.js wasm ×{cores}", "tfjs", {"backend": "wasm", "threads": cores}, cores))
        contestants.append(Contestant(f"jax-js wasm ×{cores}", "jax", {"threads": cores}, cores))
    return contestants


def for_language(cores: int, weights: str, url: str, *, against: bool = False) -> list[Contestant]:
    """LOOM and wllama, on one file; with `against` LOOM and the other checkout's LOOM only."""
    contestants = [
        Contestant(name, "loom", {"start": start, "model": url}, threads, weights=weights, device=start["device"])
        for name, start, threads in loom(cores)
    ]
    if against:
        return with_before(contestants)
    contestants.append(Contestant("wllama", "wllama", {"url": url, "threads": 1}, weights=weights))
    if cores > 1:
        contestants.append(
            Contestant(f"wllama ×{cores}", "wllama", {"url": url, "threads": cores}, cores, weights=weights)
        )
    return contestants


def for_embedding(cores: int, *, against: bool = False) -> list[Contestant]:
    """LOOM's compiled kernels and transformers.js (ONNX Runtime), on the same weights in float32."""
    threads = sorted({1, cores})
    contestants = [
        Contestant(name, "loom", {"start": start, "embedder": EMBEDDERS[key]}, count, weights=key, device="simd")
        for key in EMBEDDERS
        for name, start, count in loom(cores)
        if start["device"] == "simd"
    ]
    if against:
        return with_before(contestants)
    return contestants + [
        Contestant(
            f"transformers.js ×{count}" if count > 1 else "transformers.js", "transformers_js",
            {"model": key, "threads": count}, count, weights=key,
        )
        for key in EMBEDDERS
        for count in threads
    ]  # fmt: skip

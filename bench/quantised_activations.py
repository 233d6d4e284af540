"""The accuracy of 16-bit activations: SmolLM2 on a page of text, against the same weights with float32 ones.

    python -m bench.quantised_activations MODEL.gguf [--text tests/data/page.txt]

Prints and writes to `bench/results/quantised_activations.json`: perplexity, how often the likeliest token is the same,
and the mean Kullback–Leibler divergence of the two distributions. The rule for the default: perplexity within 0.5 %,
the same likeliest token in at least 98 % of positions.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loom_py.generation.loading import load_model
from loom_py.runtime.simd import SimdDevice

HERE = Path(__file__).parent


def log_probabilities(path: Path, ids: NDArray[Any], device: SimdDevice, activations: str) -> NDArray[np.float64]:
    """(T, V): of the next token, at every position."""
    model = load_model(path, device=device, activations=activations)
    logits = model.model.forward(ids, model.model.new_cache(), every=True).astype(np.float64)
    model.close()
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def compare(path: Path, text: str, threads: int = 1) -> dict[str, Any]:
    """The figures of both kinds of activations."""
    tokenizer = load_model(path).tokenizer
    ids = np.asarray(tokenizer.encode(text))
    device = SimdDevice(threads=threads)
    exact, quick = (log_probabilities(path, ids, device, kind) for kind in ("f32", "q16"))
    device.close()

    def perplexity(p: NDArray[np.float64]) -> float:
        return float(np.exp(-p[np.arange(len(ids) - 1), ids[1:]].mean()))

    same = exact.argmax(axis=1) == quick.argmax(axis=1)
    return {
        "tokens": len(ids),
        "perplexity_f32": round(perplexity(exact), 5),
        "perplexity_q16": round(perplexity(quick), 5),
        "perplexity_change_percent": round(100 * (perplexity(quick) / perplexity(exact) - 1), 5),
        "same_top_token_percent": round(100 * float(same.mean()), 3),
        "divergence": float(f"{(np.exp(exact) * (exact - quick)).sum(axis=1).mean():.3g}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--text", type=Path, default=HERE.parent / "tests" / "data" / "page.txt")
    args = parser.parse_args()
    results = {"model": args.model.name, "text": args.text.name}
    results |= compare(args.model, args.text.read_text(encoding="utf-8"))
    for name, value in results.items():
        print(f"{name:28} {value}")
    target = HERE / "results" / "quantised_activations.json"
    target.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

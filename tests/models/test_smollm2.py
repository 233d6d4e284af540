"""The real SmolLM2-135M-Instruct against torch, token for token, from GGUF and from safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.formats.source import FileSource
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.convert import convert_gguf
from loom_py.runtime.simd import SimdDevice

from ..formats.conftest import real_gguf  # noqa: F401 (a fixture)

pytestmark = pytest.mark.model
ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent.parent / "data" / "smollm2_greedy.json").read_text())[
    "rows"
]


KINDS = ["gguf", "safetensors", "simd-f32", "simd-q16", "simd-2-f32", "simd-2-q16", "simd-bytes-q16", "simd-plain-q16"]
"""Files on NumPy, or the GGUF on a device: threads, activations and their form, with or without relaxed SIMD."""


@pytest.fixture(scope="module", params=KINDS)
def model(
    request: pytest.FixtureRequest,
    real_gguf: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LanguageModel]:
    kind: str = request.param
    if kind.startswith("simd"):
        threads, digits = 2 if "-2-" in kind else 1, "bytes" if "bytes" in kind else "words"
        device = SimdDevice(threads=threads, relaxed="plain" not in kind, digits=digits)
        yield load_model(real_gguf, device=device, activations=kind.rsplit("-", 1)[1])
        device.close()
        return
    if kind == "gguf":
        yield load_model(real_gguf)
        return
    directory = tmp_path_factory.mktemp("smollm2") / "model"
    convert_gguf(FileSource(real_gguf), directory)
    yield load_model(directory)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["prompt"][:20])
def test_greedy_tokens_and_logits(model: LanguageModel, row: dict[str, Any]) -> None:
    ids = model.tokenizer.encode(row["prompt"])
    assert ids == row["ids"]
    logits = model.model.forward(np.array(ids), model.model.new_cache())
    assert np.argsort(-logits)[:5].tolist() == row["top_ids"][:5]
    tolerance = 2e-2 if model.activations == "q16" else 2e-3
    np.testing.assert_allclose(logits[row["top_ids"]], row["top_logits"], atol=tolerance)
    tokens = list(model.generate(row["prompt"], GenerationOptions(max_tokens=32)))
    assert [t.id for t in tokens] == row["generated"]
    assert "".join(t.text for t in tokens) == row["text"].removesuffix("<|im_end|>")


def test_chat(model: LanguageModel) -> None:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    assert model.chat_prompt(messages).text == ROWS[2]["prompt"]
    answer = "".join(t.text for t in model.chat(messages, GenerationOptions(max_tokens=40)))
    assert "Paris" in answer


def test_sampled_text_repeats_with_its_seed(model: LanguageModel) -> None:
    """Both times the prompt's beginning is in the cache: computed in one piece, its last token rounds otherwise."""
    options = GenerationOptions(max_tokens=12, temperature=0.8, top_p=0.9, seed=11)
    list(model.generate("Once upon a time", GenerationOptions(max_tokens=1)))
    first, second = ([t.id for t in model.generate("Once upon a time", options)] for _ in range(2))
    assert first == second


def test_sixteen_bit_activations_change_next_to_nothing(real_gguf: Path) -> None:  # noqa: F811
    """The rule for the default, on part of the page that `bench/quantised_activations.py` measures as a whole."""
    text = (Path(__file__).parent.parent / "data" / "page.txt").read_text(encoding="utf-8")
    device = SimdDevice()
    surprise, top = {}, {}
    for kind in ("f32", "q16"):
        model = load_model(real_gguf, device=device, activations=kind)
        ids = np.array(model.tokenizer.encode(text)[:160])
        logits = model.model.forward(ids, model.model.new_cache(), every=True).astype(np.float64)
        p = logits - np.log(np.exp(logits - logits.max()).sum(axis=1, keepdims=True)) - logits.max()
        surprise[kind], top[kind] = -p[np.arange(len(ids) - 1), ids[1:]].mean(), logits.argmax(axis=1)
        model.close()
    device.close()
    assert abs(np.exp(surprise["q16"] - surprise["f32"]) - 1) < 5e-3
    assert (top["q16"] == top["f32"]).mean() >= 0.98

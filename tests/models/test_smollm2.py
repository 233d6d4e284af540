"""The real SmolLM2-135M-Instruct against torch, token for token, from GGUF and from safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.formats.source import FileSource
from loom_py.models.convert import convert_gguf
from loom_py.models.language_model import LanguageModel
from loom_py.models.loading import load_model
from loom_py.text.sampling import GenerationOptions

from ..formats.conftest import real_gguf  # noqa: F401 (a fixture)

pytestmark = pytest.mark.model
ROWS: list[dict[str, Any]] = json.loads((Path(__file__).parent.parent / "data" / "smollm2_greedy.json").read_text())[
    "rows"
]


@pytest.fixture(scope="module", params=["gguf", "safetensors"])
def model(request: pytest.FixtureRequest, real_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:  # noqa: F811
    if request.param == "gguf":
        return load_model(real_gguf)
    directory = tmp_path_factory.mktemp("smollm2") / "model"
    convert_gguf(FileSource(real_gguf), directory)
    return load_model(directory)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["prompt"][:20])
def test_greedy_tokens_and_logits(model: LanguageModel, row: dict[str, Any]) -> None:
    ids = model.tokenizer.encode(row["prompt"])
    assert ids == row["ids"]
    logits = model.model.forward(np.array(ids), model.model.new_cache())
    assert np.argsort(-logits)[:5].tolist() == row["top_ids"][:5]
    np.testing.assert_allclose(logits[row["top_ids"]], row["top_logits"], atol=2e-3)
    tokens = list(model.generate(row["prompt"], GenerationOptions(max_tokens=32)))
    assert [t.id for t in tokens] == row["generated"]
    assert "".join(t.text for t in tokens) == row["text"].removesuffix("<|im_end|>")


def test_chat(model: LanguageModel) -> None:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    assert model.chat_prompt(messages) == ROWS[2]["prompt"]
    answer = "".join(t.text for t in model.chat(messages, GenerationOptions(max_tokens=40)))
    assert "Paris" in answer


def test_sampled_text_repeats_with_its_seed(model: LanguageModel) -> None:
    options = GenerationOptions(max_tokens=12, temperature=0.8, top_p=0.9, seed=11)
    first, second = ([t.id for t in model.generate("Once upon a time", options)] for _ in range(2))
    assert first == second

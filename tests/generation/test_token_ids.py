"""Models without a tokenizer: logits, hidden states, tokens and chosen experts for token ids."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

import loom_py
from loom_py.errors import InputError, ModelError
from loom_py.formats.source import FileSource
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.opening import open_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..models.families import ARCHITECTURES, Case, on_numpy
from ..models.test_families import relative

GREEDY = GenerationOptions(max_tokens=4, temperature=0.0)


@pytest.fixture(params=[None, SimdDevice, lambda: WebGPUDevice(WgpuHost())], ids=["numpy", "simd", "webgpu"])
def mixtral(request: pytest.FixtureRequest) -> Iterator[LanguageModel]:
    device = None if request.param is None else request.param()
    model = loom_py.load_model(Case("mixtral").folder, device=device)
    assert isinstance(model, LanguageModel)
    assert model.device == ("numpy" if device is None else device.name)
    yield model
    model.close()
    if device is not None:
        device.close()


def test_logits_and_hidden_states(mixtral: LanguageModel) -> None:
    case = Case("mixtral")
    for ids, logits in zip(case.ids, case.logits, strict=True):
        assert relative(mixtral.logits(ids), logits) < 2e-4
        hidden = mixtral.hidden(np.array(ids))
        assert hidden.shape == (len(ids), case.config["hidden_size"])
        assert relative(hidden @ case.weights()["lm_head.weight"].T, logits) < 2e-4


def test_tokens(mixtral: LanguageModel) -> None:
    case = Case("mixtral")
    tokens = [event for event in mixtral.continue_ids(case.ids[0], GREEDY) if hasattr(event, "id")]
    assert [vars(event)["id"] for event in tokens] == case.greedy[:4]
    with pytest.raises(InputError, match="the model has no tokenizer"):
        list(mixtral.generate("a text"))
    with pytest.raises(InputError, match="the model has no tokenizer"):
        list(mixtral.continue_ids([3], GenerationOptions(stop=("x",))))


def test_chosen_experts(mixtral: LanguageModel) -> None:
    """Those with the highest router logits, of each token fed and of each layer."""
    case = Case("mixtral")
    assert mixtral.chosen_experts().shape == (0, 0, 0)
    list(mixtral.continue_ids(case.ids[0], GREEDY))
    fed = len(case.ids[0]) + 3  # the last token was drawn and not fed
    chosen = mixtral.chosen_experts()
    assert chosen.shape == (fed, case.config["num_hidden_layers"], 2)
    np.testing.assert_array_equal(mixtral.chosen_experts(start=5), chosen[5:])
    weights = case.weights()
    x = weights["model.embed_tokens.weight"][case.ids[0]]
    first = on_numpy(case.decoder(), case.checkpoint(), "hugging_face")
    cache = first.new_cache()
    first.forward(np.array(case.ids[0]), cache)
    np.testing.assert_array_equal(chosen[: len(x)], np.stack([first.kept(cache, f"experts.{i}") for i in (0, 1)], 1))
    assert len(np.unique(chosen)) == case.config["num_local_experts"]


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_gguf_without_tokens(name: str, tmp_path: Path) -> None:
    case = Case(name)
    path = case.write_gguf(tmp_path / "m.gguf", gguf.GGMLQuantizationType.F32)
    model = loom_py.load_model(path, device="numpy")
    assert relative(model.logits(case.ids[0]), case.logits[0]) < 2e-4


@pytest.mark.parametrize("ids", [[], [160], [-1], [[1, 2]]])
def test_ids_that_are_none(ids: list[int]) -> None:
    model = loom_py.load_model(Case("mixtral").folder, device="numpy")
    with pytest.raises(InputError):
        model.logits(ids)


def test_what_is_wrong_is_said_before_any_weight_is_read(tmp_path: Path) -> None:
    """Of experts, too: which tensor is missing, which has another shape."""
    folder = shutil.copytree(Case("mixtral").folder, tmp_path / "m")
    config = (folder / "config.json").read_text()
    cases = {
        '"num_local_experts": 5': r"model\.layers\.0\.block_sparse_moe\.gate\.weight has shape \[4, 32\]",
        '"intermediate_size": 64': r"experts\.0\.w1\.weight has shape \[48, 32\], the configuration needs \[64, 32\]",
        '"model_type": "dbrx"': r"at model_type: the family 'dbrx' is not supported\. Supported are .*mixtral",
        '"num_experts_per_tok": 9': "num_experts_per_tok: 9 are more than the 4 experts",
    }
    for change, message in cases.items():
        key = change.partition(":")[0]
        lines = [f"  {change}," if line.strip().startswith(key) else line for line in config.splitlines()]
        (folder / "config.json").write_text("\n".join(lines))
        with pytest.raises(loom_py.LoomError, match=message):
            loom_py.load_model(folder)
    (folder / "config.json").write_text(config)
    files = {path.name: FileSource(path) for path in folder.iterdir() if path.name != "expected.json"}
    assert open_model(files, tokenizer=False).tokenizer is None
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        open_model(files)

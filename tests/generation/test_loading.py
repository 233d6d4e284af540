"""From files to a model: both layouts, their common results, and invalid sets of files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.errors import FormatError, LoomError, ModelError, TemplateError
from loom_py.formats.source import BytesSource, FileSource
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import LoadProgress, load_model, load_steps, load_tokenizer, model_files
from loom_py.generation.on_numpy import OnNumpy
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.convert import convert_gguf
from loom_py.progress import to_end

from ..formats.conftest import tiny  # noqa: F401 (a fixture)
from ..formats.tiny_gguf import TinyGGUF


@pytest.fixture(scope="module")
def directory(tiny: TinyGGUF, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The small model in the Hugging Face layout."""
    target = tmp_path_factory.mktemp("converted") / "tiny"
    convert_gguf(FileSource(tiny.path), target)
    return target


def logits(model: LanguageModel, text: str = "hello world") -> np.ndarray:
    ids = np.array(model.tokenizer.encode(text))
    return model.model.forward(ids, model.model.new_cache(), every=True)


def test_gguf_gives_the_weights_it_was_written_from(tiny: TinyGGUF) -> None:  # noqa: F811
    seen: list[LoadProgress] = []
    model = load_model(tiny.path, seen.append)
    for name, weight in tiny.weights.items():
        assert isinstance(model.model, OnNumpy)
        np.testing.assert_array_equal(model.model.weights[name], weight)
    np.testing.assert_array_equal(logits(model), logits_of(model, tiny.weights))
    assert seen[-1].loaded == seen[-1].total > 0
    assert [p.loaded for p in seen] == sorted(p.loaded for p in seen)


def logits_of(model: LanguageModel, weights: dict[str, Any]) -> np.ndarray:
    plain = OnNumpy(model.model.decoder, weights)
    return plain.forward(np.array(model.tokenizer.encode("hello world")), plain.new_cache(), every=True)


def test_both_layouts_are_the_same_model(tiny: TinyGGUF, directory: Path) -> None:  # noqa: F811
    one, two = load_model(tiny.path), load_model(directory)
    np.testing.assert_array_equal(logits(one), logits(two))
    assert one.eos_ids == two.eos_ids == {0, 2}
    messages = [{"role": "user", "content": "hello"}]
    assert one.chat_prompt(messages) == two.chat_prompt(messages)
    assert one.chat_prompt(messages).text == "<|im_start|>user\nhello<|im_end|>\n"
    options = GenerationOptions(max_tokens=20, temperature=0.8, seed=3)
    texts = [[t.id for t in m.generate("hello", options)] for m in (one, two)]
    assert texts[0] == texts[1]


def test_any_file_of_a_directory_will_do(directory: Path) -> None:
    assert set(model_files(directory)) == set(model_files(directory / "config.json"))
    assert load_tokenizer(directory).encode("hello") == load_tokenizer(directory / "tokenizer.json").encode("hello")


def test_prompts_share_the_cache(tiny: TinyGGUF) -> None:  # noqa: F811
    model, fresh = load_model(tiny.path), load_model(tiny.path)
    options = GenerationOptions(max_tokens=5)
    first = [t.id for t in model.generate("hello world", options)]
    assert model._idle is not None
    assert model._idle[0].length > 0
    again = [t.id for t in model.generate("hello world", options)]
    longer = [t.id for t in model.generate("hello world hello", options)]
    assert first == again
    assert longer == [t.id for t in fresh.generate("hello world hello", options)]
    stopped = model.generate("hello world hello world", options)
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert [t.id for t in model.generate("hello world", options)] == first


def run(files: dict[str, Any]) -> LanguageModel:
    return to_end(load_steps(files))


def without(directory: Path, *names: str) -> dict[str, Any]:
    return {n: s for n, s in model_files(directory).items() if n not in names}


def replaced(directory: Path, name: str, change: Any) -> dict[str, Any]:
    """The files with one JSON file changed."""
    value = json.loads((directory / name).read_text())
    change(value)
    return {**model_files(directory), name: BytesSource(json.dumps(value).encode(), name)}


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_named(directory: Path, name: str) -> None:
    with pytest.raises(ModelError, match=f"{name} is missing"):
        run(without(directory, name))


def test_wrong_sets_of_files(directory: Path, tiny: TinyGGUF, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(ModelError, match=r"no \.safetensors file"):
        run(without(directory, "model.safetensors"))
    source = FileSource(tiny.path)
    with pytest.raises(ModelError, match="2 GGUF files at once"):
        run({"a.gguf": source, "b.gguf": source})
    weights = model_files(directory)["model.safetensors"]
    with pytest.raises(ModelError, match=r"2 \.safetensors files without"):
        run({**without(directory, "model.safetensors"), "a.safetensors": weights, "b.safetensors": weights})
    with pytest.raises(ModelError, match="no such file or directory"):
        load_model(tmp_path / "nothing")
    with pytest.raises(ModelError, match="holds no model files"):
        load_model(tmp_path)


def test_weights_must_fit_the_configuration(directory: Path) -> None:
    def wider(config: dict[str, Any]) -> None:
        config["intermediate_size"] = 100

    with pytest.raises(ModelError, match=r"mlp\.gate_proj\.weight has shape \[96, 64\], .* needs \[100, 64\]"):
        run(replaced(directory, "config.json", wider))

    def deeper(config: dict[str, Any]) -> None:
        config["num_hidden_layers"] = 3

    with pytest.raises(ModelError, match=r"layers\.2\.input_layernorm\.weight is missing"):
        run(replaced(directory, "config.json", deeper))


def test_a_bad_load_leaves_a_loaded_model_working(tiny: TinyGGUF, tmp_path: Path) -> None:  # noqa: F811
    model = load_model(tiny.path)
    before = logits(model)
    broken = tmp_path / "broken.gguf"
    data = tiny.path.read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match=r"broken\.gguf at byte"):
        load_model(broken)
    np.testing.assert_array_equal(logits(model), before)


def test_weights_with_nan_are_refused(directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    path.write_bytes(data)
    with pytest.raises(ModelError, match="holds NaN or infinity"):
        load_model(tmp_path / "m")


def test_no_template_no_chat(directory: Path) -> None:
    model = run(without(directory, "tokenizer_config.json"))
    with pytest.raises(TemplateError, match="has no chat template"):
        list(model.chat([{"role": "user", "content": "hello"}]))
    assert list(model.generate("hello", GenerationOptions(max_tokens=2)))


def test_hostile_templates_do_not_run(directory: Path) -> None:
    def hostile(config: dict[str, Any]) -> None:
        config["chat_template"] = "{{ ''.__class__.__mro__[1].__subclasses__() }}"

    with pytest.raises(LoomError):
        list(run(replaced(directory, "tokenizer_config.json", hostile)).chat([{"role": "user", "content": "x"}]))

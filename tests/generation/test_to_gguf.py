"""A directory as GGUF and back: the same tokens and answers, and all that the small files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import loom_py
from loom_py.errors import InputError, ModelError
from loom_py.formats.source import FileSource
from loom_py.generation.sampling import GenerationOptions
from loom_py.generation.text_encoder import TextEncoder
from loom_py.generation.to_gguf import convert_to_gguf
from loom_py.models.convert import convert_gguf

from ..browser.tiny_checkpoint import TEMPLATE, write
from ..models.families import FOLDER

ENCODERS = FOLDER.parent / "encoders"
MESSAGES = [{"role": "user", "content": "hi"}]


def add(folder: Path, name: str, value: object) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    before = json.loads((folder / name).read_text()) if (folder / name).exists() and isinstance(value, dict) else {}
    (folder / name).write_text(json.dumps({**before, **value} if isinstance(value, dict) else value))


def load(path: Path) -> Any:
    """On NumPy; a model of either kind."""
    return loom_py.load_model(path, device="numpy")


def fields(path: Path) -> dict[str, Any]:
    return {key: field.contents() for key, field in gguf.GGUFReader(path).fields.items()}


def test_there_and_back(tmp_path: Path) -> None:
    folder = write(tmp_path / "tiny")
    add(folder, "generation_config.json", {"eos_token_id": [258, 65, 66], "do_sample": True, "temperature": 0.5,
                                            "top_k": 7, "top_p": 0.75})  # fmt: skip
    add(folder, "tokenizer_config.json", {"bos_token": "<|im_start|>", "pad_token": "<|endoftext|>"})
    report, notices = convert_to_gguf(folder, tmp_path / "tiny.gguf")
    assert (report.architecture, notices) == ("llama", ())
    entries = fields(tmp_path / "tiny.gguf")
    assert entries["general.name"] == "tiny"
    assert entries["tokenizer.chat_template"] == TEMPLATE
    assert (entries["tokenizer.ggml.bos_token_id"], entries["tokenizer.ggml.padding_token_id"]) == (257, 256)
    assert (entries["general.sampling.temp"], entries["general.sampling.top_k"]) == (0.5, 7)
    convert_gguf(FileSource(tmp_path / "tiny.gguf"), tmp_path / "back")
    models = [load(path) for path in (folder, tmp_path / "tiny.gguf", tmp_path / "back")]
    greedy = GenerationOptions(max_tokens=12, temperature=0)
    texts = ["".join(token.text for token in model.generate("Once", greedy)) for model in models]
    assert texts[0] == texts[1] == texts[2]
    prompts = [model.chat_prompt(MESSAGES).text for model in models]
    assert prompts[0] == prompts[1] == prompts[2]
    assert {256, 258, 65, 66} <= models[0].eos_ids
    assert models[1].eos_ids == models[0].eos_ids


def test_too_many_tokens_that_end_a_text(tmp_path: Path) -> None:
    folder = write(tmp_path / "tiny")
    add(folder, "generation_config.json", {"eos_token_id": [258, 65, 66, 67]})
    with pytest.raises(ModelError, match="for 1 of which GGUF has no place"):
        convert_to_gguf(folder, tmp_path / "tiny.gguf")
    assert not (tmp_path / "tiny.gguf").exists()


def test_without_a_tokenizer(tmp_path: Path) -> None:
    convert_to_gguf(FOLDER / "qwen2", tmp_path / "m.gguf")
    assert fields(tmp_path / "m.gguf")["tokenizer.ggml.model"] == "none"
    ours, theirs = (load(path) for path in (tmp_path / "m.gguf", FOLDER / "qwen2"))
    np.testing.assert_allclose(ours.logits([3, 4, 5]), theirs.logits([3, 4, 5]), rtol=1e-5, atol=1e-5)


POOLING = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = tmp_path / "bert"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((ENCODERS / "bert" / name).read_bytes())
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c", "hello"]
    (folder / "vocab.txt").write_text("\n".join(tokens + [f"w{i}" for i in range(size - len(tokens))]) + "\n")
    return folder


@pytest.mark.parametrize("mode", ["cls", "mean"])
def test_sentence_embeddings(mode: str, bert: Path, tmp_path: Path) -> None:
    add(bert, "modules.json", POOLING)
    flags = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens"}
    add(bert, "1_Pooling/config.json", {flag: name == mode for name, flag in flags.items()})
    add(bert, "config_sentence_transformers.json", {"prompts": {"query": "find: "}})
    _, notices = convert_to_gguf(bert, tmp_path / "m.gguf")
    assert "prompts query" in notices[0]
    convert_gguf(FileSource(tmp_path / "m.gguf"), tmp_path / "back")
    vectors = []
    for path in (bert, tmp_path / "m.gguf", tmp_path / "back"):
        encoder = load(path)
        assert isinstance(encoder, TextEncoder)
        vectors.append(encoder.embed(["Hello a b", "w3 ac"]))
    np.testing.assert_allclose(vectors[1], vectors[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(vectors[2], vectors[1])
    convert_gguf(FileSource(tmp_path / "m.gguf"), tmp_path / "back")  # replaces the earlier one with its folder
    (tmp_path / "back" / "1_Pooling" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="other files in it"):
        convert_gguf(FileSource(tmp_path / "m.gguf"), tmp_path / "back")


def test_pooling_that_gguf_does_not_have(bert: Path, tmp_path: Path) -> None:
    add(bert, "modules.json", POOLING)
    add(bert, "1_Pooling/config.json", {"pooling_mode_max_tokens": True})
    with pytest.raises(ModelError, match=r"modules\.json: GGUF has no place for vectors made by max"):
        convert_to_gguf(bert, tmp_path / "m.gguf")


def test_heads_of_encoders(tmp_path: Path) -> None:
    """A head for words has no place, the body alone has."""
    with pytest.raises(ModelError, match=r"no place for the weight cls\.predictions.*Leave its head out"):
        convert_to_gguf(ENCODERS / "bert-mlm", tmp_path / "m.gguf")
    convert_to_gguf(ENCODERS / "bert-mlm", tmp_path / "m.gguf", head=False)
    bodies = [load(path) for path in (ENCODERS / "bert-mlm", tmp_path / "m.gguf")]
    one, other = (body.hidden([2, 5, 6, 3]) for body in bodies)
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_labels_there_and_back(bert: Path, tmp_path: Path) -> None:
    """BERT's head for texts, its pooler with it, is llama.cpp's `cls` and `cls.output`."""
    weights = load_file(bert / "model.safetensors")
    width = json.loads((bert / "config.json").read_text())["hidden_size"]
    rng = np.random.default_rng(2)
    weights = {name if name.startswith("bert.") else f"bert.{name}": array for name, array in weights.items()}
    shapes = {"bert.pooler.dense.weight": (width, width), "bert.pooler.dense.bias": (width,),
              "classifier.weight": (3, width), "classifier.bias": (3,)}  # fmt: skip
    save_file(weights | {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()},
              bert / "model.safetensors")  # fmt: skip
    labels = {"0": "bad", "1": "good", "2": "mixed"}
    add(bert, "config.json", {"architectures": ["BertForSequenceClassification"], "id2label": labels})
    convert_to_gguf(bert, tmp_path / "m.gguf")
    assert fields(tmp_path / "m.gguf")["bert.classifier.output_labels"] == ["bad", "good", "mixed"]
    convert_gguf(FileSource(tmp_path / "m.gguf"), tmp_path / "back")
    answers = [load(path).classify("Hello a") for path in (bert, tmp_path / "m.gguf", tmp_path / "back")]
    assert [answer.label for answer in answers[0]] == [answer.label for answer in answers[1]]
    assert answers[1] == answers[2]
    scores = [[answer.score for answer in several] for several in answers[:2]]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4)


def test_gguf_is_gguf_already(tmp_path: Path) -> None:
    convert_to_gguf(FOLDER / "qwen2", tmp_path / "m.gguf")
    with pytest.raises(InputError, match="is GGUF already"):
        convert_to_gguf(tmp_path / "m.gguf", tmp_path / "other.gguf")

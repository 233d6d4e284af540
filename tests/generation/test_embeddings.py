"""Vectors, words and labels of small encoders with files beside them, against a direct computation."""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import loom_py
from loom_py.errors import FormatError, InputError, ModelError
from loom_py.generation.embedding import TokenizedText, packs
from loom_py.generation.encoder_runner import padded
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model
from loom_py.generation.text_encoder import TextEncoder

DATA = Path(__file__).parent.parent / "data"
TEXTS = ["a bee", "", "the quick brown fox jumps", "z", "over " * 60]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def folder(tmp_path: Path, name: str = "bert", /, **files: Any) -> Path:
    """A copy of a tiny encoder with a vocabulary of letters and further JSON files; `__` in a name is a slash."""
    place = tmp_path / name
    shutil.copytree(DATA / "encoders" / name, place)
    words = [*SPECIAL, *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    words += [f"[unused{i}]" for i in range(160 - len(words))]
    (place / "vocab.txt").write_text("\n".join(words) + "\n")
    for file, value in files.items():
        path = place / f"{file.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(value))
    return place


def modules(*kinds: str) -> list[dict[str, Any]]:
    """`modules.json` with these behind the transformer."""
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for i, kind in enumerate(kinds, 1):
        listed.append({"idx": i, "name": str(i), "path": f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"})
    return listed


def encoder(path: Path) -> TextEncoder:
    model = loom_py.load_model(path, device=None)
    assert isinstance(model, TextEncoder)
    return model


def states(model: TextEncoder, text: str) -> NDArray[np.float64]:
    """Hidden states of a text alone."""
    return model.hidden(model.tokenizer.encode(text)[: model.max_length]).astype(np.float64)


POOLINGS = {
    "cls_token": lambda h: h[0],
    "mean_tokens": lambda h: h.mean(0),
    "max_tokens": lambda h: h.max(0),
    "mean_sqrt_len_tokens": lambda h: h.sum(0) / np.sqrt(len(h)),
    "weightedmean_tokens": lambda h: (h * np.arange(1, len(h) + 1)[:, None]).sum(0) / np.arange(1, len(h) + 1).sum(),
    "lasttoken": lambda h: h[-1],
}


@pytest.mark.parametrize("flag", POOLINGS)
def test_pooling(flag: str, tmp_path: Path) -> None:
    config = {f"pooling_mode_{name}": name == flag for name in POOLINGS}
    limits = {"max_seq_length": 40}
    path = folder(tmp_path, modules=modules("Pooling"), **{"1_Pooling__config": config}, sentence_bert_config=limits)
    model = encoder(path)
    assert model.max_length == 40
    vectors = model.embed(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), model.dimension), np.float32)
    for text, vector in zip(TEXTS, vectors, strict=True):
        if len(model.tokenizer.encode(text)) <= 40:
            np.testing.assert_allclose(vector, POOLINGS[flag](states(model, text)), rtol=1e-4, atol=1e-5)
    assert model.embed([]).shape == (0, 32)


def test_dense_layers_norms_and_prompts(tmp_path: Path) -> None:
    files = {
        "1_Pooling__config": {"pooling_mode": ["cls", "mean"], "include_prompt": False},
        "2_Dense__config": {
            "in_features": 64, "out_features": 5, "activation_function": "torch.nn.modules.activation.Tanh",
        },
        "config_sentence_transformers": {"prompts": {"query": "q: ", "passage": ""}, "default_prompt_name": None},
    }  # fmt: skip
    path = folder(tmp_path, modules=modules("Pooling", "Dense", "Normalize"), **files)
    rng = np.random.default_rng(0)
    dense = {"linear.weight": rng.normal(size=(5, 64)) / 8, "linear.bias": rng.normal(size=5)}
    save_file({name: numbers.astype(np.float32) for name, numbers in dense.items()}, path / "2_Dense/model.safetensors")
    model = encoder(path)
    assert model.dimension == 5
    assert list(model.sentences.prompts) == ["query", "passage"]

    def direct(hidden: NDArray[Any]) -> NDArray[Any]:
        vector = np.tanh(dense["linear.weight"] @ np.concatenate([hidden[0], hidden.mean(0)]) + dense["linear.bias"])
        return vector / np.linalg.norm(vector)

    np.testing.assert_allclose(model.embed(["bees"])[0], direct(states(model, "bees")), rtol=1e-4, atol=1e-6)
    asked = model.embed(["bees"], prompt="query")[0]
    before = len(model.tokenizer.encode("q: ")) - 1  # not the end of the text
    np.testing.assert_allclose(asked, direct(states(model, "q: bees")[before:]), rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match=r"the model has no prompt 'qery'.*Did you mean 'query'"):
        model.embed(["bees"], prompt="qery")
    (path / "2_Dense/model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"2_Dense/model\.safetensors is missing"):
        encoder(path)


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        (
            {"modules": modules("LSTM")},
            ModelError,
            r"modules.json at modules\[1\].type: the module 'LSTM' is not supported",
        ),
        ({"modules": modules("Pooling")}, ModelError, "1_Pooling/config.json is missing"),
        ({"modules": {}}, FormatError, "expected an array"),
        ({"modules": modules("Pooling"), "1_Pooling__config": {"pooling_mode": "median"}}, ModelError, "'median'"),
        ({"sentence_bert_config": {"max_seq_length": "long"}}, FormatError, "max_seq_length"),
        ({"config_sentence_transformers": {"default_prompt_name": "x"}}, FormatError, "no prompt is named 'x'"),
    ],
)
def test_malformed_files(files: dict[str, Any], error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        encoder(folder(tmp_path, **files))


def test_words_for_gaps(tmp_path: Path) -> None:
    model = encoder(folder(tmp_path, "bert-mlm"))
    text = "a [MASK] and a [MASK]"
    ids = np.array(model.tokenizer.encode(text))
    places = np.flatnonzero(ids == SPECIAL.index("[MASK]"))
    logits = model.logits(ids).astype(np.float64)[places]
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    gaps = model.fill_mask(text, top_k=3)
    assert len(gaps) == 2
    for gap, row in zip(gaps, scores, strict=True):
        assert [word.token_id for word in gap] == np.argsort(-row)[:3].tolist()
        np.testing.assert_allclose([word.score for word in gap], np.sort(row)[::-1][:3], rtol=1e-3)
    with pytest.raises(InputError, match=r"the text has no gap.*Write \[MASK\]"):
        model.fill_mask("nothing is missing")
    with pytest.raises(InputError, match="classifies no texts"):
        model.classify("a")


@pytest.mark.parametrize(
    ("problem", "count"), [("single_label_classification", 3), ("multi_label_classification", 3), ("regression", 1)]
)
def test_labels(problem: str, count: int, tmp_path: Path) -> None:
    path = folder(tmp_path)
    config = json.loads((path / "config.json").read_text())
    names = {str(i): f"kind {i}" for i in range(count)}
    config |= {"architectures": ["BertForSequenceClassification"], "id2label": names, "problem_type": problem}
    (path / "config.json").write_text(json.dumps(config))
    headless = encoder(path)
    assert headless.head is None
    assert "no weights for the head" in headless.notices[0]
    rng = np.random.default_rng(1)
    head = {"classifier.weight": rng.normal(size=(count, 32)), "classifier.bias": rng.normal(size=count)}
    weights = load_file(path / "model.safetensors") | {name: n.astype(np.float32) for name, n in head.items()}
    save_file(weights, path / "model.safetensors")
    model = encoder(path)
    ids, types = (np.array(row) for row in pair_of(model, "a bee", "two"))
    first = model.hidden(ids, types)[0].astype(np.float64)
    pooled = np.tanh(weights["pooler.dense.weight"] @ first + weights["pooler.dense.bias"])
    logits = head["classifier.weight"] @ pooled + head["classifier.bias"]
    np.testing.assert_allclose(model.logits(ids, types), logits, rtol=1e-3, atol=1e-5)
    scores = {"single": np.exp(logits) / np.exp(logits).sum(), "multi_": 1 / (1 + np.exp(-logits)), "regres": logits}
    expected = scores[problem[:6]]
    labels = model.classify("a bee", "two")
    assert [label.label for label in labels] == [f"kind {i}" for i in np.argsort(-expected)]
    np.testing.assert_allclose([label.score for label in labels], np.sort(expected)[::-1], rtol=1e-3, atol=1e-5)


def pair_of(model: TextEncoder, text: str, pair: str) -> tuple[list[int], list[int]]:
    """Ids and types of two texts."""
    encoding = model.tokenizer.encode_pair(text, pair)
    return encoding.ids, encoding.type_ids


def test_decoders_embed_by_their_last_token(tmp_path: Path) -> None:
    from ..browser import tiny_checkpoint

    path = tiny_checkpoint.write(tmp_path / "decoder")
    model = load_model(path)
    assert isinstance(model, LanguageModel)
    vectors = model.embed(["one text", "another"])
    for text, vector in zip(["one text", "another"], vectors, strict=True):
        np.testing.assert_allclose(vector, model.hidden(model.tokenizer.encode(text))[-1], rtol=1e-5)
    (path / "modules.json").write_text(json.dumps(modules("Pooling", "Normalize")))
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode_lasttoken": True}))
    normalised = load_model(path).embed(["one text"])[0]
    np.testing.assert_allclose(normalised, vectors[0] / np.linalg.norm(vectors[0]), rtol=1e-5)


def test_packs_are_bounded_and_complete() -> None:
    rng = np.random.default_rng(0)
    texts = [
        TokenizedText(i, np.zeros(n, np.int64), np.zeros(n, np.int64)) for i, n in enumerate(rng.integers(1, 700, 99))
    ]
    groups = list(packs(texts))
    assert sorted(text.index for group in groups for text in group) == list(range(99))
    assert all(len(group) == 1 or sum(len(text.ids) for text in group) <= 512 for group in groups)


def test_programs_have_few_sizes_and_packs_of_many_texts_few_empty_rows() -> None:
    sizes = [padded(count) for count in range(1, 513)]
    assert sizes == sorted(sizes)
    assert all(size >= count for count, size in enumerate(sizes, 1))
    assert len(set(sizes)) <= 24
    assert len({size for size in sizes if size > 256}) <= 6
    assert max(size / count for count, size in enumerate(sizes, 1) if count > 448) < 1.04

"""Names in `tokenizer.ggml.pre`: llama.cpp's, each against Hugging Face's engine on the same patterns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from loom_py.errors import TokenizerError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.source import FileSource
from loom_py.generation.loading import load_model
from loom_py.text.gguf_splitting import SPLITTINGS
from loom_py.text.gguf_to_json import tokenizer_json
from loom_py.text.tokenizer import Tokenizer
from tests.cli.conftest import Run, run  # noqa: F401 (a fixture)
from tests.formats.tiny_gguf import write_tiny_gguf

TEXTS = [
    "hello world 1234567 don't DON'T hello\n\n  x\ty",
    "日本語テスト123 ｱｲｳ 한국어 ภาษาไทย 豈",
    "foo_bar(baz); // x+=1\r\n\r\n   ",
    "ÀÉÎ çedilla Ελληνικά кириллица…،  ΐῶ K",
    "café ＡＢＣ！？ «quotes» $100.50 ^~|` hello",
    " ",
    " \n",
    "x²½Ⅷ १२३ 12 1234",
    "<sentinel:12>IMGIMGABZ \t    HelloWORLD XMLHttp's",
]
# The trouble table; ggml-org/llama.cpp #7881 (smaug-bpe), #12021 (deepseek-r1-qwen), #12122 (gpt-4o); LM Studio's #44.
REPORTED = ["llama3", "llama-v3", "falcon3", "pixtral", "smaug-bpe", "gpt2", "starcoder", "refact", "command-r"]
REPORTED += ["deepseek-r1-qwen", "gpt-4o", "tekken", "deepseek-llm", "deepseek-v3", "falcon", "kimi-k2", "superbpe"]


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("pre") / "m.gguf"
    return dict(GGUFFile(FileSource(write_tiny_gguf(path).path)).metadata)


@pytest.mark.parametrize("pre", sorted(SPLITTINGS))
def test_every_name_splits_as_hugging_faces_engine_does(metadata: dict[str, Any], pre: str) -> None:
    named = metadata | {"tokenizer.ggml.pre": pre}
    ours = Tokenizer.from_gguf(named)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(named, "m.gguf")))
    for text in TEXTS:
        assert ours.encode(text) == theirs.encode(text).ids, text


@pytest.mark.parametrize("pre", REPORTED)
def test_reported_names_load(tmp_path: Path, pre: str) -> None:
    model = load_model(write_tiny_gguf(tmp_path / "m.gguf", pre=pre).path)
    assert model.tokenizer.decode(model.tokenizer.encode("hello world 12")) == "hello world 12"
    assert model.notices == ()


@pytest.mark.parametrize(
    ("aliases", "group"),
    [
        ({"llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral"}, "begins with a token, takes whole words"),
        ({"smaug-bpe", "dbrx", "glm4"}, "as Llama 3's, merged, without a token in front"),
        ({"starcoder", "refact", "command-r", "smollm"}, "digits alone, then GPT-2's"),
    ],
)
def test_aliases_mean_the_same(aliases: set[str], group: str) -> None:
    assert len({SPLITTINGS[name] for name in aliases}) == 1, group


def test_none_is_the_default_with_a_notice(run: Run, tmp_path: Path, metadata: dict[str, Any]) -> None:  # noqa: F811
    without = {key: value for key, value in metadata.items() if key != "tokenizer.ggml.pre"}
    for absent in (without, without | {"tokenizer.ggml.pre": ""}):
        tokenizer = Tokenizer.from_gguf(absent)
        assert [("default" in notice) for notice in tokenizer.notices] == [True]
        default = Tokenizer.from_gguf(metadata | {"tokenizer.ggml.pre": "default"})
        assert (default.notices, default.encode(TEXTS[0])) == ((), tokenizer.encode(TEXTS[0]))
    path = write_tiny_gguf(tmp_path / "m.gguf", pre="").path
    assert len(load_model(path).notices) == 1
    _, _, error = run("generate", "--model", path, "--prompt", "hello", "--max-tokens", "1")
    assert "note: The file does not say how its tokenizer splits text" in error


def test_an_unknown_name_is_refused_with_another_way(metadata: dict[str, Any]) -> None:
    with pytest.raises(TokenizerError, match="'quipu-9' is not supported") as caught:
        Tokenizer.from_gguf(metadata | {"tokenizer.ggml.pre": "quipu-9"})
    assert "Hugging Face layout" in caught.value.remedy

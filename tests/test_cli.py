"""The command line, as a user types it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loom_py import load_model_from_string
from loom_py.cli import COMMANDS, main
from loom_py.models.loading import load_model
from loom_py.text.sampling import GenerationOptions

from .formats.conftest import tiny  # noqa: F401 (a fixture)
from .formats.tiny_gguf import TinyGGUF

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command → (exit status, standard output, standard error)."""

    def call(*arguments: object, stdin: str | bytes = "") -> tuple[int, str, str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "loom_py", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("loom_py ")


def test_tokenize(run: Run, tiny: TinyGGUF) -> None:  # noqa: F811
    tokenizer = load_model(tiny.path).tokenizer
    texts = ["hello world", "", "<|im_start|>x", 'quo"te\n']
    status, out, _ = run("tokenize", "--model", tiny.path, "--json", stdin=json.dumps(texts))
    assert status == 0
    ids = json.loads(out)
    assert ids == [tokenizer.encode(t) for t in texts]
    status, out, _ = run("tokenize", "--model", tiny.path, "--json", "--decode", stdin=json.dumps(ids))
    assert json.loads(out) == texts
    assert run("tokenize", "--model", tiny.path, "hello world")[1].split() == [str(i) for i in ids[0]]
    assert run("tokenize", "--model", tiny.path, "--decode", " ".join(map(str, ids[0])))[1] == "hello world\n"


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"[", "standard input at byte 1"),
        (b"{}", "expected a JSON array of strings"),
        (b'["a", 1]', "expected a JSON array of strings"),
        (b'["\xff"]', "is not UTF-8"),
    ],
)
def test_tokenize_refuses(run: Run, tiny: TinyGGUF, stdin: bytes, message: str) -> None:  # noqa: F811
    status, out, err = run("tokenize", "--model", tiny.path, "--json", stdin=stdin)
    assert status == 1
    assert message in err
    assert message in json.dumps(json.loads(out)["error"])


def test_generate(run: Run, tiny: TinyGGUF) -> None:  # noqa: F811
    model = load_model(tiny.path)
    expected = list(model.generate("hello", GenerationOptions(max_tokens=6)))
    options = ("--model", tiny.path, "--prompt", "hello", "--max-tokens", 6, "--greedy")
    status, out, _ = run("generate", *options, "--json")
    report = json.loads(out)
    assert status == 0
    assert report["ids"] == [t.id for t in expected]
    assert report["text"] == "".join(t.text for t in expected)
    assert report["finish_reason"] == expected[-1].finish_reason
    assert report["prompt_tokens"] == 1
    status, out, err = run("generate", *options)
    assert out == report["text"] + "\n"
    assert "tokens, first after" in err


def test_generate_chat_uses_the_template(run: Run, tiny: TinyGGUF) -> None:  # noqa: F811
    options = ("--model", tiny.path, "--prompt", "hello", "--max-tokens", 3, "--json", "--chat")
    tokenizer = load_model(tiny.path).tokenizer
    _, out, _ = run("generate", *options, "--system", "be brief")
    prompt = "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n"
    assert json.loads(out)["prompt_tokens"] == len(tokenizer.encode(prompt))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--greedy", "--temperature", "1"], "--greedy: cannot be combined"),
        (["--max-tokens", "0"], "max_tokens: must be"),
        (["--top-p", "7"], "top_p: must be"),
        (["--model", "/no/such.gguf"], "no such file or directory"),
    ],
)
def test_generate_refuses(run: Run, tiny: TinyGGUF, options: list[str], message: str) -> None:  # noqa: F811
    status, _, err = run("generate", "--model", tiny.path, "--prompt", "x", *options)
    assert status == 1
    assert message in err


def test_train(run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "bundle.json"
    status, out, _ = run("train", EXAMPLES / "grid_scatter.json", "--seed", 1, "--output", saved, "--json")
    report = json.loads(out)
    assert status == 0
    assert report["FinalLoss"] < 0.002
    assert report["seed"] == 1
    assert report["evaluation"]["score"] == 100
    network = load_model_from_string(saved.read_text(), "model")
    assert network.forward([0.2] * 4 + [0.8] * 4)[0, 0] > 0.9
    status, out, _ = run("train", EXAMPLES / "grid_scatter.json", "--epochs", 3, "--learning-rate", 0.1)
    assert "(3 epochs)" in out
    assert "Quality Score" in out


def test_train_refuses(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]}')
    status, _, err = run("train", path)
    assert status == 1
    assert "there are no batches" in err
    (tmp_path / "data.json").write_text('[{"Input": [1], "Target": [1]}]')
    assert run("train", path, "--data", tmp_path / "data.json", "--epochs", 2)[0] == 0
    status, _, err = run("train", tmp_path / "none.json", "--json")
    assert status == 1
    assert "none.json" in err
    path.write_text("{nope")
    assert "c.json at byte 1" in run("train", path)[2]
    path.write_text('{"network": {}, "batchs": []}')
    assert "batchs" in run("train", path)[2]


def test_convert_and_inspect(run: Run, tiny: TinyGGUF, tmp_path: Path) -> None:  # noqa: F811
    target = tmp_path / "converted"
    status, out, _ = run("convert", tiny.path, target, "--json")
    assert status == 0
    assert json.loads(out)
    assert run("convert", tmp_path / "none.gguf", tmp_path / "x")[0] == 1
    formats = {}
    for path in (tiny.path, target / "model.safetensors", target / "tokenizer.json", EXAMPLES / "grid_scatter.json"):
        status, out, _ = run("inspect", path, "--json")
        assert status == 0
        formats[json.loads(out)["format"]] = json.loads(out)
        assert run("inspect", path)[1].startswith("format: ")
    assert list(formats) == ["GGUF v3", "safetensors", "tokenizer.json", "LOOM configuration"]
    assert formats["GGUF v3"]["parameters"] == sum(w.size for w in tiny.weights.values())
    assert formats["safetensors"]["parameters"] == formats["GGUF v3"]["parameters"]
    assert formats["LOOM configuration"]["models"][0]["layers"] == "dense → parallel → dense"

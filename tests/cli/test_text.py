"""The commands that work with text: tokenize and generate."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from tests.formats.tiny_gguf import TinyGGUF

from .conftest import Run


def test_tokenize(run: Run, tiny: TinyGGUF) -> None:
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
def test_tokenize_refuses(run: Run, tiny: TinyGGUF, stdin: bytes, message: str) -> None:
    status, out, err = run("tokenize", "--model", tiny.path, "--json", stdin=stdin)
    assert status == 1
    assert message in err
    assert message in json.dumps(json.loads(out)["error"])


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ('["a", 1]', ["--json"], "TEXT: expected a JSON array of strings"),
        ("[[1], [999999]]", ["--json", "--decode"], "TEXT[1][0]: the vocabulary has no token with id 999999"),
        ("[[true]]", ["--json", "--decode"], "TEXT[0][0]: expected an id, got True"),
        ("1 999999", ["--decode"], "TEXT[1]: the vocabulary has no token with id 999999."),
        ("1 x", ["--decode"], "TEXT[1]: expected an id, got 'x'"),
    ],
)
def test_tokenize_names_the_argument(
    run: Run,
    tiny: TinyGGUF,
    text: str,
    options: list[str],
    message: str,
) -> None:
    status, _, err = run("tokenize", "--model", tiny.path, *options, text)
    assert status == 1
    assert err.startswith(f"loom_py tokenize: {message}")


def test_a_closed_standard_input(tiny: TinyGGUF) -> None:
    command = f'exec "{sys.executable}" -m loom_py tokenize --model "{tiny.path}" <&-'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("loom_py tokenize: standard input: is closed")


def test_generate(run: Run, tiny: TinyGGUF) -> None:
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


def test_generate_chat_uses_the_template(run: Run, tiny: TinyGGUF) -> None:
    options = ("--model", tiny.path, "--prompt", "hello", "--max-tokens", 3, "--json", "--chat")
    tokenizer = load_model(tiny.path).tokenizer
    _, out, _ = run("generate", *options, "--system", "be brief")
    prompt = "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n"
    assert json.loads(out)["prompt_tokens"] == len(tokenizer.encode(prompt))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--greedy", "--temperature", "1"], "--greedy: cannot be combined"),
        (["--max-tokens", "0"], "max_tokens: 0 must be"),
        (["--top-p", "7"], "top_p: 7 must be"),
        (["--model", "/no/such.gguf"], "no such file or directory"),
    ],
)
def test_generate_refuses(run: Run, tiny: TinyGGUF, options: list[str], message: str) -> None:
    status, _, err = run("generate", "--model", tiny.path, "--prompt", "x", *options)
    assert status == 1
    assert message in err

"""The command line, as a user types it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loom_py import build_network_from_json, load_model_from_string
from loom_py.cli import COMMANDS, main
from loom_py.cli import device as cli_device
from loom_py.cli.interrupt import Interrupt
from loom_py.generation import placing
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.progress import Bar
from loom_py.runtime import choice
from loom_py.runtime.choice import Devices
from loom_py.training import device_step

from .conftest import ROOT
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


@pytest.fixture
def fresh_devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[Devices]:
    """Nothing is open yet, and what a command opens is closed."""
    mine = Devices()
    for module in (choice, cli_device, placing, device_step):
        monkeypatch.setattr(module, "devices", mine)
    yield mine
    for name in ("simd", "webgpu"):
        if opened := mine.get(name):
            opened.close()


def test_a_device_can_be_chosen(run: Run, tiny: TinyGGUF, fresh_devices: Devices) -> None:  # noqa: F811
    options = ("--model", tiny.path, "--prompt", "hello", "--max-tokens", 6, "--json")
    plain = json.loads(run("generate", *options)[1])
    assert (plain["device"], fresh_devices.get("simd")) == ("numpy", None)
    found = json.loads(run("generate", *options, "--device", "simd", "--threads", 2, "--activations", "f32")[1])
    assert (found["device"], found["activations"]) == ("simd", "f32")
    assert found["ids"] == plain["ids"]
    simd = fresh_devices.get("simd")
    assert simd is not None
    assert simd.info()["threads"] == 2
    report = json.loads(run("train", EXAMPLES / "grid_scatter.json", "--device", "simd", "--json")[1])
    assert (report["device"], report["evaluation"]["score"]) == ("simd", 100)
    assert fresh_devices.preference == "numpy", "the preference was the command's"


def test_a_device_that_cannot_be_is_told(run: Run, tmp_path: Path, fresh_devices: Devices) -> None:
    config = EXAMPLES / "grid_scatter.json"
    status, _, err = run("train", config, "--device", "simd", "--threads", 0)
    assert status == 1
    assert "threads: must be in 1 … 16" in err
    assert fresh_devices.preference == "numpy"
    status, _, err = run("train", config, "--device", "webgpu", "--epochs", 2)
    assert status == 0
    assert "on numpy: webgpu: the kernel lstm_sequence is not there" in err


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


# --- mistakes, interruptions and closed pipes -----------------------------------------------------------------------
NETWORK = {"layers": [{"type": "dense", "input_size": 1, "output_size": 1}]}
JOB: dict[str, Any] = {"network": NETWORK, "batches": [{"Input": [1], "Target": [1]}], "training": {"Epochs": 2}}


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": [1]}, "c.json: training: expected an object, got an array"),
        ({"training": "x"}, "c.json: training: expected an object, got a string"),
        ({"training": 5}, "c.json: training: expected an object, got a number"),
        ({"training": {"learning_rate": -1}}, "c.json: training.learning_rate: -1 must be at least 0"),
        ({"evaluation": {"inputs": 5, "expected": 3}}, "c.json: evaluation.inputs: expected an array, got a number"),
        ({"evaluation": {"inputs": [[1]], "expected": [True]}}, "c.json: evaluation.expected[0]: expected a number"),
        ({"evaluation": []}, "c.json: evaluation: expected an object"),
        ({"network": "x"}, "c.json: network: expected an object, got a string"),
        ({"network": {"layers": [{"type": "denze"}]}}, "c.json: network.layers[0].type: "),
        ({"batches": 3}, "c.json: batches: expected an array of batches, got a number"),
        ({"batches": []}, "c.json: batches: there is nothing to train on"),
        ({"batches": [{"Input": [1], "Target": [1, 2]}]}, "c.json: batches[0].Target: expected 1 values, got 2"),
        ({"batches": [{"Input": [1]}]}, "c.json: batches[0].Target: missing"),
        (
            {"training": {"ValidationInputs": [[1, 2]], "ValidationTargets": [1]}},
            "c.json: training.ValidationInputs[0]",
        ),
    ],
)
def test_train_names_the_place_in_the_file(run: Run, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    saved = tmp_path / "out.json"
    status, out, err = run("train", write(tmp_path / "c.json", JOB | change), "--json", "--output", saved)
    assert status == 1
    assert f"{tmp_path}/{message}" in err
    error = json.loads(out)["error"]
    assert f"{tmp_path}/{message}" in f"{error['where']}: {error['message']}"
    assert not saved.exists()


def test_train_names_a_place_in_the_data_file(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "data.json", [{"Input": [1], "Target": ["x"]}])
    assert f"{data}: [0].Target: " in run("train", write(tmp_path / "c.json", JOB), "--data", data)[2]
    bare = write(tmp_path / "bare.json", {"layers": [{"type": "denze"}]})
    assert f"{bare}: layers[0].type: " in run("train", bare, "--data", data)[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seed", "-1"], "--seed: -1 is outside"),
        (["--epochs", "0"], "--epochs: 0 must be at least 1"),
        (["--learning-rate", "nan"], "--learning-rate: nan must be"),
        (["--output", "."], "--output .: is a directory"),
        (["--output", "no/where/x.json"], "does not exist"),
        (["--output", ""], "no file name"),
    ],
)
def test_train_checks_its_options_first(run: Run, tmp_path: Path, options: list[str], message: str) -> None:
    endless = write(tmp_path / "c.json", JOB | {"training": {"Epochs": 10**8}})
    status, _, err = run("train", endless, *options)
    assert status == 1
    assert message in err


@pytest.mark.parametrize("key", ["learning_rate", "LearningRate", "learningRate", "LEARNING_RATE"])
def test_an_option_replaces_the_file_s_however_it_is_spelt(run: Run, tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "c.json", JOB | {"training": {"Epochs": 2, key: 0.1}})
    status, out, err = run("train", path, "--learning-rate", 0.2, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["LRHistory"] == [0.2, 0.2]


def test_json_stays_json_with_verbose_training(run: Run, tmp_path: Path) -> None:
    chatty = JOB | {"training": {"Epochs": 2, "Verbose": True, "PrintEveryBatch": 1}}
    status, out, err = run("train", write(tmp_path / "c.json", chatty), "--json")
    assert status == 0
    assert json.loads(out)["Steps"] == 2
    assert "Epoch 2/2 - Batch 1/1" in err
    assert "Epoch 2/2 - Avg Loss" in run("train", tmp_path / "c.json")[1]


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is listened to; a shell starts what runs in its background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_keeps_what_was_trained(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "c.json", JOB | {"training": {"Epochs": 10**8, "LearningRate": 0.001}})
    saved = tmp_path / "out.json"

    def press(bar: Bar, done: float, note: str = "") -> None:
        if done == 5:
            signal.raise_signal(signal.SIGINT)
        assert done < 100, "Ctrl-C was not heard"

    with monkeypatch.context() as patch:
        patch.setattr(Bar, "to", press)
        status, out, err = run("train", path, "--output", saved, "--json", "--seed", 1)
    report = json.loads(out)
    assert status == 130
    assert f"interrupted after update 5, in epoch 5 of 100000000; written to {saved}" in err
    assert report["output"] == str(saved)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = load_model_from_string(saved.read_text(), "model")
    assert again.training_state.epoch == report["epoch"] == 5
    run("train", path, "--epochs", 5, "--output", tmp_path / "whole.json", "--seed", 1)
    assert (tmp_path / "whole.json").read_text() == saved.read_text()


@pytest.mark.usefixtures("heard")
def test_a_second_ctrl_c_does_not_wait() -> None:
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("heard")
def test_an_ignored_ctrl_c_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert not interrupt.asked
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_inspect_names_the_file_and_reads_the_weights_beside_a_bundle(run: Run, tmp_path: Path) -> None:
    network = build_network_from_json(NETWORK, seed=1)
    network.save_model(str(tmp_path / "b.json"), "mine", "safetensors")
    status, out, _ = run("inspect", tmp_path / "b.json", "--json")
    assert status == 0
    assert json.loads(out)["models"][0]["parameters"] == 2
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    assert f"{tmp_path}/b.json: models[0].weights.file" in run("inspect", tmp_path / "b.json")[2]
    wrong = write(tmp_path / "c.json", {"network": {"layers": [{"type": "denze"}]}})
    assert f"{wrong}: network.layers[0].type: " in run("inspect", wrong)[2]
    (tmp_path / "d.json").write_text("{nope")
    assert f"{tmp_path}/d.json at byte 1" in run("inspect", tmp_path / "d.json")[2]


def test_system_errors_are_json_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("loom_py.cli.inspect.describe", full)
    status, out, err = run("inspect", "some/file", "--json")
    assert status == 1
    expected = {"type": "OSError", "message": "No space left on device", "where": "some/file", "remedy": ""}
    assert json.loads(out)["error"] == expected
    assert "some/file: No space left on device" in err


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`inspect … | head -1`, with more output than a pipe holds."""
    many = {"layers": [{"type": "sequential", "branches": [NETWORK["layers"][0]] * 3}] * 30_000}
    command = [sys.executable, "-m", "loom_py", "inspect", str(write(tmp_path / "c.json", many)), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")


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
    tiny: TinyGGUF,  # noqa: F811
    text: str,
    options: list[str],
    message: str,
) -> None:
    status, _, err = run("tokenize", "--model", tiny.path, *options, text)
    assert status == 1
    assert err.startswith(f"loom_py tokenize: {message}")


def test_a_closed_standard_input(tiny: TinyGGUF) -> None:  # noqa: F811
    command = f'exec "{sys.executable}" -m loom_py tokenize --model "{tiny.path}" <&-'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("loom_py tokenize: standard input: is closed")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp437", "utf-8"])
def test_any_encoding_of_the_output(tmp_path: Path, encoding: str) -> None:
    """Redirected output on Windows has a code page without arrows."""
    network = {"layers": [{"type": "dense", "input_size": 1, "output_size": 1}], "id": "Größe → 漢"}
    config = {"network": network, "batches": [{"Input": [1], "Target": [1]}], "training": {"Epochs": 1}}
    (tmp_path / "train.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "loom_py", "train", str(tmp_path / "train.json")]
    env = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    for arguments in ([], ["--output", str(tmp_path / "→.json")], ["--json", "--output", "no/→.json"]):
        done = subprocess.run([*command, *arguments], capture_output=True, env=env, cwd=tmp_path, check=False)
        assert b"UnicodeEncodeError" not in done.stderr
        if arguments and arguments[0] == "--json":
            assert json.loads(done.stdout.decode(encoding))["error"]["where"].endswith("→.json")
        else:
            assert done.returncode == 0
            assert b"loss " in done.stdout

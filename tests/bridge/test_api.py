"""The bridge, called as JavaScript calls it, with stand-ins for its typed arrays and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.bridge import api as bridge
from loom_py.bridge.files import JsSource
from loom_py.errors import ConfigError, DeviceError, FormatError, InputError, ModelError
from loom_py.generation import placing
from loom_py.network.network import Network
from loom_py.network.reflection import methods
from loom_py.runtime.choice import Devices
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training import loop

from ..browser import tiny_checkpoint


class FakeArray:
    """A JavaScript typed array: its bytes come out as a copy."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def to_memoryview(self) -> memoryview:
        return memoryview(self._data)


class FakeReader:
    """A JavaScript reader; records the size of each request."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self.size, self.largest = name, len(data), 0
        self._data = data

    def read(self, offset: int, length: int) -> FakeArray:
        self.largest = max(self.largest, length)
        return FakeArray(self._data[offset : offset + length])


@pytest.fixture
def network(grid_scatter: dict[str, Any]) -> int:
    return bridge.create_network(json.dumps(grid_scatter["network"]), 7)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint.write(tmp_path_factory.mktemp("tiny"))


def finish(task: int, budget: float = 5) -> tuple[list[Any], Any]:
    """Run a task to completion: all events, and the result."""
    events: list[Any] = []
    while True:
        step = json.loads(bridge.task_advance(task, budget))
        events += step["events"]
        if step["done"]:
            return events, step["result"]


def load(checkpoint: Path, **changed: bytes) -> int:
    readers = [
        FakeReader(n, changed.get(n.split(".")[0], (checkpoint / n).read_bytes())) for n in tiny_checkpoint.FILES
    ]
    return finish(bridge.load_start(readers))[1]["handle"]


def call(handle: int, method: str, *args: Any) -> dict[str, Any]:
    return json.loads(bridge.call(handle, method, json.dumps(args)))


# --- the original's convention --------------------------------------------------------------------------------------
def test_every_result_is_json_text_and_strings_stay_strings(network: int) -> None:
    answer = call(network, "ForwardCPU", [0.2] * 4 + [0.8] * 4)
    output, nanoseconds = map(json.loads, answer["values"])
    direct = bridge.take(network, Network).forward([0.2] * 4 + [0.8] * 4).ravel()
    assert np.array_equal(np.asarray(output, np.float32), direct)  # decimals read back to the same bits
    assert isinstance(nanoseconds, int)
    assert nanoseconds > 0
    saved = call(network, "SaveModelToString", "m")
    assert saved["strings"] == [True]
    assert json.loads(saved["values"][0])["type"] == "modelhost/bundle"


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("ForwardCPU", "[]", "Expected 1 parameters, got 0"),
        ("ForwardCPU", "[[1],2]", "Expected 1 parameters, got 2"),
        ("Train", "[]", "Expected 1 to 2 parameters, got 0"),
        ("TotalLayers", "[1]", "Expected 0 parameters, got 1"),
        ("ForwardCPU", '["x"]', "parameter 0: expected array"),
        ("ForwardCPU", '[["x"]]', "parameter 0[0]: invalid slice element type"),
        ("ForwardCPU", "[[true]]", "parameter 0[0]: invalid slice element type"),
        ("GetActivation", '[0,0,"1"]', "parameter 2: expected int"),
        ("GetActivation", "[0,0,0.5]", "parameter 2: expected int, got 0.5"),
        ("GetActivation", "[0,0,1e300]", "parameter 2: expected int"),
        ("HasMethod", "[1]", "parameter 0: expected string"),
        ("SaveModelToString", "[null]", "parameter 0: expected string, got null"),
        ("ForwardCPU", "{", "Invalid JSON input"),
        ("ForwardCPU", "{}", "Invalid JSON input: expected an array"),
        ("ForwardCPU", "[[NaN]]", "Invalid JSON input"),
        ("ForwardCPU", "[" * 200, "Invalid JSON input"),
        ("ForwardCPU", "[[1,2,3]]", "expected a multiple of 8 values, got 3"),
        ("nope", "[]", "method nope not found"),
    ],
)
def test_a_wrong_call_is_a_sentence(network: int, method: str, arguments: str, message: str) -> None:
    assert message in json.loads(bridge.call(network, method, arguments))["error"]


def test_a_method_of_one_result_fails_like_a_pair(network: int) -> None:
    value, error = call(network, "Train", [], {})["values"]
    assert value is None
    assert "nothing to train on" in error


@pytest.mark.parametrize(
    "name", ["__init__", "_rows", "forward_cpu", "astype", "Astype", "Params", "TraceForward", "__class__"]
)
def test_only_public_annotated_methods_are_reachable(network: int, name: str) -> None:
    assert name in json.loads(bridge.call(network, name, "[]"))["error"]
    with pytest.raises(InputError, match="not found"):
        bridge.call_values(network, name, "[]")


def test_a_new_method_is_callable_without_any_other_change(network: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def double_it(self: Network, value: float) -> float:
        """Twice the value."""
        return 2 * value

    methods.cache_clear()
    monkeypatch.setattr(Network, "double_it", double_it, raising=False)
    try:
        assert call(network, "DoubleIt", 21)["values"] == ["42.0"]
        assert json.loads(bridge.call_values(network, "DoubleIt", "[1.5]")) == 3
    finally:
        methods.cache_clear()


def test_every_method_survives_every_kind_of_argument(network: int) -> None:
    wrong = [None, True, -1, 2.5, 1e308, "", "π", [], [[]], [1] * 8, {}, {"__proto__": 1}, [None], [[1, "2"]]]
    for name in methods(Network):
        if name in ("SaveModel", "Train"):
            continue
        for count in (0, 1, 2):
            for value in wrong:
                answer = json.loads(bridge.call(network, name, json.dumps([value] * count)))
                assert answer.keys() in ({"error"}, {"values", "strings"}, {"values"})
    assert len(json.loads(call(network, "ForwardCPU", [0.5] * 8)["values"][0])) == 2


# --- typed arrays and tasks ------------------------------------------------------------------------------------------
def test_typed_forward_is_the_same_as_json(network: int) -> None:
    x = np.linspace(0, 1, 8, dtype=np.float32)
    typed = bridge.forward(network, FakeArray(x))
    assert np.array_equal(
        typed, np.asarray(json.loads(call(network, "ForwardCPU", x.tolist())["values"][0]), np.float32)
    )


def test_training_in_slices_is_the_same_as_at_once(grid_scatter: dict[str, Any]) -> None:
    config = grid_scatter["training"] | {"Epochs": 20}
    one, other = (bridge.create_network(json.dumps(grid_scatter["network"]), 3) for _ in range(2))
    events, result = finish(bridge.train_start(one, grid_scatter["batches"], json.dumps(config)), budget=0)
    whole = json.loads(call(other, "Train", grid_scatter["batches"], config)["values"][0])
    assert [e["epoch"] for e in events] == list(range(1, 21))
    assert result["LossHistory"] == whole["LossHistory"] == [e["loss"] for e in events]
    assert call(one, "SaveModelToString", "m") == call(other, "SaveModelToString", "m")


def test_a_closed_task_leaves_whole_updates(grid_scatter: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SLICE_SECONDS", 0.0)
    config, batches = grid_scatter["training"], grid_scatter["batches"]
    one, other = (bridge.create_network(json.dumps(grid_scatter["network"]), 3) for _ in range(2))
    task = bridge.train_start(one, batches, json.dumps(config))
    epochs: list[Any] = []
    while len(epochs) < 5:
        epochs += json.loads(bridge.task_advance(task, 0))["events"]
    assert [e["epoch"] for e in epochs] == [1, 2, 3, 4, 5]
    assert json.loads(bridge.task_advance(task, 0))["events"] == []  # one update into the sixth
    bridge.task_close(task)
    with pytest.raises(InputError, match="disposed"):
        bridge.task_advance(task, 0)
    call(other, "Train", batches, config | {"Epochs": 5})
    call(other, "Train", batches[:1], config | {"Epochs": 1})
    weights = [json.loads(call(n, "SaveModelToString", "m")["values"][0])["models"][0]["weights"] for n in (one, other)]
    assert weights[0] == weights[1]


def test_handles(network: int, grid_scatter: dict[str, Any]) -> None:
    before = bridge.live()
    bridge.release(network)
    bridge.release(network)
    bridge.release(10**9)
    assert bridge.live() == before - 1
    with pytest.raises(InputError, match="disposed"):
        bridge.forward(network, [0] * 8)
    with pytest.raises(ConfigError):
        bridge.create_network('{"layers": [{"type": "nope"}]}')
    text = bridge.call_values(bridge.create_network(json.dumps(grid_scatter["network"])), "SaveModelToString", '["a"]')
    with pytest.raises(FormatError, match="'b'"):
        bridge.load_network(json.loads(text), "b")


def test_errors_keep_their_parts() -> None:
    with pytest.raises(ConfigError) as caught:
        bridge.create_network('{"layers": [{"type": "nope"}]}')
    parts = bridge.describe_error(caught.value)
    assert parts["name"] == "ConfigError"
    assert parts["where"] == "layers[0].type"
    assert "nope" in parts["message"]
    assert "ConfigError" in parts["traceback"]
    assert bridge.describe_error(MemoryError())["remedy"]
    assert "report" in bridge.describe_error(KeyError("x"))["remedy"]


# --- language models -------------------------------------------------------------------------------------------------
def test_load_chat_and_complete(checkpoint: Path) -> None:
    model = load(checkpoint)
    options = json.dumps({"maxTokens": 6, "temperature": 0, "stop": ["never"]})
    events, _ = finish(bridge.complete_start(model, ["Once"], options), budget=0)
    assert events[0] == {"loaded": 4, "total": 4}
    tokens = [e for e in events if "id" in e]
    assert 1 <= len(tokens) <= 6
    assert tokens[-1]["finishReason"] in ("length", "stop")
    again, _ = finish(bridge.complete_start(model, ["Once"], options))
    assert [e for e in again if "id" in e] == tokens
    messages = json.dumps([{"role": "user", "content": "Hi"}])
    events, _ = finish(bridge.chat_start(model, [messages], options))
    assert events[0]["total"] == 3 + len("user\nHi\nassistant\n")  # three special tokens, then bytes
    bridge.release(model)


def test_weights_are_read_tensor_by_tensor(checkpoint: Path) -> None:
    readers = [FakeReader(n, (checkpoint / n).read_bytes()) for n in tiny_checkpoint.FILES]
    events, result = finish(bridge.load_start(readers), budget=0)
    weights = readers[-1]
    assert weights.largest < weights.size / 2
    assert events[-1]["loaded"] == events[-1]["total"]
    assert [e["loaded"] for e in events] == sorted(e["loaded"] for e in events)
    assert result["chat"] is True
    bridge.release(result["handle"])


def test_a_model_goes_to_the_next_device_if_the_best_is_too_small(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = WebGPUDevice(WgpuHost(limits={"maxBufferSize": 256}))
    simd = SimdDevice()
    mine = Devices()
    monkeypatch.setattr(placing, "devices", mine)
    mine.add(small)
    mine.prefer("webgpu")
    readers = [FakeReader(n, (checkpoint / n).read_bytes()) for n in tiny_checkpoint.FILES]
    with pytest.raises(DeviceError, match="buffers hold 256"):
        finish(bridge.load_start(readers))
    assert small.host.used() == (0, 0)
    mine.add(simd)
    _, result = finish(bridge.load_start(readers))
    assert result["device"] == "simd"
    assert result["reason"].startswith("webgpu: a tensor of")
    assert small.host.used() == (0, 0)
    assert finish(bridge.complete_start(result["handle"], "Once", '{"maxTokens": 2}'))[0]
    bridge.release(result["handle"])
    small.close()
    simd.close()


def test_two_generations_at_once(checkpoint: Path) -> None:
    model = load(checkpoint)
    alone = [finish(bridge.complete_start(model, [text], '{"maxTokens": 6}'))[0] for text in ("Once", "Twice")]
    task = bridge.complete_start(model, ["Once"], '{"maxTokens": 6}')
    first = json.loads(bridge.task_advance(task, 0))["events"]
    assert finish(bridge.complete_start(model, ["Twice"], '{"maxTokens": 6}'))[0] == alone[1]
    rest, _ = finish(task)
    assert [e for e in [*first, *rest] if "id" in e] == [e for e in alone[0] if "id" in e]


@pytest.mark.parametrize(
    ("options", "where"),
    [('{"maxtokens": 1}', "options.maxtokens"), ("[]", "options"), ('{"topP": 2}', "top_p"), ('{"seed": 1.5}', "seed")],
)
def test_wrong_options_are_named(checkpoint: Path, options: str, where: str) -> None:
    model = load(checkpoint)
    with pytest.raises(InputError) as caught:
        bridge.complete_start(model, ["Once"], options)
    assert where in caught.value.where


def test_bad_files_are_named_and_leave_a_loaded_model_working(checkpoint: Path) -> None:
    model = load(checkpoint)
    weights = (checkpoint / "model.safetensors").read_bytes()
    with pytest.raises(FormatError, match=r"model\.safetensors"):
        load(checkpoint, model=weights[:-5])
    with pytest.raises(FormatError, match=r"tokenizer\.json"):
        load(checkpoint, tokenizer=b"{")
    with pytest.raises(ModelError, match=r"config\.json"):
        finish(bridge.load_start([FakeReader("model.safetensors", weights)]))
    assert finish(bridge.complete_start(model, ["Once"], '{"maxTokens": 2}'))[0]


def test_a_reader_that_gives_too_little_is_refused() -> None:
    class Short(FakeReader):
        def read(self, offset: int, length: int) -> FakeArray:
            return FakeArray(self._data[offset : offset + length - 1])

    with pytest.raises(FormatError, match="gave 9 of 10 bytes"):
        JsSource(Short("x", b"0123456789")).read(0, 10)
    assert bytes(JsSource(FakeReader("x", b"abc")).read(1, 2)) == b"bc"


def test_the_originals_text_functions(checkpoint: Path) -> None:
    files = {n: FakeReader(n, (checkpoint / n).read_bytes()) for n in tiny_checkpoint.FILES}
    with pytest.raises(InputError, match="Tokenizer not loaded"):
        bridge.encode_text("x", True)
    assert json.loads(bridge.load_tokenizer(files["tokenizer.json"]))["vocab_size"] == 259
    with pytest.raises(InputError, match="Model not loaded"):
        bridge.generate_next_token("[1]", 0.7)
    loaded = json.loads(bridge.load_transformer(files["config.json"], files["model.safetensors"]))
    assert loaded["success"]
    assert loaded["num_layers"] == 2
    ids = bridge.encode_text("Grüße", True)
    assert bridge.decode_tokens(ids, True) == "Grüße"
    reply = json.loads(bridge.generate_text("Once", 3, 0.7))
    assert reply["generated_text"].startswith("Once")
    assert 1 <= reply["num_tokens"] <= 3
    assert int(bridge.generate_next_token(ids, 0)) == int(bridge.generate_next_token(ids, 0))
    for wrong in ("[]", "[1.5]", '["1"]', "{}", "[true]"):
        with pytest.raises(InputError):
            bridge.generate_next_token(wrong, 0)

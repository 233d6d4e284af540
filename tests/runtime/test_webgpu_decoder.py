"""The decoder in WGSL: weights in every storage, whole programs, sampling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loom_py.errors import DeviceLost
from loom_py.formats.quant import widen
from loom_py.generation import on_device
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.trace import trace_decoder
from loom_py.runtime.numpy_ops import NumpyOps
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.stored import StoredWeight
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.transforms import fuse
from loom_py.runtime.verify import error
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..formats.tiny_gguf import write_tiny_gguf
from ..models import tiny

STORAGES = {"F32": (1, 4), "F16": (1, 2), "BF16": (1, 2), "Q8_0": (32, 34), "Q4_0": (32, 18), "Q4_1": (32, 20)}


@pytest.fixture(scope="module")
def device() -> Iterator[WebGPUDevice]:
    instance = WebGPUDevice(WgpuHost())
    yield instance
    instance.close()


@pytest.fixture(scope="module")
def narrow() -> Iterator[WebGPUDevice]:
    """A device that binds 64 KiB at once."""
    instance = WebGPUDevice(WgpuHost(limits={"maxStorageBufferBindingSize": 1 << 16}))
    yield instance
    instance.close()


def stored(rng: Any, storage: str, rows: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Random rows as in a file, and their values."""
    block, size = STORAGES[storage]
    data = rng.integers(0, 256, (rows, width // block, size)).astype(np.uint8)
    numbers = 2 if storage == "Q4_1" else 1
    values = (rng.normal(size=(rows, width // block, numbers)) * 0.1).astype(np.float32)
    if storage == "F32":
        data[...] = values.view(np.uint8)
    elif storage == "BF16":
        data[...] = (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    else:
        data[..., : 2 * numbers] = values.astype(np.float16).view(np.uint8)
    wide = np.empty((rows * width // block, block), np.float32)
    widen(data.reshape(-1, size), storage, wide)
    return data.reshape(rows, -1), wide.reshape(rows, width)


@pytest.mark.parametrize("tokens", [1, 3, 20])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("which", ["device", "narrow"])
def test_weights_as_stored(request: Any, which: str, storage: str, tokens: int) -> None:
    device: WebGPUDevice = request.getfixturevalue(which)
    rng = np.random.default_rng(tokens)
    for rows, width in ((5, 32), (130, 96), (611, 224)):
        data, wide = stored(rng, storage, rows, width)
        table = StoredWeight(device.upload_stored(data, storage, (rows, width)))
        ops: Any = TracingOps("linear")
        ids = ops.tensor(np.zeros(tokens, np.int64), "input", "ids")
        x = ops.tensor(np.zeros((tokens, width), np.float32), "input", "x")
        residual = ops.tensor(np.zeros((tokens, rows), np.float32), "input", "residual")
        weight = ops.tensor(wide, "state", "w")
        gamma = rng.normal(size=width).astype(np.float32)
        ops.output("rows", ops.embedding(ids, weight))
        ops.output("y", ops.linear(x, weight, rng.normal(size=rows).astype(np.float32)))
        ops.output("gated", ops.norm_gate_up(x, gamma, 1e-5, weight, weight))
        ops.output("added", ops.linear_add(x, weight, None, residual))
        ops.output("normed", ops.norm_linear(x, gamma, 1e-5, [weight], [None])[0])
        inputs = {
            "ids": rng.integers(0, rows, tokens),
            "x": rng.normal(size=(tokens, width)).astype(np.float32),
            "residual": rng.normal(size=(tokens, rows)).astype(np.float32),
        }
        run = device.compile(ops.program, {"w": table.tensor})
        if which == "narrow" and wide.nbytes > 1 << 16 and storage == "F32":
            assert len(run.plan.dispatches) > len(ops.program.dispatches) + 2, "the matrix is bound in parts"
        actual, expected = run.run(inputs), replay(ops.program, inputs, {"w": wide})
        for name, value in expected.items():
            assert error(actual[name], value) < 1e-5, name
        run.free()
        device.free(table.tensor)
    assert device.host.used() == (0, 0)


@pytest.mark.parametrize("storage", ["F16", "BF16"])
def test_odd_widths_are_widened(device: WebGPUDevice, storage: str) -> None:
    data, wide = stored(np.random.default_rng(0), storage, 7, 13)
    tensor = device.upload_stored(data, storage, (7, 13))
    assert tensor.dtype == "F32"
    np.testing.assert_array_equal(device.download(tensor), wide)
    device.free(tensor)


def upload(device: WebGPUDevice, program: Program, weights: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of a program on the host and on the device."""
    state = {
        name: np.asarray(weights[name])
        if name in weights
        else np.zeros(program.buffers[index].shape, program.buffers[index].dtype)
        for name, index in program.state.items()
    }
    return state, {name: device.upload(a) for name, a in state.items()}


@pytest.mark.parametrize("steps", [1, 6, 23])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("shape", [{}, {"hidden_size": 64, "num_attention_heads": 8}], ids=["24", "64"])
def test_logits_of_a_decoder(device: WebGPUDevice, shape: dict[str, int], fused: bool, steps: int) -> None:
    model = tiny.llama(**shape)
    program = trace_decoder(model.decoder, steps, 300, "every")
    program = fuse(program) if fused else program
    state, uploaded = upload(device, program, model.weights)
    run = device.compile(program, uploaded)
    rng = np.random.default_rng(0)
    for position in range(0, 250, steps + 40):  # a cache of some length, and holes nobody looks at twice
        ids = rng.integers(0, 37, steps)
        expected = replay(program, {"ids": ids}, state, position=position)["logits"]
        actual = run.run({"ids": ids}, position=position)["logits"]
        assert error(actual, expected) < 1e-5
        assert (actual.argmax(-1) == expected.argmax(-1)).all()
    run.free()
    for tensor in uploaded.values():
        device.free(tensor)


def test_a_thousand_tokens_without_the_host(device: WebGPUDevice) -> None:
    """Each token is fed to the next replay on the device; memory does not grow."""
    model = tiny.llama(max_position_embeddings=1100)
    program = fuse(trace_decoder(model.decoder, 1, 1100, "next", fed=True))
    state, uploaded = upload(device, program, model.weights)
    run = device.compile(program, uploaded, keep=500)
    used = device.host.used()
    tokens = []
    numbers = {"temperature": 0.9, "top_k": 12, "repetition_penalty": 1.2, "seed": 5}
    for start in (0, 500):
        places = np.arange(start, start + 500)
        tokens.append(run.run_many({"position": places, "step": places, **numbers}, 500)["next"].ravel())
        assert device.host.used() == used
    expected = [int(replay(program, {}, state, position=i, step=i, **numbers)["next"][0]) for i in range(120)]
    assert np.concatenate(tokens)[:120].tolist() == expected
    assert len(set(np.concatenate(tokens).tolist())) > 5
    run.free()


def test_sampling_draws_what_numpy_draws(device: WebGPUDevice) -> None:
    rng = np.random.default_rng(1)
    for n in (1, 2, 37, 1000, 5003):
        ops: Any = TracingOps("sample")
        logits = ops.tensor(np.zeros(n, np.float32), "input", "logits")
        seen = ops.tensor(np.zeros(n, np.uint8), "state", "seen")
        names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "step")
        ops.output("next", ops.sample(logits, seen, **{name: ops.dynamic(name, 1.0) for name in names}))
        flags = rng.random(n) < 0.3
        state = {"seen": device.upload(flags)}
        run = device.compile(ops.program, state)
        for trial in range(60):
            values = (rng.normal(size=n) * 3).astype(np.float32)
            if trial % 3 == 0:
                values = np.round(values)  # ties
            numbers = {
                "temperature": float(rng.choice([0.0, 0.5, 1.0, 1.7])),
                "top_k": int(rng.choice([0, 1, 5, 40])),
                "top_p": float(rng.choice([1.0, 0.9, 0.3])),
                "min_p": float(rng.choice([0.0, 0.05])),
                "repetition_penalty": float(rng.choice([1.0, 1.3])),
                "seed": int(rng.integers(0, 2**32)),
                "step": trial,
            }
            actual = int(run.run({"logits": values}, **numbers)["next"][0])
            assert actual == int(NumpyOps().sample(values, flags, **numbers)[0]), (n, numbers)
        run.free()
        device.free(state["seen"])


OPTIONS = [
    GenerationOptions(max_tokens=20),
    GenerationOptions(max_tokens=20, temperature=0.9, top_k=9, top_p=0.9, repetition_penalty=1.3, seed=1 << 40),
]


@pytest.mark.parametrize("options", OPTIONS, ids=["greedy", "drawn"])
@pytest.mark.parametrize("kind", ["F16", "Q4_1", "Q8_0"])
@pytest.mark.parametrize("seconds", [0, 1e9], ids=["one by one", "ahead"])
def test_text_continues_after_a_loss(
    tmp_path: Path, kind: str, options: GenerationOptions, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens of NumPy, also when the GPU is lost in the prompt and during generation."""
    monkeypatch.setattr(on_device, "BLOCK_SECONDS", seconds)
    device = WebGPUDevice(WgpuHost())
    path = write_tiny_gguf(tmp_path / "m.gguf", kind=kind, tied=kind == "Q4_1").path
    prompt = "hello world " * 3
    expected = [t.id for t in load_model(path).generate(prompt, options)]
    model = load_model(path, device=device)
    assert (model.device, model.activations) == ("webgpu", "f32")
    device.host.lose("unknown")  # before the cache has any memory
    assert [t.id for t in model.generate(prompt, options)] == expected
    used = []
    for _ in range(3):
        ids: list[int] = []
        for token in model.generate(prompt, options):
            if len(ids) in (0, 7):
                device.host.lose("unknown")
            ids.append(token.id)
        assert ids == expected
        used.append(device.host.used())
    assert used[1] == used[2], "a loss leaves nothing behind"
    device.host.lose("unknown")
    assert [t.id for t in model.generate("world " + prompt, options)] != []
    device.host.close()
    with pytest.raises(DeviceLost):
        list(model.generate(prompt, options))


def test_a_loss_during_one_text_does_not_end_another(tmp_path: Path) -> None:
    """The first user reopens the GPU; the others find their caches empty and refill them."""
    device = WebGPUDevice(WgpuHost())
    path = write_tiny_gguf(tmp_path / "m.gguf", kind="Q8_0").path
    prompts = ("hello world " * 3, "world " * 5)
    plain = load_model(path)
    expected = [[t.id for t in plain.generate(p, OPTIONS[1])] for p in prompts]
    assert min(map(len, expected)) > 9
    models = [load_model(path, device=device) for _ in prompts]
    texts = [m.generate(p, OPTIONS[1]) for m, p in zip(models, prompts, strict=True)]
    streams = [[next(text).id for _ in range(5)] for text in texts]
    device.host.lose("unknown")
    for ids, text in zip(streams, texts, strict=True):
        ids += [t.id for t in text]
    assert streams == expected
    device.close()

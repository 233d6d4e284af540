"""WebGPU in Chromium, on SwiftShader: every kernel, training, and what happens when the GPU is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from loom_py.runtime.webgpu import KERNELS

from . import tiny_checkpoint
from .conftest import FLAGS, GPU_FLAGS, Open, _finish, _opener, program

START = """async (options) => {
  const { loom } = await import("/loom.js");
  globalThis.session = await loom.start(options);
  return session.devices;
}"""


@pytest.fixture(scope="module")
def gpu_chromium(chromium: Browser) -> Iterator[Browser]:
    """The same Chromium, with a GPU."""
    browser = chromium.browser_type.launch(executable_path=program(), args=[*FLAGS, *GPU_FLAGS])
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(gpu_chromium: Browser, plain_url: str) -> Iterator[Page]:
    """A page with a session that prefers the GPU."""
    contexts: list[Any] = []
    watches: list[Any] = []
    page = _opener(gpu_chromium, contexts, watches)(f"{plain_url}index.html")
    devices = page.evaluate(START, {"device": "webgpu"})
    gpu = next(d for d in devices if d["device"] == "webgpu")
    assert gpu["available"], f"a test of WebGPU needs an adapter: {gpu}"
    assert gpu["hardware"] is False
    assert "subgroups" in gpu["features"]
    yield page
    _finish(contexts, watches)


def test_every_kernel(page: Page) -> None:
    rows = page.evaluate("""async () => {
      const events = [];
      const rows = await session.verifyDevice("webgpu", { onProgress: (event) => events.push(event.loaded) });
      if (events.length !== rows.length) throw new Error(`${events.length} events for ${rows.length} kernels`);
      return rows;
    }""")
    assert [row for row in rows if row["problem"]] == []
    assert all(row["error"] < 1e-5 for row in rows)
    assert len(rows) >= len(KERNELS) - 8


TRAIN = """async ({ device, epochs }) => {
  await session.useDevice(device);
  const dense = { type: "dense", input_size: 12, output_size: 24, activation: "tanh" };
  const layers = [dense, { ...dense, input_size: 24, output_size: 3, activation: "sigmoid" }];
  const network = await session.createNetwork({ layers }, { seed: 4 });
  const batches = [];
  for (let i = 0; i < 5; i++) {
    const input = Float32Array.from({ length: 8 * 12 }, (_, j) => Math.sin(i + 3 * j));
    batches.push({ input, target: Float32Array.from({ length: 8 * 3 }, (_, j) => ((i + j) % 3 === 0 ? 1 : 0)) });
  }
  const result = await network.train(batches, { epochs, learningRate: 0.05, optimizer: { type: "adamw" } });
  const where = await network.call("GetDevice");
  await network.free?.();
  return { history: result.LossHistory, where, devices: await session.useDevice(device) };
}"""


def test_training_a_dense_network(page: Page) -> None:
    expected = page.evaluate(TRAIN, {"device": "numpy", "epochs": 20})
    result = page.evaluate(TRAIN, {"device": "webgpu", "epochs": 20})
    assert result["where"] == {"device": "webgpu", "reason": "asked for"}
    assert result["history"] == pytest.approx(expected["history"], rel=1e-4)
    assert result["history"][-1] < 0.9 * result["history"][0]
    gpu = next(d for d in result["devices"] if d["device"] == "webgpu")
    assert (gpu["used"], gpu["buffers"]) == (0, 0), "training gives its memory back"


def test_the_originals_gpu_methods(page: Page) -> None:
    result = page.evaluate("""async () => {
      await session.useDevice("webgpu");
      const layers = [{ type: "dense", input_size: 5, output_size: 3, activation: "tanh" }];
      const network = await session.createNetwork({ layers }, { seed: 2 });
      const x = [0.1, -0.2, 0.3, 0.4, -0.5];
      const [cpu] = await network.call("ForwardCPU", x);
      await network.call("InitGPU");
      const [gpu, nanoseconds] = await network.call("ForwardGPU", x);
      const [gradient] = await network.call("BackwardGPU", [1, 2, 3]);
      await network.call("ForwardCPU", x);
      const [expected] = await network.call("BackwardCPU", [1, 2, 3]);
      await network.call("ReleaseGPU");
      const [device] = (await session.useDevice("webgpu")).filter((d) => d.device === "webgpu");
      return { cpu, gpu, nanoseconds, gradient, expected, buffers: device.buffers };
    }""")
    assert result["gpu"] == pytest.approx(result["cpu"], rel=1e-5)
    assert result["gradient"] == pytest.approx(result["expected"], rel=1e-5)
    assert result["nanoseconds"] > 0
    assert result["buffers"] == 0


def test_without_a_gpu_the_reason_is_told(open_page: Open, plain_url: str) -> None:
    page = open_page(f"{plain_url}index.html")
    devices = page.evaluate(START, {"device": "webgpu"})
    gpu = next(d for d in devices if d["device"] == "webgpu")
    assert not gpu["available"]
    assert "GPU" in gpu["reason"]
    trained = page.evaluate(TRAIN, {"device": "webgpu", "epochs": 2})
    assert trained["where"]["device"] in ("simd", "numpy")
    assert trained["where"]["reason"].startswith("webgpu is not available")


def lose(reason: str) -> str:
    """A script that collects the page's devices; a destroyed device reports this reason for its loss."""
    return (
        """(() => {
          const gpus = [];
          const original = GPUAdapter.prototype.requestDevice;
          GPUAdapter.prototype.requestDevice = async function (...options) {
            const device = await original.apply(this, options);
            const lost = device.lost.then(({ message }) => ({ reason: "REASON", message }));
            Object.defineProperty(device, "lost", { value: lost });
            gpus.push(device);
            return device;
          };
          globalThis.gpus = gpus;
        })()"""
    ).replace("REASON", reason)


@pytest.mark.parametrize("reason", ["destroyed", "unknown"])
def test_a_lost_gpu_is_reported_and_reopened(gpu_chromium: Browser, plain_url: str, reason: str) -> None:
    """A loss in mid-training: a typed error; the next training uses another device, and the GPU again on request."""
    context = gpu_chromium.new_context()
    context.add_init_script(lose(reason))
    page = context.new_page()
    page.goto(f"{plain_url}index.html")
    page.evaluate(START, {"device": "webgpu", "worker": False})
    first = page.evaluate(TRAIN, {"device": "webgpu", "epochs": 3})
    assert first["where"]["device"] == "webgpu"
    lost = page.evaluate("""async () => {
      const layers = [{ type: "dense", input_size: 4, output_size: 4 }];
      const network = await session.createNetwork({ layers }, { seed: 1 });
      const batch = { input: new Float32Array(4).fill(1), target: new Float32Array(4).fill(2) };
      let seen = 0;
      try {
        const onProgress = () => seen++ || gpus.at(-1).destroy();
        await network.train([batch], { epochs: 1e6, learningRate: 1e-6 }, { onProgress });
      } catch (error) {
        return { seen, name: error.name, message: error.message, remedy: error.remedy };
      }
    }""")
    assert lost["name"] == "DeviceLost"
    assert f"the GPU was lost ({reason})" in lost["message"]
    assert lost["remedy"]
    assert lost["seen"] >= 1
    again = page.evaluate(TRAIN, {"device": "webgpu", "epochs": 3})
    assert again["where"]["device"] == "webgpu"
    assert again["history"] == first["history"]
    assert page.evaluate("gpus.length") == 2
    output = page.evaluate("""async () => {
      const layers = [{ type: "dense", input_size: 4, output_size: 4 }];
      const network = await session.createNetwork({ layers }, { seed: 1 });
      gpus.at(-1).destroy();
      await gpus.at(-1).lost;
      await network.call("InitGPU");
      const [output] = await network.call("ForwardGPU", [1, 2, 3, 4]);
      const [expected] = await network.call("ForwardCPU", [1, 2, 3, 4]);
      await network.call("ReleaseGPU");
      return [output, expected];
    }""")
    assert output[0] == pytest.approx(output[1], rel=1e-5)
    context.close()


LOSSES = """async () => {
  const { WebGPUHost } = await import("./devices/webgpu_host.js");
  const source = "@group(0) @binding(0) var<storage, read_write> data: array<f32>; " +
    "@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { data[id.x] *= 2.0; }";
  const host = await WebGPUHost.open();
  const [data, row] = [host.create(16), host.create(16)];
  host.write(data, 0, new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer), true);
  const spec = {
    label: "double", sources: { double: source }, tables: [], keeps: [], row: { buffer: row, nbytes: 16, used: false },
    pipelines: [{ shader: "double", entry: "main", constants: {}, layout: [[0, "write"]] }],
    dispatches: [{ pipeline: 0, groups: [1, 1, 1], uniform: 0, buffers: [[0, data, 0, 16]] }],
  };
  const plan = host.plan(JSON.stringify(spec), new Uint8Array());
  const result = {};
  const doubled = async () => {
    host.replay(plan, new Uint8Array(), 1, [], false);
    const reading = host.read([data, 0, 16]);
    await reading.promise;
    return reading;
  };
  const answer = doubled();  // waits for the pipeline
  host.lose("unknown");
  result.message = host.lost;
  await Promise.all([host.reopen(), host.reopen()]);
  const stopped = await answer;
  result.stopped = [stopped.lost, stopped.bytes];
  const again = await doubled();
  result.again = [...new Float32Array(again.bytes.buffer)];
  result.failure = host.failure();
  result.generation = host.generation;
  result.lost = host.lost;
  // Whoever stops while a pipeline compiles takes its buffers along.
  const left = host.create(16);
  const other = JSON.stringify(spec).replaceAll(`,${data},0,16`, `,${left},0,16`).replaceAll("double", "left");
  const gone = host.plan(other, new Uint8Array());
  host.replay(gone, new Uint8Array(), 1, [], false);
  host.drop(gone);
  host.destroy(left);
  await host.read([row, 0, 16]).promise;
  result.left = host.failure();
  const late = doubled();
  host.lose("unknown");
  const opening = host.reopen().catch((error) => error.message);
  host.close();
  result.late = (await late).lost;
  result.closed = await opening;
  const patience = new Promise((go) => setTimeout(go, 1000, true));
  result.alive = await Promise.all(gpus.map((gpu) => Promise.race([gpu.lost.then(() => false), patience])));
  return result;
}"""


def test_losses_at_bad_moments(gpu_chromium: Browser, plain_url: str) -> None:
    """While pipelines compile, twice at once, and with a close: every caller gets an answer, nothing stays open."""
    context = gpu_chromium.new_context()
    context.add_init_script(lose("unknown"))
    page = context.new_page()
    page.goto(f"{plain_url}index.html")
    result = page.evaluate(LOSSES)
    assert result["left"] == ""
    assert result["message"] == "the GPU was lost (unknown): on purpose"
    assert result["stopped"] == [True, None]
    assert result["again"] == [2, 4, 6, 8]
    assert (result["failure"], result["generation"], result["lost"]) == ("", 2, "")
    assert result["late"] is True
    assert result["closed"] == "webgpu: the device was closed"
    assert result["alive"] == [False, False, False]
    context.close()


def test_the_page_of_devices(gpu_chromium: Browser, plain_url: str) -> None:
    contexts: list[Any] = []
    watches: list[Any] = []
    page = _opener(gpu_chromium, contexts, watches)(f"{plain_url}devices.html")
    button = page.get_by_role("button", name="Verify on my device")
    expect(button).to_be_enabled(timeout=60_000)
    rows = page.locator("#devices tr")
    expect(rows.filter(has_text="swiftshader, played by the CPU, WGSL kernels")).to_have_count(1)
    expect(page.locator("#adapter tr").filter(has_text="maxStorageBufferBindingSize")).to_have_count(1)
    button.click()
    expect(page.locator("#summary")).to_have_text(re.compile(r"All \d+ kernels are right\."), timeout=900_000)
    assert page.locator("#kernels tr").filter(has_text="webgpu").count() > 25
    _finish(contexts, watches)


GENERATE = """async ({ files, device, loseAt, options }) => {
  await session.useDevice(device);
  const checkpoint = Object.entries(files).map(([name, bytes]) => new File([new Uint8Array(bytes)], name));
  const model = await session.loadModel(checkpoint);
  const buffers = async () => (await session.useDevice(device)).find((d) => d.device === "webgpu").buffers;
  const runs = [];
  for (let round = 0; round < 3; round++) {
    const ids = [];
    let step = 0;
    for await (const token of model.complete("abc ".repeat(9), options)) {
      if (token.done) break;
      ids.push(token.id);
      if (loseAt.includes(step++)) gpus.at(-1).destroy();
    }
    runs.push({ ids, buffers: await buffers() });
  }
  await model.dispose?.();
  return { runs, device: model.facts.device, activations: model.facts.activations };
}"""


@pytest.mark.parametrize(
    "options", [{"maxTokens": 16}, {"maxTokens": 16, "temperature": 0.9, "seed": 7}], ids=["greedy", "drawn"]
)
def test_text_of_a_small_model(gpu_chromium: Browser, plain_url: str, tmp_path: Path, options: dict[str, Any]) -> None:
    """NumPy's tokens from the GPU, also when the GPU is lost during generation; buffers do not grow."""
    directory = tiny_checkpoint.write(tmp_path)
    files = {name: list((directory / name).read_bytes()) for name in tiny_checkpoint.FILES}
    context = gpu_chromium.new_context()
    context.add_init_script(lose("unknown"))
    page = context.new_page()
    page.goto(f"{plain_url}index.html")
    page.evaluate(START, {"device": "webgpu", "worker": False})
    arguments = {"files": files, "options": options}
    expected = page.evaluate(GENERATE, {**arguments, "device": "numpy", "loseAt": []})
    result = page.evaluate(GENERATE, {**arguments, "device": "webgpu", "loseAt": []})
    assert (result["device"], result["activations"]) == ("webgpu", "f32")
    assert len(expected["runs"][0]["ids"]) > 10
    assert [t["ids"] for t in result["runs"]] == [t["ids"] for t in expected["runs"]]
    assert result["runs"][1]["buffers"] == result["runs"][2]["buffers"]
    if "seed" in options:  # a loss means compiling everything again, which takes SwiftShader long
        lost = page.evaluate(GENERATE, {**arguments, "device": "webgpu", "loseAt": [5]})
        assert [t["ids"] for t in lost["runs"]] == [t["ids"] for t in expected["runs"]]
        assert page.evaluate("gpus.length") == 4, "one for each loss"
    context.close()


def test_kernels_are_timed_one_by_one(page: Page) -> None:
    """SwiftShader's figures say nothing about a GPU, but every kernel has one, and progress counts the rows."""
    out = page.evaluate("""async () => {
      const dense = { type: "dense", input_size: 8, output_size: 8, activation: "tanh" };
      const network = await session.createNetwork({ layers: [dense, dense] });
      const counted = [];
      const onProgress = ({ loaded, total }) => counted.push([loaded, total]);
      const profile = await network.profile(null, "training", "webgpu", 1, 4, { onProgress });
      await network.dispose();
      return { profile, counted };
    }""")
    rows = out["profile"]["rows"]
    assert out["profile"]["device"] == "webgpu"
    assert {"matmul", "activate", "loss", "sgd_step"} <= {row["kernel"] for row in rows}
    assert out["counted"] == [[i + 1, len(rows)] for i in range(len(rows))]
    assert out["profile"]["kernels_ms"] > 0

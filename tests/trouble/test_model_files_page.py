"""Files and addresses of models in a page: what they are, which are used, and what is refused before it is fetched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import pytest
from playwright.sync_api import Page

from tests.browser import tiny_checkpoint
from tests.browser.conftest import Open
from tests.browser.fake_hub import COMMIT, Hub
from tests.conftest import ROOT
from tests.formats.builders import gguf_bytes, pair, tensor, text
from tests.formats.tiny_gguf import write_tiny_gguf

CASES = json.loads((ROOT / "tests" / "data" / "hub_addresses.json").read_text())
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 98765432\n"
HELPERS = """
async (origin) => {
    const { loom } = await import("/loom.js");
    window.session = await loom.start({ worker: false, device: "numpy" });
    const python = (await import("/engine/boot.js")).boot;
    const { inPython } = await import("/engine/python.js");
    window.load = async (source, options = {}) => {
        const events = [];
        const onProgress = ({ status, message, file }) => events.push([status, message ?? file ?? ""]);
        try {
            const model = await session.loadModel(source, { ...options, onProgress });
            const { name, vocab_size, notices } = model.facts;
            await model.dispose();
            return { name, vocab_size, notices, events };
        } catch (error) {
            return { error: error.name, message: error.message, where: error.where, remedy: error.remedy, events };
        }
    };
    window.address = async (text) => {
        const runtime = await python();
        try {
            return JSON.parse(inPython(runtime, (b) => b.hub_address(text)));
        } catch (error) {
            return { error: error.message };
        }
    };
    window.local = (files, options) =>
        load(files.map(([name, data]) => new File([Uint8Array.fromBase64 ? Uint8Array.fromBase64(data)
            : Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name)), options);
}
"""


@dataclass
class Models:
    folder: Path
    tiny: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    result = Models(folder)
    directory = tiny_checkpoint.write(folder / "tiny")
    result.tiny = {name: (directory / name).read_bytes() for name in tiny_checkpoint.FILES}
    (folder / "parts").mkdir()
    write_tiny_gguf(folder / "parts" / "m.gguf", tensors_a_part=9)
    result.parts = {path.name: path.read_bytes() for path in sorted((folder / "parts").iterdir())}
    return result


@pytest.fixture(scope="module")
def page(open_module_page: Open, plain_url: str) -> Page:
    page = open_module_page(plain_url + "demos/icon.svg", allowed=["127.0.0.1", "404"], bypass_csp=True)
    page.set_default_timeout(300_000)
    page.evaluate(HELPERS, plain_url)
    return page


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    yield server
    server.stop()


def local(page: Page, files: dict[str, bytes]) -> dict[str, Any]:
    import base64

    chosen = [[name, base64.b64encode(data).decode()] for name, data in files.items()]
    return page.evaluate("(files) => local(files)", chosen)


def remote(page: Page, hub: Hub, name: str) -> dict[str, Any]:
    hub.log.clear()
    return page.evaluate("([name, hubURL]) => load(name, { hubURL, keep: 'never' })", [name, hub.url])


# The trouble table and the same cases as on the command line (test_hub_addresses.py).
def test_addresses_mean_the_same_in_the_page(page: Page) -> None:
    for typed, means in CASES["understood"]:
        address = page.evaluate("(text) => address(text)", typed)
        assert {key: value for key, value in address.items() if value} == means, typed
    for typed, says in CASES["refused"]:
        assert says in page.evaluate("(text) => address(text)", typed)["error"], typed


# ngxson/wllama #135; huggingface/transformers #27923; the trouble table: one rule in the page too.
def test_local_files_follow_the_rule(page: Page, models: Models) -> None:
    whole = local(page, models.parts)
    assert "error" not in whole, whole
    assert whole["name"] == "m-00001-of-00003.gguf"
    first = dict(list(models.parts.items())[:1])
    alone = local(page, first)
    assert (alone["error"], "parts 2, 3 of 3 are missing" in alone["message"]) == ("FormatError", True)
    with_adapter = local(page, {**models.tiny, "adapter_model.safetensors": b"x", "m.gguf": b"GGUF"})
    assert "error" not in with_adapter, with_adapter
    notices = sorted(message.split()[0] for status, message in with_adapter["events"] if status == "notice")
    assert notices == ["adapter_model.safetensors", "m.gguf"]
    pointer = local(page, {**models.tiny, "model.safetensors": LFS})
    assert "is a Git LFS pointer" in pointer["message"]
    assert "git lfs pull" in pointer["remedy"]
    marked = local(page, {**models.tiny, "config.json": b"\xef\xbb\xbf" + models.tiny["config.json"]})
    assert "byte order mark" in marked["message"]


def test_the_hub_follows_the_rule(page: Page, hub: Hub, models: Models) -> None:
    hub.files = {**models.parts, "mmproj-m.gguf": b"GGUF", ".gitattributes": b"x", "README.md": b"#"}
    whole = remote(page, hub, f"{hub.url and 'https://huggingface.co'}/someone/split/tree/main")
    assert "error" not in whole, whole
    assert {name for name, _ in hub.downloads() if name.endswith(".gguf")} == set(models.parts)
    part = remote(page, hub, "someone/split/resolve/main/m-00002-of-00003.gguf?download=true")
    assert part.get("name") == "m-00001-of-00003.gguf", part
    assert all(f"/resolve/{COMMIT}/" in path for _, path, span in hub.log if span)
    data = write_tiny_gguf(models.folder / "q.gguf").path.read_bytes()
    hub.files = {"q-Q4_K_M.gguf": data, "q-Q8_0.gguf": data}
    several = remote(page, hub, "someone/quants")
    assert (several["error"], "2 GGUF files at once" in several["message"]) == ("ModelError", True)
    assert "q-Q4_K_M.gguf, q-Q8_0.gguf" in several["remedy"]
    assert remote(page, hub, "hf.co/someone/quants:q8_0").get("name") == "q-Q8_0.gguf"
    assert {name for name, _ in hub.downloads() if name.endswith(".gguf")} == {"q-Q8_0.gguf"}
    hub.files = {**models.tiny, "adapter_model.safetensors": b"x", "consolidated.safetensors": b"x", "m.gguf": data}
    tiny = remote(page, hub, "someone/tiny/")
    assert "error" not in tiny, tiny
    assert {name for name, _ in hub.downloads()} - set(models.tiny) <= {"main"}


def test_what_cannot_be_loaded_is_refused_before_its_weights_are_fetched(page: Page, hub: Hub, tmp_path: Path) -> None:
    # mattn/tensai #47 and the trouble table: after the whole download
    iq2 = int(gguf.GGMLQuantizationType.IQ2_XXS)
    rows = 40_000
    size = -(-rows * gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.IQ2_XXS][1] // 32) * 32
    tiny = write_tiny_gguf(tmp_path / "tiny.gguf").path.read_bytes()
    other = gguf_bytes([pair("general.architecture", 8, text("mamba"))], [tensor("t", [256, rows], iq2)], bytes(size))
    hub.files = {"other.gguf": other, "tail.gguf": tiny + bytes(3 << 20)}
    refused = remote(page, hub, "someone/model/other.gguf")
    assert refused["error"] == "ModelError"
    assert "mamba" in refused["message"]
    assert not [status for status, _ in refused["events"] if status == "download"]
    assert hub.sent < len(other)
    assert remote(page, hub, "someone/model/tail.gguf").get("name") == "tail.gguf"
    shutil.rmtree(tmp_path)

"""The commands that look into files: convert and inspect."""

from __future__ import annotations

import json
from pathlib import Path

from loom_py import build_network_from_json
from tests.formats.tiny_gguf import TinyGGUF

from .conftest import EXAMPLES, NETWORK, Run, write


def test_convert_and_inspect(run: Run, tiny: TinyGGUF, tmp_path: Path) -> None:
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


def test_convert_to_gguf(run: Run, tiny: TinyGGUF, tmp_path: Path) -> None:
    folder, target = tmp_path / "converted", tmp_path / "again.gguf"
    assert run("convert", tiny.path, folder)[0] == 0
    status, out, _ = run("convert", folder, target, "--dtype", "q8_0", "--json")
    assert status == 0
    report = json.loads(out)
    assert (report["bytes"], report["architecture"]) == (target.stat().st_size, "llama")
    assert report["types"]["Q8_0"] > 0
    assert "exists" in run("convert", folder, target)[2]
    assert run("convert", folder, target, "--overwrite")[1] == f"written to {target}\n"
    assert "is for .gguf files" in run("convert", tiny.path, tmp_path / "x", "--dtype", "q4_0")[2]
    assert "is GGUF already" in run("convert", tiny.path, tmp_path / "x.gguf")[2]


def test_inspect_describes_a_model(run: Run, tiny: TinyGGUF, tmp_path: Path) -> None:
    """Of a file or a directory: family, size, memory, whether it fits, what is missing."""
    target = tmp_path / "converted"
    assert run("convert", tiny.path, target)[0] == 0
    models = []
    for path in (tiny.path, target, target / "model.safetensors"):
        status, out, _ = run("inspect", path, "--json")
        assert status == 0
        models.append(json.loads(out)["model"])
    assert [model["family"] for model in models] == ["llama"] * 3
    assert [model["parameters"] for model in models] == [sum(w.size for w in tiny.weights.values())] * 3
    assert all(model["fits"] and model["memory"]["total"] > model["memory"]["weights"] > 0 for model in models)
    assert not any("problem" in model for model in models)
    (target / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in run("inspect", target)[1]
    (target / "model.safetensors").rename(target / "adapter_model.safetensors")
    status, out, _ = run("inspect", target / "adapter_model.safetensors", "--json")
    assert status == 0
    assert json.loads(out)["parameters"] == models[0]["parameters"]
    (tmp_path / "empty").mkdir()
    assert "holds no model files" in run("inspect", tmp_path / "empty")[2]


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

"""The TypeScript declarations: up to date, strict, refusing mistakes, and true of real results."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from loom_py.bridge import api as bridge
from loom_py.bridge.calls import CLASSES, class_of
from loom_py.marks import Duration, Floats
from loom_py.network import reflection
from loom_py.network.network import Network
from tools import make_types, paths, ts_types

HERE = Path(__file__).resolve().parent


def tsc(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the compiler of this repository."""
    compiler = paths.NODE_MODULES / "typescript" / "bin" / "tsc"
    assert compiler.is_file(), "run ./build_pyodide.sh build first"
    return subprocess.run(["node", str(compiler), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def fresh() -> dict[Path, str]:
    """The files, generated now."""
    return make_types.generate()


def test_the_committed_files_are_up_to_date(fresh: dict[Path, str]) -> None:
    for path, text in fresh.items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale; run python -m tools.make_types"


def interface(text: str, name: str) -> str:
    """The members of an interface, or of a class by "class X"."""
    head = name if name.startswith("class") else f"interface {name}"
    bodies = re.findall(rf"^export (?:declare )?{head}\b[^\n]*\{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
    return "\n" + "".join(bodies)


def test_a_strict_project_compiles_and_every_mistake_is_found() -> None:
    done = tsc("-p", str(HERE))
    assert done.returncode == 0, done.stdout
    assert (HERE / "mistakes.ts").read_text().count("@ts-expect-error") > 20


def test_a_marked_line_without_a_mistake_fails(tmp_path: Path) -> None:
    """The check above can fail: a marker before a correct line is an error."""
    for path in HERE.glob("*.ts"):
        (tmp_path / path.name).write_text(path.read_text())
    options = json.loads((HERE / "tsconfig.json").read_text())
    options["compilerOptions"]["paths"] = {
        "loom-browser": [str(make_types.MODULES)],
        "loom-browser/globals": [str(make_types.GLOBALS)],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(options))
    marked = (
        (tmp_path / "session.ts")
        .read_text()
        .replace("  const layers:", "  // @ts-expect-error: right\n  const layers:")
    )
    (tmp_path / "session.ts").write_text(marked)
    done = tsc("-p", str(tmp_path))
    assert done.returncode != 0
    assert "Unused '@ts-expect-error'" in done.stdout


def test_a_new_python_method_appears(monkeypatch: pytest.MonkeyPatch, fresh: dict[Path, str]) -> None:
    def smooth_weights(self: Network, width: int, names: list[str] | None = None) -> tuple[float, list[int]]:
        """A running mean over neighbours."""
        raise NotImplementedError

    monkeypatch.setattr(Network, "smooth_weights", smooth_weights, raising=False)
    reflection.methods.cache_clear()
    try:
        text = make_types.generate()[make_types.MODULES]
    finally:
        monkeypatch.undo()
        reflection.methods.cache_clear()
    assert "SmoothWeights" not in fresh[make_types.MODULES]
    assert "/** A running mean over neighbours. */\n" in text
    assert "  SmoothWeights(width: number, names?: readonly string[] | null): [number, number[]];" in text
    assert "  SmoothWeights(args: string): Results<[string, string]>;" in text
    assert "  smoothWeights(width: number, names?: readonly string[] | null): Promise<[number, number[]]>;" in text


def test_every_reflected_method_is_declared_in_both_forms(fresh: dict[Path, str]) -> None:
    text = fresh[make_types.MODULES]
    for kind in CLASSES:
        cls = class_of(kind)
        for name in reflection.methods(cls):
            camel = "asJSON" if name == "ToJSON" else name[0].lower() + name[1:]
            assert f"\n  {name}(" in interface(text, f"Loom{kind}"), (kind, name)
            if camel not in make_types.SHORT:
                assert f"\n  {camel}(" in interface(text, kind) + interface(text, f"class {kind}"), (kind, name)
                assert f"\n  {camel}(" in interface(text, f"Loom{kind}"), (kind, name)
            if cls is Network:
                assert f"\n  {name}(" in interface(text, "NetworkMethods")
    for name in ("unknown[]", "readonly unknown"):
        generated = text.split("What TypeScript needs to know")[1]
        uses = [line.strip() for line in generated.splitlines() if name in line and not line.strip().startswith("*")]
        assert all("classes" in line or "Results<T" in line for line in uses), uses


CALLS: dict[str, list[Any]] = {
    "ForwardCPU": [[0.5, 1.0]],
    "Forward": [[[0.5, 1.0], [1.0, 0.0]]],
    "Backward": [[[1.0, 0.0], [0.0, 1.0]]],
    "KernelGradients": [],
    "BiasGradients": [],
    "Activations": [],
    "Train": [[{"Input": [0.0, 1.0], "Target": [1.0, 0.0]}], {"Epochs": 1}],
    "EvaluateNetwork": [[[0.0, 1.0]], [0]],
    "EvaluateClassification": [[[0.0, 1.0]], [0]],
    "TotalLayers": [],
    "GetNetworkInfo": [],
    "ListMethods": [],
    "GetMethods": [],
    "HasMethod": ["Train"],
    "SaveModelToString": ["mine"],
    "ResetState": [],
}


def test_the_declared_results_are_true(tmp_path: Path) -> None:
    """The compiler checks real results, as literals, against the declarations."""
    config = {"layers": [{"type": "dense", "input_size": 2, "output_size": 2, "activation": "sigmoid"}]}
    handle = bridge.create_network(json.dumps(config), 1)
    lines = ['import type { NetworkMethods } from "loom-browser";']
    try:
        for i, (name, arguments) in enumerate(CALLS.items()):
            value = bridge.call_values(handle, name, json.dumps(arguments))
            parameters_json = json.dumps(arguments)
            lines.append(f'export const a{i}: Parameters<NetworkMethods["{name}"]> = {parameters_json};')
            lines.append(f'export const r{i}: ReturnType<NetworkMethods["{name}"]> = {value};')
    finally:
        bridge.release(handle)
    (tmp_path / "results.ts").write_text("\n".join(lines))
    options = json.loads((HERE / "tsconfig.json").read_text())
    options["compilerOptions"]["paths"] = {"loom-browser": [str(make_types.MODULES)]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(options))
    done = tsc("-p", str(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("annotation", "argument", "result"),
    [
        (Floats, "Floats", "number[]"),
        (Floats | None, "Floats | null", "number[] | null"),
        (list[int | None], "readonly (number | null)[]", "(number | null)[]"),
        (dict[str, float], "Record<string, number>", "Record<string, number>"),
        (tuple[str, Duration], "[string, Nanoseconds]", "[string, Nanoseconds]"),
        (Path, "unknown", "unknown"),
    ],
)
def test_annotations(annotation: Any, argument: str, result: str) -> None:
    assert ts_types.type_of(annotation) == argument
    assert ts_types.type_of(annotation, result=True) == result

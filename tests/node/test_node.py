"""The wheel in Node's Pyodide and in Pyodide's console, and the npm package in Node. The site must have been built."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import loom_py
from tools import paths, serve

HERE = Path(__file__).resolve().parent
DEMO = paths.REPOSITORY / "examples" / "grid_scatter.json"
RUNTIME = paths.SITE / "pyodide"


def node(script: str, *arguments: str | Path, cwd: Path | None = None, typed: str = "") -> str:
    """Run a script and return its last line."""
    done = subprocess.run(
        ["node", str((cwd or HERE) / script), *map(str, arguments)],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "DEMO": DEMO.read_text("utf-8")},
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def wheel(name: str) -> Path:
    """The one wheel of that name in the site."""
    if not RUNTIME.is_dir():
        pytest.fail("the site in dist/ is missing; run ./build_pyodide.sh build first.")
    (match,) = RUNTIME.glob(f"{name}-*.whl")
    return match


def check(report: dict[str, Any]) -> None:
    assert report["version"] == loom_py.__version__
    assert report["loss"] < 0.002
    assert report["same"] is True


def test_the_wheels_alone_in_the_pyodide_of_npm() -> None:
    needed = [wheel(name) for name in ("numpy", "markupsafe", "jinja2", "loom_py")]
    check(json.loads(node("plain.mjs", paths.NODE_MODULES / "pyodide", *needed).splitlines()[-1]))


def test_the_wheel_by_micropip_in_the_console() -> None:
    """`micropip` finds the wheel's requirements beside the runtime; with deps=False it takes the wheel alone."""
    with serve.start(paths.SITE, isolated=False) as server:
        url = f"{server.url.rstrip('/')}/pyodide/{wheel('loom_py').name}"
        lines = f"""\
import micropip
await micropip.install("{url}", deps=False)
import importlib.util
[importlib.util.find_spec(name) is not None for name in ("loom_py", "numpy")]
micropip.uninstall("loom_py")
await micropip.install("{url}")
import loom_py
layers = [{{"type": "dense", "input_size": 2, "output_size": 1, "activation": "tanh"}}]
network = loom_py.build_network_from_json({{"layers": layers}}, seed=1)
network.total_layers()
batches = [{{"Input": [0.0, 1.0], "Target": [1.0]}}]
history = network.train(batches, {{"Epochs": 50, "LearningRate": 0.1}}).loss_history
history[-1] < history[0]
"""
        shown = node("console.mjs", RUNTIME, typed=lines).splitlines()
    capitalised = [line.capitalize() for line in shown]  # the console gives Python's booleans as JavaScript's
    assert [line for line in capitalised if line in ("[true, false]", "1", "True")] == ["[true, false]", "1", "True"], (
        shown
    )

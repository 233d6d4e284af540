"""A copy of the package to which tests add something: edited, compiled and run separately from the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("loom_py", "simd", "tools", "wgsl")


class Copy:
    """The sources of the package under another root, without byte-code; with the compiled kernels on request."""

    def __init__(self, root: Path, *, compiled: bool = False) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("__pycache__", *[] if compiled else ["bin"])
        for name in FOLDERS:
            shutil.copytree(ROOT / name, root / name, ignore=ignored)

    def insert(self, file: str, before: str, text: str) -> None:
        """Put text before the only occurrence of another in a file of the copy."""
        source = (self.root / file).read_text(encoding="utf-8")
        assert source.count(before) == 1, f"{file} has {source.count(before)} × {before!r}"
        (self.root / file).write_text(source.replace(before, text + before), encoding="utf-8")

    def write(self, file: str, text: str) -> None:
        """A new file of the copy."""
        assert not (ROOT / file).exists(), f"{file} is there already"
        (self.root / file).write_text(text, encoding="utf-8")

    def changed(self) -> set[str]:
        """The files that differ from the package."""

        def same(path: Path, original: Path) -> bool:
            return original.is_file() and original.read_bytes() == path.read_bytes()

        files = (path for name in FOLDERS for path in (self.root / name).rglob("*") if path.is_file())
        sources = (path.relative_to(self.root) for path in files if not {"__pycache__", "bin"} & {*path.parts})
        return {path.as_posix() for path in sources if not same(self.root / path, ROOT / path)}

    def compile(self) -> str:
        """Build the kernels that native hosts open; returns the compiler's message if it refused."""
        done = self._python("-c", "from tools import simd; simd.build(['loom-relaxed.wasm'])")
        return "" if done.returncode == 0 else done.stderr

    def run(self, script: str, *arguments: str) -> str:
        """The output of a script that succeeds in the copy."""
        done = self._python("-c", script, *arguments)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.root), "PYTHONSAFEPATH": "1"}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)


PARITY = """
import numpy as np
from loom_py.runtime.pending import finished
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.verify import cases, error, on_device, reference
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

def parity(*kernels, label=""):
    # The cases of some kernels on the compiled device and on the GPU against NumPy in float64; how many.
    some = [case for kernel in kernels for case in cases.of(kernel) if case.label.startswith(label)]
    for device in (SimdDevice(), WebGPUDevice(WgpuHost())):
        for case in some:
            actual = finished(on_device(device, case))
            for name, ref in reference(case).items():
                assert error(actual[name], ref) < 1e-5, (device.name, str(case), name)
        device.close()
    return len(some)

def train(layers, **options):
    # One network on every device against the same in float64: what it answers after twenty steps.
    from loom_py import build_network_from_json
    from loom_py.runtime.choice import use_device
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(8, 5)).astype("float32"), rng.uniform(0, 1, (8, 2)).astype("float32")
    answers = {}
    for device in ("float64", "numpy", "simd", "webgpu"):
        use_device("numpy" if device == "float64" else device)
        network = build_network_from_json({"input_size": 5, "layers": layers}, seed=2)
        network = network.astype("float64") if device == "float64" else network
        before = network.forward(x).copy()
        network.train([{"Input": x, "Target": t}], {"Epochs": 20, "LearningRate": 0.05, **options})
        assert device == "float64" or network.computed_on.name == device, network.computed_on
        answers[device] = network.forward(x)
        assert error(before, answers[device]) > 1e-3
    for device, y in answers.items():
        assert error(y, answers["float64"]) < 1e-5, device
"""
"""The beginning of a script for `Copy.run`."""

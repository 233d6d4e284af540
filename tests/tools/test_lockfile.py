"""The page's lock file: exactly the given wheels, each fitting the runtime, with no requirement missing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tools import console, lockfile, wheels

RUNTIME = {"abi_version": "2026_0", "arch": "wasm32", "platform": "emscripten_5_0_3", "python": "3.14.2"}


def make(folder: Path, name: str, tag: str = "py3-none-any", requires: tuple[str, ...] = ()) -> Path:
    package = name.lower().replace("-", "_")
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(
        f"Requires-Dist: {r}\n" for r in requires
    )
    return wheels.write_wheel(
        folder / f"{package}-1.0-{tag}.whl",
        tag=tag,
        metadata=metadata.encode(),
        contents={f"{package}/__init__.py": b""},
        pure=True,
    )


def test_a_lock_file_lists_the_wheels_with_what_they_need(tmp_path: Path) -> None:
    requires = (
        "numpy>=2",
        "Jinja2",
        'colorama; sys_platform == "win32"',
        'tomli; python_version < "3.11"',
        'safetensors; extra == "convert"',
        'micropip; sys_platform == "emscripten"',
    )
    files = [
        make(tmp_path, "Loom_Py", requires=requires),
        make(tmp_path, "numpy", tag="cp314-cp314-pyemscripten_2026_0_wasm32"),
        make(tmp_path, "Jinja2"),
        make(tmp_path, "micropip"),
    ]
    lock = json.loads(lockfile.build(RUNTIME, files))
    assert lock["info"] == RUNTIME
    assert sorted(lock["packages"]) == ["jinja2", "loom-py", "micropip", "numpy"]
    entry = lock["packages"]["loom-py"]
    assert entry["depends"] == ["numpy", "jinja2", "micropip"]
    assert entry["file_name"] == files[0].name
    assert entry["sha256"] == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert (entry["imports"], entry["install_dir"], entry["package_type"]) == (["loom_py"], "site", "package")


@pytest.mark.parametrize(
    "tag",
    ["cp313-cp313-pyemscripten_2026_0_wasm32", "cp314-cp314-pyemscripten_2026_5_wasm32", "cp314-cp314-linux_x86_64"],
)
def test_a_wheel_for_another_runtime_is_refused(tag: str, tmp_path: Path) -> None:
    with pytest.raises(
        console.Failure, match="is not for this runtime, whose wheels end in pyemscripten_2026_0_wasm32"
    ):
        lockfile.build(RUNTIME, [make(tmp_path, "numpy", tag=tag)])


def test_a_missing_dependency_is_named(tmp_path: Path) -> None:
    with pytest.raises(console.Failure, match="loom-py needs jinja2, which the site does not carry"):
        lockfile.build(RUNTIME, [make(tmp_path, "loom_py", requires=("Jinja2>=3",))])

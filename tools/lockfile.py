"""The page's pyodide-lock.json: the wheels beside the runtime, and their dependencies.

`pyodide_lock` holds the format. Its release for Python 3.11 lacks two fields that Pyodide 314 added
(`abi_version` of the runtime, `tool` of a package), so the runtime's own `info` is put back after the check.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename
from pyodide_lock import PyodideLockSpec
from pyodide_lock.utils import parse_top_level_import_name

from tools import console, files


def build(runtime: dict[str, Any], wheels: Sequence[Path]) -> str:
    """The text of a lock file for exactly ``wheels``.

    ``runtime`` is the `info` of Pyodide's own lock file. Raises `console.Failure` when a wheel does not fit the runtime
    or needs something that is not among the wheels.
    """
    tags = _accepted_tags(runtime)
    packages: dict[str, dict[str, Any]] = {}
    for wheel in wheels:
        name, version, _, wheel_tags = parse_wheel_filename(wheel.name)
        if not tags & wheel_tags:
            raise console.Failure(
                f"{wheel.name} is not for this runtime, whose wheels end in {_platform(runtime)}; "
                "give a wheel built for it."
            )
        packages[name] = {
            "name": _metadata(wheel)["Name"],
            "version": str(version),
            "file_name": wheel.name,
            "install_dir": "site",
            "sha256": files.sha256(wheel),
            "package_type": "package",
            "imports": parse_top_level_import_name(wheel) or [],
            "depends": _depends(wheel, runtime),
            "unvendored_tests": False,
        }
    for name, package in packages.items():
        for needed in package["depends"]:
            if needed not in packages:
                raise console.Failure(
                    f"{name} needs {needed}, which the site does not carry; add it in tools/runtime.py."
                )
    return _checked(runtime, packages)


def closure(text: str, name: str) -> dict[str, str]:
    """Name → file name of a package in a lock file's text and of everything that it needs."""
    packages = json.loads(text)["packages"]
    wheels: dict[str, str] = {}
    queue = [name]
    while queue:
        package = packages[queue.pop()]
        if package["name"] not in wheels:
            wheels[package["name"]] = package["file_name"]
            queue += package["depends"]
    return wheels


def _checked(runtime: dict[str, Any], packages: dict[str, dict[str, Any]]) -> str:
    """Let pyodide_lock read, check and write the description, then restore the runtime's own fields."""
    fields = {"arch", "platform", "python"}
    info = {key: value for key, value in runtime.items() if key in fields} | {"version": runtime.get("version", "")}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "pyodide-lock.json")
        path.write_text(json.dumps({"info": info, "packages": packages}), encoding="utf-8")
        spec = PyodideLockSpec.from_json(path)
        spec.check_wheel_filenames()
        spec.to_json(path)
        text = json.loads(path.read_text(encoding="utf-8"))
    text["info"] = runtime
    return json.dumps(text, indent=1, sort_keys=True) + "\n"


def _platform(runtime: dict[str, Any]) -> str:
    """The wheel platform of PEP 783, for example ``pyemscripten_2026_0_wasm32``."""
    return f"pyemscripten_{runtime['abi_version']}_{runtime['arch']}"


def _accepted_tags(runtime: dict[str, Any]) -> frozenset[Tag]:
    major, minor = runtime["python"].split(".")[:2]
    binary = f"cp{major}{minor}"
    pure = {
        Tag(python, "none", "any")
        for python in (f"py{major}", binary, *(f"py{major}{m}" for m in range(int(minor) + 1)))
    }
    return frozenset(pure | {Tag(binary, binary, _platform(runtime))})


def _metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


def _depends(wheel: Path, runtime: dict[str, Any]) -> list[str]:
    """What the wheel needs in the page: its requirements without extras, markers seen from the runtime."""
    python = runtime["python"]
    environment = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_system": "Emscripten",
        "sys_platform": "emscripten",
        "platform_machine": runtime["arch"],
        "os_name": "posix",
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "implementation_version": python,
        "extra": "",
    }
    requirements = [Requirement(text) for text in _metadata(wheel).get_all("Requires-Dist", [])]
    return [canonicalize_name(r.name) for r in requirements if r.marker is None or r.marker.evaluate(environment)]

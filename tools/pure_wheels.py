"""The wheels without machine code: micropip, Jinja2, MarkupSafe and loom_py itself."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

from tools import console, files, index, paths, pins, wheels


def fetched(pin: pins.Pin) -> Path:
    """A wheel from the package index, by hash."""
    try:
        return index.fetch(pin.project, pin.name, pin.sha256, into=paths.cache("wheels"))
    except console.Skipped as skipped:
        raise console.Failure(
            f"{pin.name} is missing because {skipped}; "
            "give pip access to a package index and run the same command again."
        ) from skipped


def markupsafe() -> Path:
    """MarkupSafe without its C speed-ups: the index has wheels of it for processors only, and pure Python does."""
    pin = pins.MARKUPSAFE_SOURCE
    version = pin.name.removesuffix(".tar.gz").rsplit("-", 1)[1]
    target = paths.cache("wheels", f"markupsafe-{version}-py3-none-any.whl")
    if target.is_file():
        return target
    with tarfile.open(fetched(pin)) as archive:
        root = archive.getnames()[0].split("/")[0]
        contents: dict[str, bytes] = {}
        metadata = b""
        for member in archive.getmembers():
            name = member.name.removeprefix(f"{root}/")
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            if name == "PKG-INFO":
                metadata = file.read()
            elif name.startswith("src/markupsafe/") and name.endswith((".py", "py.typed")):
                contents[name.removeprefix("src/")] = file.read()
            elif name == "LICENSE.txt":
                contents[f"markupsafe-{version}.dist-info/licenses/LICENSE.txt"] = file.read()
    return wheels.write_wheel(target, tag="py3-none-any", metadata=metadata, contents=contents, pure=True)


def loom() -> Path:
    """The wheel of loom_py, built by hatchling whenever a file that goes into it has changed."""
    sources = [paths.REPOSITORY / name for name in ("loom_py", "wgsl", "pyproject.toml", "README.md")]
    shelf = paths.cache("wheels", f"loom_py-{files.sha256_of_tree(sources)[:16]}")
    if not shelf.is_dir():
        with files.replacing_directory(shelf) as new:
            built = subprocess.run(
                [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(new)],
                cwd=paths.REPOSITORY,
                capture_output=True,
                text=True,
                check=False,
            )
            if built.returncode:
                print(built.stderr, file=sys.stderr)
                raise console.Failure(
                    "hatchling could not build the loom_py wheel; its output is above, "
                    "so fix pyproject.toml or the package and run the same command again."
                )
    return next(shelf.glob("loom_py-*.whl"))

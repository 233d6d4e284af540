"""Assembles dist/, a folder that any web server can host. `python -m tools.site` builds it after changes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

from tools import (
    audit,
    console,
    files,
    lockfile,
    model,
    numpy_wheel,
    packages,
    pages,
    paths,
    pins,
    precompile,
    pure_wheels,
    pyodide_core,
    simd,
    snapshot,
    standard_library,
)

UPLOT_FILES = ("uPlot.esm.js", "uPlot.min.css")
STAMP = ".stamp.json"
RUNTIME_LIST = "pyodide/runtime.json"
"""The runtime list: what a page starts from besides its scripts, with hashes; `web/runtime_files.js` reads it."""
SUFFIXES = {".js", ".mjs", ".css", ".svg", ".png", ".ico", ".json", ".txt", ".webmanifest", ".ts"}


def build() -> None:
    """Bring dist/ up to date. The old one stays in place until the new one is complete."""
    started = time.monotonic()
    inputs = fingerprint()
    if _stamp() == inputs:
        console.step("The site in dist/ is up to date")
        return
    console.step("1/4 Runtime: Pyodide " + pyodide_core.version())
    wheels = [
        numpy_wheel.provide(),
        pure_wheels.fetched(pins.MICROPIP),
        pure_wheels.fetched(pins.JINJA2),
        pure_wheels.markupsafe(),
    ]
    for wheel in wheels:
        audit.check_wheel(wheel)
    console.step("2/4 Package: loom_py")
    kernels = simd.provide()
    wheels.append(pure_wheels.loom())
    console.step("3/4 Models")
    models = model.provide()
    console.step("4/4 Site: dist/")
    for abandoned in paths.SITE.parent.glob(f".{paths.SITE.name}.*"):  # left by a run that was killed
        shutil.rmtree(abandoned, ignore_errors=True)
    with files.replacing_directory(paths.SITE) as site:
        _runtime(site / "pyodide", precompile.compiled(wheels))
        for binary in kernels:
            files.place(binary, site / "simd" / binary.name)
        (site / RUNTIME_LIST).write_text(runtime_list(site), encoding="utf-8")
        _models(site / "models", models)
        _pages(site)
        if model.complete(models):  # without a model that was wanted, the next start tries again
            (site / STAMP).write_text(inputs, encoding="utf-8")
    size = sum(p.stat().st_size for p in paths.SITE.rglob("*") if p.is_file())
    console.detail(f"dist/ holds {console.megabytes(size)}; built in {time.monotonic() - started:.1f} s")


def fingerprint() -> str:
    """A digest of everything that the site depends on, cheap enough to compute at each start."""
    root = paths.REPOSITORY
    folders = ("loom_py", "simd", "wgsl", "web", "examples", "tools")
    sources = [root / name for name in (*folders, "pyproject.toml", "README.md", "package-lock.json")]
    large = [p for p in sorted((root / "models").rglob("*"))]
    folder = os.environ.get("LOOM_WHEELS")
    large += sorted(Path(folder).glob("*.whl")) if folder else []
    return json.dumps(
        {
            "sources": files.sha256_of_tree(p for p in sources if p.exists()),
            "large": [f"{p}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in large if p.is_file()],
            "settings": {key: os.environ.get(key, "") for key in ("LOOM_WHEELS", "LOOM_MODEL", "LOOM_MODEL_REVISION")},
        }
    )


def _stamp() -> str | None:
    try:
        return (paths.SITE / STAMP).read_text(encoding="utf-8")
    except OSError:
        return None


def _runtime(target: Path, wheels: list[Path]) -> None:
    pyodide_core.place(target, standard_library.provide(wheels))
    for wheel in wheels:
        files.place(wheel, target / wheel.name)
    text = lockfile.build(pyodide_core.lock()["info"], wheels)
    (target / "pyodide-lock.json").write_text(text, encoding="utf-8")
    needed = lockfile.closure(text, "loom-py")
    packages.pack(target / packages.NAME, [target / name for name in needed.values()], list(needed))
    snapshot.place(target)


def runtime_list(site: Path) -> str:
    """The text of the runtime list for the files in ``site``.

    `files` has the size and SHA-256 of each of Pyodide's files, wheels and compiled kernels; `start` names those that
    every start needs.
    """
    listed = sorted(p for folder in ("pyodide", "simd") for p in (site / folder).iterdir() if p.is_file())
    entries = {
        path.relative_to(site).as_posix(): {"size": path.stat().st_size, "sha256": files.sha256(path)}
        for path in listed
    }
    names = (*pyodide_core.CORE_FILES, "pyodide-lock.json", packages.NAME)
    start = [f"pyodide/{name}" for name in names]
    return json.dumps({"start": start, "files": entries}, indent=1) + "\n"


def _models(target: Path, models: list[model.Model]) -> None:
    for entry in models:
        for path in entry.files():
            files.place(path, target / entry.name / path.relative_to(entry.folder))
    target.mkdir(parents=True, exist_ok=True)
    (target / "index.json").write_text(model.index_text(models), encoding="utf-8")


def _pages(site: Path) -> None:
    """The page's own files are copied, never linked: an editor that saves in place must not reach into dist/."""
    web = paths.REPOSITORY / "web"
    for path in sorted(p for p in web.rglob("*") if p.is_file()):
        inside = path.relative_to(web)
        if inside.suffix not in SUFFIXES:
            continue
        target = site / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (site / "vite.mjs").write_bytes((paths.REPOSITORY / "tools" / "vite_plugin.mjs").read_bytes())
    for name, html in pages.rendered(web / "demos").items():
        (site / name).write_text(html, encoding="utf-8", newline="\n")
    examples = site / "examples"
    examples.mkdir(exist_ok=True)
    for path in sorted((paths.REPOSITORY / "examples").glob("*.json")):
        (examples / path.name).write_bytes(path.read_bytes())
    for name in UPLOT_FILES:
        files.place(paths.NODE_MODULES / "uplot" / "dist" / name, site / "vendor" / "uPlot" / name)


if __name__ == "__main__":
    sys.exit(console.run(lambda: build()))

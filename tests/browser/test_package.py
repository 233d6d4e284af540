"""The npm package: packed, installed offline into a project, and used there from Node, a bundler and a plain script."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tools import paths, serve

from ..node.test_node import DEMO, node
from ..report import row
from .conftest import Open

TESTS = Path(__file__).resolve().parent.parent
PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>app</title>{head}<body></body>'


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with the packed package installed; nothing comes from a registry."""
    folder = tmp_path_factory.mktemp("project")
    packed = json.loads(
        run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder, cwd=paths.REPOSITORY)
    )
    (record,) = packed if isinstance(packed, list) else packed.values()
    names = {file["path"] for file in record["files"]}
    assert names >= {"package.json", "README.md", "dist/loom.js", "dist/worker.js", "dist/loom.d.ts"}
    assert {"dist/pyodide/pyodide.asm.wasm", "dist/pyodide/pyodide-lock.json"} <= names
    foreign = ("dist/models", "dist/demos", "tests", "loom_py", "node_modules")
    assert not [name for name in names if name.startswith(foreign)]
    row("npm package", f"{record['size'] / 1e6:.1f} MB packed, {record['unpackedSize'] / 1e6:.1f} MB unpacked")
    (folder / "package.json").write_text('{"name": "project", "private": true, "type": "module"}')
    run("npm", "install", "--offline", "--ignore-scripts", f"./{record['filename']}", cwd=folder)
    assert sorted(p.name for p in (folder / "node_modules").iterdir() if p.name[0] != ".") == ["loom-browser"]
    shutil.copy(DEMO, folder / "grid_scatter.json")
    return folder


@pytest.fixture(scope="module")
def served(project: Path) -> Iterator[str]:
    with serve.start(project, isolated=False) as server:
        yield server.url if server.url.endswith("/") else f"{server.url}/"


def result_of(open_page: Open, url: str) -> dict[str, Any]:
    page = open_page(url)
    expect(page.locator("body")).to_contain_text("}", timeout=120_000)
    return json.loads(page.locator("body").inner_text())


def check(result: dict[str, Any]) -> None:
    assert "error" not in result, result
    assert result["FinalLoss"] < 0.002
    assert result["output"][0] > 0.9 > 0.1 > result["output"][1]
    assert (result["layers"], result["left"], result["after"], result["ready"]) == (3, 0, "RuntimeFailure", True)


def test_from_a_bundler(open_page: Open, project: Path, served: str) -> None:
    """esbuild: the page's script in one file, the worker beside it, the runtime copied."""
    out = project / "bundled"
    shutil.copy(TESTS / "package" / "app.js", project / "app.js")
    esbuild = paths.NODE_MODULES / ".bin" / "esbuild"
    assert esbuild.exists(), "run ./build_pyodide.sh build first"
    entries = ("app=app.js", "worker=loom-browser/worker.js")
    run(esbuild, *entries, "--bundle", "--minify", "--format=esm", "--target=es2022", f"--outdir={out}", cwd=project)
    assert "loom-browser" not in (out / "app.js").read_text()
    sizes = " and ".join(f"{p.name} {p.stat().st_size / 1000:.0f} kB" for p in sorted(out.glob("*.js")))
    row("npm package", f"bundled: {sizes}")
    shutil.copytree(project / "node_modules" / "loom-browser" / "dist" / "pyodide", out / "pyodide")
    shutil.copy(DEMO, out / "grid_scatter.json")
    (out / "index.html").write_text(PAGE.format(head='<script type="module" src="app.js"></script>'))
    check(result_of(open_page, f"{served}bundled/index.html"))


def test_from_a_plain_script(open_page: Open, project: Path, served: str) -> None:
    """`<script type="module">` straight out of node_modules, found by an import map."""
    shutil.copy(TESTS / "package" / "app.js", project / "plain.js")
    imports = json.dumps({"imports": {"loom-browser": "./node_modules/loom-browser/dist/loom.js"}})
    head = f'<script type="importmap">{imports}</script><script type="module" src="plain.js"></script>'
    (project / "plain.html").write_text(PAGE.format(head=head))
    check(result_of(open_page, f"{served}plain.html"))


def test_from_node(project: Path) -> None:
    shutil.copy(TESTS / "node" / "package.mjs", project / "package.mjs")
    report = json.loads(node("package.mjs", cwd=project).splitlines()[-1])
    assert report["loss"] < 0.002
    assert report["typed"] is report["same"] is report["global"] is True
    assert "multiple of 8" in report["refused"]


def test_types_of_the_installed_package(project: Path) -> None:
    """The sample project finds the declarations through `exports`."""
    folder = project / "typed"
    folder.mkdir()
    for path in (TESTS / "types").glob("*.ts"):
        shutil.copy(path, folder)
    options = json.loads((TESTS / "types" / "tsconfig.json").read_text())
    for resolution, module in (("bundler", "ES2022"), ("nodenext", "nodenext")):
        options["compilerOptions"] |= {"moduleResolution": resolution, "module": module}
        options["compilerOptions"].pop("paths", None)
        (folder / "tsconfig.json").write_text(json.dumps(options))
        run("node", paths.NODE_MODULES / "typescript" / "bin" / "tsc", "-p", folder, cwd=project)

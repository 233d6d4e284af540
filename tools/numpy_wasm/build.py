"""Builds the NumPy wheel in a Debian root, or takes the one that this recipe built before."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

from tools import audit, console, files, index, paths, pins, pyodide_core, wheels
from tools.numpy_wasm import pyconfig, root

RECIPE = Path(__file__).resolve().parent
TAG = "cp314-cp314-pyemscripten_2026_0_wasm32"
SYSCONFIG = "_sysconfigdata__emscripten_wasm32-emscripten.py"


def provide() -> Path:
    """The wheel. Raises `console.Skipped` where it cannot be built, saying what is missing."""
    version = pins.NUMPY_SOURCE.name.removeprefix("numpy-").removesuffix(".tar.gz")
    target = paths.cache("numpy-wasm", recipe_hash(), f"numpy-{version}-{TAG}.whl")
    if target.is_file():
        return target
    root.check_machine()
    started = time.monotonic()
    console.detail("NumPy: building it from source, about 15 minutes on two cores and 3 GB of disk meanwhile")
    log = paths.cache("logs", "numpy-wasm.txt")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    system = paths.cache("numpy-wasm", "root")
    remove_root(system)
    try:
        source = index.fetch(pins.NUMPY_SOURCE.project, pins.NUMPY_SOURCE.name, pins.NUMPY_SOURCE.sha256)
        console.detail("NumPy: a Debian system with Emscripten")
        root.make(system, log)
        build = system / "build"
        console.detail("NumPy: sources")
        unpack(checked_openblas(root.openblas_source(system, "/build/debian", log)), build / "openblas")
        unpack(source, build / "numpy")
        shutil.copytree(RECIPE, build / "recipe")
        write_configuration(system)
        run_recipe(system, log)
        check(build / "install/site")
        pack(build, target)
    finally:
        remove_root(system)
    console.detail(f"NumPy: built in {(time.monotonic() - started) / 60:.1f} minutes")
    return target


def recipe_hash() -> str:
    """A digest of everything that the wheel depends on: the recipe, the source, the runtime."""
    runtime = files.sha256(pyodide_core.directory() / "python_stdlib.zip")
    return files.sha256_of_tree([RECIPE])[:16] + "-" + pins.NUMPY_SOURCE.sha256[:8] + "-" + runtime[:8]


def checked_openblas(tarball: Path) -> Path:
    """apt has checked Debian's signature; a tarball other than the pinned one is used, and named."""
    if files.sha256(tarball) != pins.OPENBLAS_SHA256:
        console.detail(
            f"NumPy: Debian has moved on to {tarball.name}; its signature is right, the recipe knows an older one"
        )
    return tarball


def unpack(archive: Path, target: Path) -> None:
    """Unpack a source archive whose files lie in one folder, as ``target``."""
    with tarfile.open(archive) as opened:
        temporary = target.with_name(target.name + ".unpacked")
        opened.extractall(temporary, filter="data")
    next(temporary.iterdir()).rename(target)
    temporary.rmdir()


def write_configuration(system: Path) -> None:
    """The runtime's sysconfig data and C headers, under /build of the Debian system."""
    with zipfile.ZipFile(pyodide_core.directory() / "python_stdlib.zip") as library:
        module = library.read(SYSCONFIG).decode()
    build = system / "build"
    (build / "sysconfig").mkdir()
    override = 'build_time_vars |= {"INCLUDEPY": "/build/include", "CONFINCLUDEPY": "/build/include"}\n'
    (build / "sysconfig" / SYSCONFIG).write_text(module + "\n" + override, encoding="utf-8")
    headers = system / "usr/include"
    shutil.copytree(headers / "python3.14", build / "include")
    native = next(headers.glob("*-linux-gnu*/python3.14/pyconfig.h")).read_text(encoding="utf-8")
    text = pyconfig.translate(native, pyconfig.variables(module))
    (build / "include/pyconfig.h").write_text(text, encoding="utf-8")


def run_recipe(system: Path, log: Path) -> None:
    """Run recipe.sh in the Debian system and report its phases and ninja's count."""
    command = ["chroot", str(system), "/bin/bash", "/build/recipe/recipe.sh"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    tenths = 0
    with (
        log.open("a", encoding="utf-8", buffering=1) as file,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                tenths = _tell(line, tenths)
        except BaseException:  # Ctrl-C or a signal: the compilers must not keep running
            os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode:
        raise console.Skipped(f"NumPy's build failed (its output is at the end of {log})")


def _tell(line: str, tenths: int) -> int:
    """Report a phase, or each tenth of ninja's count; ``tenths`` counts those reported."""
    if line.startswith("## "):
        console.detail("NumPy: " + line[3:].strip())
    elif match := re.match(r"\[(\d+)/(\d+)\] ", line):
        done, total = int(match.group(1)), int(match.group(2))
        if total > 50 and done * 10 // total > tenths:
            console.detail(f"NumPy: compiled {done} of {total}")
            return done * 10 // total
    return tenths


def check(site: Path) -> None:
    """Every import of every extension must resolve. Raises `console.Skipped` naming the first that does not."""
    extensions = sorted(site.rglob("*.so"))
    if len(extensions) < 10:
        raise console.Skipped(f"NumPy's build produced only {len(extensions)} extensions")
    for extension in extensions:
        missing = audit.unresolved(extension)
        if missing:
            raise console.Skipped(
                f"{extension.name} needs {missing[0]}, which the runtime lacks: "
                "the compiler and the runtime no longer fit"
            )


def pack(build: Path, target: Path) -> None:
    site = build / "install/site"
    info = "-".join(target.name.split("-")[:2]) + ".dist-info"
    contents = {p.relative_to(site).as_posix(): p.read_bytes() for p in sorted(site.rglob("*")) if p.is_file()}
    metadata = (build / "numpy/PKG-INFO").read_bytes()
    for name in re.findall(r"^License-File: (.+)$", metadata.decode(), re.MULTILINE):
        contents[f"{info}/licenses/{name}"] = (build / "numpy" / name).read_bytes()
    contents[f"{info}/licenses/OpenBLAS/LICENSE"] = (build / "openblas/LICENSE").read_bytes()
    wheels.write_wheel(target, tag=TAG, metadata=metadata, contents=contents, pure=False)


def remove_root(system: Path) -> None:
    """Remove the Debian system; nothing is mounted in it, so removing the folder is enough."""
    if system.exists():
        if any(str(system) in line for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()):
            raise console.Failure(f"something is mounted under {system}; unmount it and run the same command again.")
        shutil.rmtree(system)

"""The Debian system of the compiler: a folder to chroot into, so that the machine itself is not changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tools import console

SUITE = "forky"
PACKAGES = "emscripten,python3.14,libpython3.14-dev,python3.14-dev,cython3,ninja-build,make,pkgconf,ca-certificates"
SNAPSHOT_DAYS = 365
"""How old the package lists of a testing suite may be: on a mirror that is seldom renewed they are past their date, and
without a limit it could serve packages with long-mended faults for ever."""
APT_OPTIONS = ('APT::Install-Recommends "false"', f'Acquire::Min-ValidTime "{SNAPSHOT_DAYS * 24 * 3600}"')


def check_machine() -> None:
    """Raises `console.Skipped`, with what is missing, where such a system cannot be made."""
    if not shutil.which("apt-get"):
        raise console.Skipped(
            "building NumPy needs Debian (apt-get); elsewhere put a NumPy wheel for Pyodide "
            "into a folder and name it in LOOM_WHEELS"
        )
    if os.geteuid() != 0:
        raise console.Skipped(
            "building NumPy needs root, to make a Debian system for the compiler; run as root once, "
            "or put a NumPy wheel for Pyodide into a folder and name it in LOOM_WHEELS"
        )


def make(root: Path, log: Path) -> None:
    """Make the system at ``root``, with mmdebstrap (installed when it is missing)."""
    if not shutil.which("mmdebstrap"):
        console.detail("mmdebstrap (Debian package)")
        call(["apt-get", "update", "-q"], log, "apt-get could not fetch Debian's package lists")
        call(
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", "mmdebstrap"],
            log,
            "apt-get could not install mmdebstrap",
        )
    root.parent.mkdir(parents=True, exist_ok=True)
    options = [f"--aptopt={option}" for option in APT_OPTIONS]
    mirror = debian_mirror()
    call(
        [
            "mmdebstrap",
            "--variant=apt",
            *options,
            f"--include={PACKAGES}",
            SUITE,
            str(root),
            *([mirror] if mirror else []),
        ],
        log,
        f"mmdebstrap could not make a Debian {SUITE} system",
    )


def debian_mirror() -> str | None:
    """The mirror of this machine's Debian; None (mmdebstrap's own choice) when it is not Debian itself."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    suites = [line.split(" ", 1)[1] for line in listing.stdout.splitlines() if line.startswith("Debian ")]
    return suites[0] if suites else None


def openblas_source(root: Path, folder: str, log: Path) -> Path:
    """Fetch Debian's tarball of OpenBLAS into ``folder`` of the system; apt checks its signature."""
    sources = root / "etc/apt/sources.list"
    text = sources.read_text(encoding="utf-8")
    (root / "etc/apt/sources.list.d/sources.list").write_text(text.replace("deb ", "deb-src ", 1), encoding="utf-8")
    (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
    script = f"cd {folder} && apt-get update -q && apt-get source -q --download-only openblas"
    call(["chroot", str(root), "sh", "-c", script], log, "apt-get could not fetch the source of OpenBLAS")
    return next((root / folder.lstrip("/")).glob("openblas_*.orig.tar.*"))


def call(command: list[str], log: Path, problem: str) -> None:
    """Run ``command`` with its output at the end of ``log``. Raises `console.Skipped` when it fails."""
    with log.open("ab") as file:
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False).returncode:
            raise console.Skipped(f"{problem} (its output is in {log})")

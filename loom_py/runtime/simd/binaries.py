"""The compiled kernels that come with the package."""

from __future__ import annotations

from pathlib import Path

from ...errors import DeviceError

BINARIES = Path(__file__).parent / "bin"


def binary(*, relaxed: bool, shared: bool) -> Path:
    """The file of a binary. Raises `DeviceError` if the package was built without it."""
    path = BINARIES / f"loom{'-relaxed' if relaxed else ''}{'-threads' if shared else ''}.wasm"
    if not path.is_file():
        raise DeviceError(
            f"the compiled kernels {path.name} are missing",
            where="simd",
            remedy="Run pip install ziglang and then python -m tools.simd in the repository, or install loom_py again.",
        )
    return path

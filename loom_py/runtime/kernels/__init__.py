"""NumPy kernels, one family a file; names and shapes as in `runtime.ops`.

A family has one name everywhere: `kernels/norm.py`, `simd/norm.py` with `simd/norm.c`, `webgpu/norm.py` with
`wgsl/norm.wgsl`, `verify/norm.py`. The files in this folder are the list of families; the others are found by it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

FAMILIES: tuple[str, ...] = tuple(sorted(module.name for module in iter_modules(__path__)))


def import_families(package: str) -> None:
    """Import `<package>.<family>` for each family that the package has, so that its functions register."""
    for family in FAMILIES:
        name = f"{package}.{family}"
        if find_spec(name) is not None:
            import_module(name)


import_families(__name__)

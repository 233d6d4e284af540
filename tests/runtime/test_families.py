"""A kernel belongs to the same family on every device, and its files share that name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loom_py.runtime import kernels
from loom_py.runtime.kernels import FAMILIES
from loom_py.runtime.numpy_ops import NumpyOps
from loom_py.runtime.simd.encode import KERNELS as SIMD
from loom_py.runtime.verify.cases import GENERATORS
from loom_py.runtime.webgpu.encode import KERNELS as WEBGPU

RUNTIME = Path(kernels.__file__).parents[1]
ROOT = RUNTIME.parents[1]
HELPERS = (
    {"memory", "program", "threads"},
    {"maths", "philox", "storage", "storage_bound", "tile", "tile_gather", "workgroup"},
)
"""C and WGSL files that hold no family of kernels."""


def family(function: object) -> str:
    return function.__module__.rpartition(".")[2]


ORACLES = {name: family(getattr(NumpyOps, name)) for name in vars(NumpyOps) if not name.startswith("_")}


@pytest.mark.parametrize("table", [SIMD, WEBGPU, GENERATORS], ids=["simd", "webgpu", "verify"])
def test_every_device_keeps_a_kernel_in_its_family(table: dict[str, object]) -> None:
    assert table
    assert {name: family(function) for name, function in table.items()} == {name: ORACLES[name] for name in table}


def strays(folder: str, suffix: str, helpers: set[str]) -> Iterator[str]:
    for path in (ROOT / folder).glob(f"*{suffix}"):
        named = {path.stem, path.stem.split("_")[0]} & set(FAMILIES)
        if path.stem not in helpers and not named:
            yield path.name


def test_c_and_wgsl_files_are_named_after_families() -> None:
    assert [*strays("simd", ".c", HELPERS[0]), *strays("wgsl", ".wgsl", HELPERS[1])] == []

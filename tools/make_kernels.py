"""Writes docs/kernels.md, the kernel vocabulary as a table, from the declared kernels and the devices' own tables."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping

from loom_py.runtime import simd, webgpu
from loom_py.runtime.kernel import KERNELS, Kernel
from loom_py.runtime.kernels.activation import ACTIVATIONS, Activation
from loom_py.runtime.kernels.loss import LOSSES, Loss
from tools import console, paths
from tools.make_ops import definition, families, title

TARGET = paths.REPOSITORY / "docs" / "kernels.md"
HEAD = """# The kernel vocabulary

Everything a layer or a model may ask of a device: {count} kernels. The page is generated from the functions declared in
`loom_py/runtime/kernels/`, one family a file, by `python -m tools.make_kernels`; a test fails when it is stale. The
functions are the NumPy oracle, with which `tests/runtime/test_kernels.py` compares all other implementations on random
shapes.

`B` is the batch, `T` time steps, `I`/`O`/`H` input, output and hidden width. Floating tensors are float32 (float64 on
NumPy for gradient checks); sums accumulate at least in float32. Numbers are parameters, known when a program is
recorded, except those called *dynamic*, which are given at each replay. **In place** names the operands that a kernel
changes; all others make new tensors.

`simd` marks kernels of the compiled device, `webgpu` those of the GPU, and ∂ those with a gradient rule
([programs.md](programs.md)).
"""
DEVICES = {"simd": simd.KERNELS, "webgpu": webgpu.KERNELS}


def signature(kernel: Kernel) -> str:
    """A call of the kernel, without the types of tensors."""
    arguments = ast.unparse(definition(kernel).args).replace("Sequence[Array]", "[…]")
    return f"{kernel.name}({arguments.replace(': Array | None=None', '=None').replace(': Array', '')})"


def row(kernel: Kernel) -> str:
    """A line of the table."""
    words = " ".join((inspect.getdoc(kernel.function) or "—").split()).replace("|", "\\|")
    for what, names in (("*Dynamic*", kernel.dynamic), ("**In place**", kernel.in_place)):
        words += f" {what}: {', '.join(f'`{name}`' for name in names)}." if names else ""
    marks = [name for name, kernels in DEVICES.items() if kernel.name in kernels] + ["∂"] * (
        kernel.gradient is not None
    )
    return f"| `{signature(kernel)}` | {words} | {', '.join(marks)} |\n"


def choices(family: str) -> str:
    """The activations or losses that a kernel of the family takes by name."""
    table: Mapping[str, Activation | Loss] = {"activation": ACTIVATIONS, "loss": LOSSES}.get(family, {})
    if not table:
        return ""
    formulas = {name: entry.formula.replace("|", "\\|") for name, entry in table.items()}
    rows = "".join(f"| `{name}` | {formula} |\n" for name, formula in formulas.items())
    return f"\n| {family} | formula |\n|---|---|\n{rows}"


def text() -> str:
    """The page."""
    parts = [HEAD.format(count=len(KERNELS))]
    for family, kernels in families().items():
        parts.append(f"\n## {family}\n\n{title(family)}.\n\n| kernel | what it does | devices |\n|---|---|---|\n")
        parts += [*map(row, kernels), choices(family)]
    return "".join(parts)


def main() -> None:
    TARGET.write_text(text(), encoding="utf-8")
    console.detail(f"{TARGET.relative_to(paths.REPOSITORY)}: {len(KERNELS)} kernels")


if __name__ == "__main__":
    sys.exit(console.run(lambda: main()))

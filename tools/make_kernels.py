"""Writes docs/kernels.md, the kernel vocabulary as a table, from `runtime/ops.py` and the devices' own tables."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass

from loom_py.runtime import simd
from loom_py.runtime.numpy_ops import NumpyOps
from loom_py.runtime.trace import IN_PLACE
from tools import console, paths

SOURCE = paths.REPOSITORY / "loom_py" / "runtime" / "ops.py"
TARGET = paths.REPOSITORY / "docs" / "kernels.md"
HEAD = """# The kernel vocabulary

Everything a layer or a model may ask of a device: {count} kernels. This page is generated from `loom_py/runtime/ops.py`
by `python -m tools.make_kernels`; a test fails when it is stale. `loom_py/runtime/kernels/` holds the NumPy oracle of
each under the same name, `tests/runtime/test_kernels.py` compares all implementations with it on random shapes.

`B` is the batch, `T` time steps, `I`/`O`/`H` input, output and hidden width. Floating tensors are float32 (float64 on
NumPy for gradient checks); sums accumulate at least in float32. Numbers are parameters, known when a program is
recorded, except those called *dynamic*, which are given at each replay. **In place** names the operands that a kernel
changes; all others make new tensors.

`simd` marks kernels of the compiled device, `webgpu` those of the GPU.
"""


@dataclass(frozen=True)
class Kernel:
    """One row."""

    name: str
    signature: str
    text: str


def kernels() -> dict[str, list[Kernel]]:
    """Section → its kernels, in the order of the source."""
    source = SOURCE.read_text(encoding="utf-8")
    lines = source.splitlines()
    protocol = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == "Ops")
    sections: dict[str, list[Kernel]] = {}
    for node in protocol.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        above = [line.strip() for line in lines[: node.lineno] if line.strip().startswith("# ---")]
        title = above[-1].strip("# -") if above else "kernels"
        arguments = ast.unparse(node.args).removeprefix("self, ").replace("Sequence[Tensor]", "[…]")
        arguments = arguments.replace(": Tensor | None=None", "=None").replace(": Tensor", "")
        text = " ".join((ast.get_docstring(node) or "").split())
        sections.setdefault(title, []).append(Kernel(node.name, f"{node.name}({arguments})", text))
    return sections


def webgpu_kernels() -> set[str]:
    """Those of the GPU's table."""
    try:
        from loom_py.runtime import webgpu
    except ImportError:
        return set()
    return set(webgpu.KERNELS)


def text() -> str:
    """The page."""
    sections = kernels()
    on_gpu = webgpu_kernels()
    parts = [HEAD.format(count=sum(map(len, sections.values())))]
    for title, rows in sections.items():
        parts.append(f"\n## {title[0].upper() + title[1:]}\n\n| kernel | what it does | devices |\n|---|---|---|\n")
        for kernel in rows:
            changed = ", ".join(f"`{name}`" for name in IN_PLACE.get(kernel.name, ()))
            where = [n for n, has in (("simd", kernel.name in simd.KERNELS), ("webgpu", kernel.name in on_gpu)) if has]
            words = kernel.text.replace("*In place*: ", "").replace("|", "\\|")
            words += f" **In place**: {changed}." if changed else ""
            parts.append(f"| `{kernel.signature}` | {words or '—'} | {', '.join(where)} |\n")
    return "".join(parts)


def missing() -> set[str]:
    """Kernels in the vocabulary without an oracle, or the other way round."""
    listed = {kernel.name for rows in kernels().values() for kernel in rows}
    return listed ^ {name for name in vars(NumpyOps) if not name.startswith("_")}


def main() -> None:
    TARGET.write_text(text(), encoding="utf-8")
    console.detail(f"{TARGET.relative_to(paths.REPOSITORY)}: {len(text().splitlines())} lines")


if __name__ == "__main__":
    sys.exit(console.run(lambda: main()))

"""Writes loom_py/runtime/ops.py, the kernel vocabulary as type checkers see it, from the declared kernels."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from importlib import import_module

from loom_py.runtime.kernel import KERNELS, Kernel
from loom_py.runtime.kernels import FAMILIES
from tools import console, paths

TARGET = paths.REPOSITORY / "loom_py" / "runtime" / "ops.py"
HEAD = '''"""The kernel vocabulary: everything a layer or a model may ask of a device.

Written by `python -m tools.make_ops` from the functions declared in `kernels/`, where their whole documentation stands;
a test fails when it is stale. It is for type checkers: `NumpyOps` and `TracingOps` take their methods from the
declarations.

A layer's `forward` and `backward` call these and nothing else, so the same code runs eagerly on NumPy and can be
recorded once and replayed elsewhere. What that asks of a caller:

- shapes and dtypes are known from the arguments; no Python branch looks at a value;
- every function returns new tensors, except for the operands named *in place*: parameters, optimiser state, caches;
- floating tensors keep their dtype (float32, or float64 for gradient checks); sums accumulate at least in float32.

`B` is the batch, `T` time steps, `I`/`O`/`H` input, output and hidden width. Numbers named *dynamic* may change from
replay to replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .kernels.softmax import Tree

Tensor: TypeAlias = Any
"""Whatever the ops in use hand out; an `ndarray` on NumPy. Has `.shape`, `.dtype` and `.ndim`."""


class Ops:
    """One device's kernels. A subclass has every method."""
'''


def definition(kernel: Kernel) -> ast.FunctionDef:
    """The declared function's syntax tree."""
    node = ast.parse(inspect.getsource(kernel.function)).body[0]
    assert isinstance(node, ast.FunctionDef)
    return node


def title(family: str) -> str:
    """A family's description: the first line of its module."""
    text = inspect.getdoc(import_module(f"loom_py.runtime.kernels.{family}")) or family
    return text.splitlines()[0].rstrip(".")


def families() -> dict[str, list[Kernel]]:
    """Family → its kernels in the order of its file."""
    return {family: [k for k in KERNELS.values() if k.family == family] for family in FAMILIES}


def notes(kernel: Kernel) -> list[str]:
    """Sentences on what the declaration says beyond the docstring."""
    named = {"In place": kernel.in_place, "Dynamic": kernel.dynamic}
    return [f"*{what}*: {', '.join(f'`{n}`' for n in names)}." for what, names in named.items() if names]


def method(kernel: Kernel) -> str:
    """The kernel as a method, with the first paragraph of its documentation."""
    node = definition(kernel)
    arguments = ast.unparse(node.args).replace("Array", "Tensor")
    returns = ast.unparse(node.returns).replace("Array", "Tensor") if node.returns else "Any"
    doc = " ".join([(inspect.getdoc(kernel.function) or "").split("\n\n")[0], *notes(kernel)])
    lines = textwrap.wrap(doc, 120 - len('        """""" '))
    closing = "\n        " if len(lines) > 1 else ""
    body = "\n        ".join(lines) + closing
    head = f"    def {kernel.name}(self, {arguments}) -> {returns}:"
    return f'{head}\n        """{body}"""\n        raise NotImplementedError\n'


def text() -> str:
    """The module, formatted."""
    parts = [HEAD]
    for family, kernels in families().items():
        if kernels:
            parts.append(f"\n    # --- {family}\n")
            parts.append("\n".join(map(method, kernels)))
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    ran = subprocess.run(
        command, input="".join(parts), capture_output=True, text=True, check=True, cwd=paths.REPOSITORY
    )
    return ran.stdout


def main() -> None:
    TARGET.write_text(text(), encoding="utf-8")
    console.detail(f"{TARGET.relative_to(paths.REPOSITORY)}: {len(KERNELS)} kernels")


if __name__ == "__main__":
    sys.exit(console.run(lambda: main()))

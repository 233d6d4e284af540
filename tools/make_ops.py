"""Writes loom_py/runtime/ops/, the kernels as type checkers see it, from the declarations, a file a family."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from importlib import import_module

from loom_py.runtime.kernel import KERNELS, Kernel
from loom_py.runtime.kernels import FAMILIES
from tools import console, paths

TARGET = paths.REPOSITORY / "loom_py" / "runtime" / "ops"
TREE = "from ..softmax_tree import Tree\n"
HEAD = '''"""The kernel vocabulary: everything a layer or a model may ask of a device.

Written by `python -m tools.make_ops` from the functions declared in `kernels/`, where their whole documentation stands,
a file a family; a test fails when one is stale. It is for type checkers: `NumpyOps` and `TracingOps` take their methods
from the declarations.

A layer's `forward` and `backward` call these and nothing else, so the same code runs eagerly on NumPy and can be
recorded once and replayed elsewhere. What that asks of a caller:

- shapes and dtypes are known from the arguments; no Python branch looks at a value;
- every function returns new tensors, except for the operands named *in place*: parameters, optimiser state, caches;
- floating tensors keep their dtype (float32, or float64 for gradient checks); sums accumulate at least in float32.

`B` is the batch, `T` time steps, `I`/`O`/`H` input, output and hidden width. Numbers named *dynamic* may change from
replay to replay.
"""

from __future__ import annotations

'''
TENSOR = '''"""What kernels take and give."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""Whatever the ops in use hand out; an `ndarray` on NumPy. Has `.shape`, `.dtype` and `.ndim`."""
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


def class_name(family: str) -> str:
    return f"{family.title().replace('_', '')}Ops"


def module(family: str, kernels: list[Kernel]) -> str:
    """The file of a family."""
    methods = "\n".join(map(method, kernels))
    imports = "from collections.abc import Sequence\n\n" if "Sequence[" in methods else ""
    imports += TREE if re.search(r"\bTree\b", methods) else ""
    head = f'"""{title(family)}."""\n\nfrom __future__ import annotations\n\n'
    return f"{head}{imports}from .tensor import Tensor\n\n\nclass {class_name(family)}:\n{methods}"


def contents() -> Mapping[str, str]:
    """The files of the package by their names, formatted."""
    named = {family: kernels for family, kernels in families().items() if kernels}
    files = {f"{family}.py": module(family, kernels) for family, kernels in named.items()} | {"tensor.py": TENSOR}
    imports = "".join(f"from .{family} import {class_name(family)}\n" for family in named)
    imports += 'from .tensor import Tensor\n\n__all__ = ["Ops", "Tensor"]\n'
    bases = ", ".join(map(class_name, named))
    files["__init__.py"] = (
        f'{HEAD}{imports}\n\nclass Ops({bases}):\n    """One device\'s kernels. A subclass has every method."""\n'
    )
    return {name: _formatted(name, text) for name, text in files.items()}


def _formatted(name: str, text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET / name), "-"]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, cwd=paths.REPOSITORY
    ).stdout  # fmt: skip


def stale() -> set[str]:
    """Names of the files that are missing, left over, or not as they would be written."""
    files = contents()
    kept = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*.py")}
    return {name for name in files.keys() | kept.keys() if files.get(name) != kept.get(name)}


def main() -> None:
    files = contents()
    TARGET.mkdir(exist_ok=True)
    for path in TARGET.glob("*.py"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    console.detail(f"{TARGET.relative_to(paths.REPOSITORY)}: {len(KERNELS)} kernels in {len(files)} files")


if __name__ == "__main__":
    sys.exit(console.run(lambda: main()))

"""What is generated from the declared kernels: the page of the vocabulary and the class that type checkers see."""

from __future__ import annotations

from loom_py.runtime.kernel import KERNELS
from loom_py.runtime.ops import Ops
from tools import make_kernels, make_ops


def test_the_page_is_up_to_date() -> None:
    assert make_kernels.TARGET.read_text("utf-8") == make_kernels.text(), "run python -m tools.make_kernels"


def test_the_protocol_is_up_to_date() -> None:
    assert not make_ops.stale(), "run python -m tools.make_ops"


def test_the_protocol_has_every_kernel() -> None:
    assert {name for name in dir(Ops) if not name.startswith("_")} == set(KERNELS)

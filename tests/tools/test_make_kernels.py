"""The generated page of the kernel vocabulary."""

from __future__ import annotations

from tools import make_kernels


def test_the_page_is_up_to_date() -> None:
    assert make_kernels.TARGET.read_text("utf-8") == make_kernels.text(), "run python -m tools.make_kernels"


def test_every_kernel_has_an_oracle() -> None:
    assert make_kernels.missing() == set()

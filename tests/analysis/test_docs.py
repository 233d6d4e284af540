"""The Python in the documentation of observers and tools runs."""

from __future__ import annotations

import re

import pytest

from ..conftest import ROOT


@pytest.mark.parametrize("name", ["observing", "tools"])
def test_code_blocks(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    codes = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert codes
    for code in codes:
        exec(compile(code, name, "exec"), {})
        printed = capsys.readouterr().out
        for line in re.findall(r"# (→ .*)", code):
            assert line in printed

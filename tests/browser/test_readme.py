"""The README's JavaScript, run verbatim in a page of the site."""

from __future__ import annotations

import re

from ..test_readme import blocks
from .conftest import Open


def test_javascript_example(open_page: Open, plain_url: str) -> None:
    (code,) = blocks("js")
    page = open_page(f"{plain_url}index.html" if plain_url.endswith("/") else f"{plain_url}/index.html")
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text))
    body = re.sub(r'^import (.*?) from "\./(.*?)";', r'const \1 = await import("/\2");', code, flags=re.MULTILINE)
    page.evaluate("async () => {" + body + "}")
    assert re.search(r"loss 0\.25\d\d → 0\.000\d+", "\n".join(lines)), lines
    assert any("Float32Array" in line or "0.9" in line for line in lines), lines

"""The frame that all pages share."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from tools import console, pages, paths

DEMOS = paths.REPOSITORY / "web" / "demos"
PAGES = {name: html for name, html in pages.rendered(DEMOS).items() if name != "404.html"}
"""Those that visitors choose."""


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str, attribute: str) -> list[str]:
        return [value for t, a in self.elements if t == tag and (value := a.get(attribute)) is not None]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stands_in_the_navigation_and_has_what_it_loads(name: str) -> None:
    tags = Tags(PAGES[name])
    links = [link for link in tags.all("a", "href") if link.endswith(".html")]
    assert set(PAGES) == set(links), "every page is one click away, and every link leads to a page"
    here = [a["href"] for t, a in tags.elements if t == "a" and a.get("aria-current") == "page"]
    assert here == [name]
    ours = [path for path in tags.all("link", "href") + tags.all("script", "src") if path.startswith("demos/")]
    assert len(ours) >= 3
    for path in ours:
        assert (DEMOS.parent / path).is_file(), path
    ids = [i for _, a in tags.elements if (i := a.get("id")) is not None]
    assert sorted(ids) == sorted(set(ids))
    skip = next(a["href"] for t, a in tags.elements if t == "a" and a.get("class") == "skip")
    assert skip is not None
    assert skip[1:] in ids
    assert "{%" not in PAGES[name]
    assert "{{" not in PAGES[name]


def test_titles_and_descriptions_are_the_pages_own() -> None:
    for start in ("<title>", '<meta name="description" content="'):
        texts = [html.split(start, 1)[1].split("<", 1)[0].split('">', 1)[0] for html in PAGES.values()]
        assert len(set(texts)) == len(texts)
        assert all(texts)


START = (
    "{% extends 'page.jinja' %}{% set script = 'x' %}{% set styles = [] %}"
    "{% block heading %}{% endblock %}{% block lead %}{% endblock %}\n"
)
FAULTY = {
    START + "{% block description %}{% endblock %}": r"devices\.html: .*content",
    START + "{% block description %}{{ typo }}{% endblock %}": r"devices\.html: .*typo",
    START + "{% set script %}": r"devices\.html, line \d: ",
    "{% extends 'no.jinja' %}": r"devices\.html: .*no\.jinja",
}


@pytest.mark.parametrize("page", FAULTY)
def test_a_faulty_page_is_named(tmp_path: Path, page: str) -> None:
    (tmp_path / "page.jinja").write_text((DEMOS / "page.jinja").read_text("utf-8"), "utf-8")
    (tmp_path / "devices.html").write_text(page, "utf-8")
    with pytest.raises(console.Failure, match=FAULTY[page]):
        pages.rendered(tmp_path)

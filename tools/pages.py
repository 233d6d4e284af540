"""The site's pages: each `web/demos/*.html` fills the blocks of `web/demos/page.jinja`, their common frame."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError

from tools import console


def rendered(folder: Path) -> dict[str, str]:
    """File name → HTML of every page in a folder. Raises `console.Failure` that names the page with a fault."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # templates and values all come from this repository
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    pages = {}
    for path in sorted(folder.glob("*.html")):
        try:
            pages[path.name] = environment.get_template(path.name).render(here=path.stem)
        except TemplateError as error:
            line = f", line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
            raise console.Failure(f"{path.name}{line}: {error.message}") from error
    return pages

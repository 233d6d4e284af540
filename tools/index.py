"""Files of the Python package index that pip is set up for (Simple Repository API, PEP 503 and PEP 691).

pip cannot fetch a source distribution without building its metadata, nor a wheel for another Python, so the file is
looked up on pip's own index and downloaded by its hash.
"""

from __future__ import annotations

import functools
import html.parser
import json
import os
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from tools import console, download, files, paths


@dataclass(frozen=True)
class IndexFile:
    name: str
    url: str
    sha256: str | None


@functools.cache
def index_urls() -> tuple[str, ...]:
    """The index and the extra indexes that pip would use, from its environment variables and configuration files."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings: dict[str, str] = {}
    for line in listing.stdout.splitlines():
        key, _, value = line.partition("=")
        settings[key.split(".", 1)[-1].strip("'\"")] = value.strip("'\"")
    main = os.environ.get("PIP_INDEX_URL") or settings.get("index-url") or _default_index()
    extra = os.environ.get("PIP_EXTRA_INDEX_URL") or settings.get("extra-index-url") or ""
    return tuple(url.rstrip("/") for url in [main, *extra.split()])


def _default_index() -> str:
    from pip._internal.models.index import PyPI  # where pip keeps its own default

    return PyPI.simple_url


class _Anchors(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs).get("href")
        if tag == "a" and link:
            self.links.append(link)


def listing(project: str, *, timeout: float = 20) -> list[IndexFile]:
    """All files of ``project``. Raises `console.Skipped` when no index answers."""
    listed: list[IndexFile] = []
    problem: console.Skipped | None = None
    answered = False
    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    for base in index_urls():
        url = f"{base}/{project}/"
        try:
            with download.open_url(url, timeout=timeout, headers={"Accept": accept}) as response:
                kind = response.headers.get("Content-Type") or ""
                text = response.read().decode("utf-8")
                listed += _parse(text, json_form="json" in kind, base=response.url or url)
                answered = True
        except console.Skipped as skipped:
            problem = problem or skipped
    if not answered and problem:
        raise problem
    return listed


def _parse(text: str, *, json_form: bool, base: str) -> list[IndexFile]:
    if json_form:
        return [
            IndexFile(entry["filename"], urllib.parse.urljoin(base, entry["url"]), entry["hashes"].get("sha256"))
            for entry in json.loads(text)["files"]
        ]
    anchors = _Anchors()
    anchors.feed(text)
    entries = []
    for link in anchors.links:
        url, fragment = urllib.parse.urldefrag(urllib.parse.urljoin(base, link))
        name = urllib.parse.unquote(url.rsplit("/", 1)[-1])
        entries.append(IndexFile(name, url, fragment.removeprefix("sha256=") if "sha256=" in fragment else None))
    return entries


def fetch(project: str, name: str, sha256: str, *, into: Path | None = None) -> Path:
    """The file ``name`` of ``project``, from the cache or the index, with the pinned hash."""
    target = (into or paths.cache("downloads")) / name
    if target.is_file() and files.sha256(target) == sha256:
        return target
    for entry in listing(project):
        if entry.name == name and entry.sha256 in (None, sha256):
            return download.fetch(entry.url, target, sha256=sha256)
    raise console.Skipped(f"the package index has no {name} with the pinned SHA-256")

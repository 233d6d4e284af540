"""What a page asks before it fetches a model: what an address names, which files are needed, whether they will do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, Protocol

from ..formats.folder import choose_files
from ..formats.hub_address import parse_hub_address
from ..formats.source import Source
from ..generation.inspecting import inspect_model as reported
from ..generation.opening import open_model
from ..schema.strict import parse_json
from .files import JsSource, Reader


class HeadReader(Reader, Protocol):
    """A file of which only the first `available` bytes have been fetched."""

    available: int


class _TooShort(Exception):
    """More of a file is needed than its head."""

    def __init__(self, name: str, end: int) -> None:
        super().__init__(name)
        self.name = name
        self.end = end


class _Head(JsSource):
    """The head of a file, as a `Source` of the whole file's size."""

    def __init__(self, reader: HeadReader) -> None:
        super().__init__(reader)
        self._available = int(reader.available)

    def read(self, offset: int, length: int) -> memoryview:
        if offset + length > self._available:
            raise _TooShort(self.name, offset + length)
        return super().read(offset, length)


def hub_address(text: str) -> str:
    """JSON of the `HubAddress` that a text names."""
    return json.dumps(dataclasses.asdict(parse_hub_address(text)))


def choose_model_files(request: str) -> str:
    """JSON of the `Choice` among files; `request` is JSON of `choose_files`' arguments."""
    arguments: dict[str, Any] = parse_json(request, where="request")
    return json.dumps(dataclasses.asdict(choose_files(**arguments)))


def examine_model(files: Iterable[Reader], heads: Iterable[HeadReader]) -> str:
    """Open a model of which some files are whole and others are heads, and forget it; raises what loading would raise.

    JSON of null, or `{"name", "bytes"}`: how much of which file is needed to say more.
    """
    sources = _sources(files, heads)
    try:
        open_model(sources, next(iter(sources), "model"))
    except _TooShort as short:
        return json.dumps({"name": short.name, "bytes": short.end})
    return "null"


def inspect_model(files: Iterable[Reader], heads: Iterable[HeadReader], name: str, machine: int) -> str:
    """JSON of `{"report"}`, the `ModelReport` on a model of which some files are whole and others are heads.

    `{"more": {"name", "bytes"}}` instead: how much of which file is needed for one.
    """
    try:
        report = reported(_sources(files, heads), name, machine=machine)
    except _TooShort as short:
        return json.dumps({"more": {"name": short.name, "bytes": short.end}})
    return json.dumps({"report": report.to_json()})


def _sources(files: Iterable[Reader], heads: Iterable[HeadReader]) -> dict[str, Source]:
    return {source.name: source for source in (*map(JsSource, files), *map(_Head, heads))}

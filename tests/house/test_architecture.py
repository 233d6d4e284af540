"""docs/architecture.md: its picture is drawn from the current imports."""

from __future__ import annotations

import re

import pytest

from tools import imports, make_architecture, paths


def test_the_rooms_are_up_to_date() -> None:
    written = make_architecture.TARGET.read_text(encoding="utf-8")
    assert written == make_architecture.text(), "run python -m tools.make_architecture"


def test_every_room_is_drawn() -> None:
    assert {make_architecture.box(module) for module in imports.sources()} - {""} == set(make_architecture.uses())


def test_an_arrow_is_drawn_unless_a_longer_way_implies_it() -> None:
    graph = {"cli": {"network", "nn", "ground"}, "network": {"nn"}, "nn": {"ground"}, "ground": set[str]()}
    assert list(make_architecture.drawn(graph)) == [("cli", "network"), ("network", "nn"), ("nn", "ground")]
    assert make_architecture.reachable(graph, "cli") == {"network", "nn", "ground"}


def index() -> list[str]:
    """The rows of the table at the end."""
    text = make_architecture.TARGET.read_text(encoding="utf-8").split("## Where do I find")[1]
    return [line for line in text.splitlines() if line.startswith("| ") and "`" in line]


@pytest.mark.parametrize("row", index())
def test_what_the_index_names_is_in_the_files_it_names(row: str) -> None:
    spans = re.findall(r"`([^`]+)`", row)
    named = [paths.REPOSITORY / span for span in spans if "/" in span]
    files = [file for path in named for file in ([path] if path.is_file() else sorted(path.glob("*.py")))]
    sources = "\n".join(file.read_text(encoding="utf-8") for file in files)
    for name in (span for span in spans if re.fullmatch(r"[A-Za-z_]\w+", span)):
        assert re.search(rf"{name}\b", sources), name

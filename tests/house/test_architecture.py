"""docs/architecture.md: its picture is drawn from the imports of now."""

from __future__ import annotations

from tools import imports, make_architecture


def test_the_rooms_are_up_to_date() -> None:
    written = make_architecture.TARGET.read_text(encoding="utf-8")
    assert written == make_architecture.text(), "run python -m tools.make_architecture"


def test_every_room_is_drawn() -> None:
    assert {make_architecture.box(module) for module in imports.sources()} - {""} == set(make_architecture.uses())


def test_an_arrow_is_drawn_unless_a_longer_way_implies_it() -> None:
    graph = {"cli": {"network", "nn", "ground"}, "network": {"nn"}, "nn": {"ground"}, "ground": set[str]()}
    assert list(make_architecture.drawn(graph)) == [("cli", "network"), ("network", "nn"), ("nn", "ground")]
    assert make_architecture.reachable(graph, "cli") == {"network", "nn", "ground"}

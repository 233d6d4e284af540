"""Options declared beside a dataclass's attributes, and the choices made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from loom_py.errors import ConfigError
from loom_py.schema.choice import Choice, read_choice
from loom_py.schema.fields import LOOSE, Fields
from loom_py.schema.options import check_options, option, read_options


@dataclass(frozen=True, kw_only=True)
class Settings:
    epochs: int = option(10, minimum=1)
    learning_rate: float = option(0.5, minimum=0, below=2, names=["Rate"])
    mode: str = option("slow", choices=("slow", "fast"))
    delay: int | None = option(None, minimum=2)
    shuffle: bool = option(False)
    callback: object = None
    """No option: JSON cannot give it."""


def read(value: object) -> Settings:
    f = Fields(value, "c", rules=LOOSE)
    settings = Settings(**read_options(Settings, f))
    f.finish()
    return settings


def test_reading() -> None:
    assert read({}) == Settings()
    document = {"epochs": 3, "Rate": 1, "MODE": "fast", "Delay": 4, "shuffle": True}
    assert read(document) == Settings(epochs=3, learning_rate=1.0, mode="fast", delay=4, shuffle=True)
    f = Fields({"epochs": 7}, rules=LOOSE)
    assert read_options(Settings, f, {"epochs": 2, "delay": 5})["delay"] == 5
    assert read_options(Settings, f, {"epochs": 2})["epochs"] == 7


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Epochs": 0}, r"^c\.Epochs: 0 must be at least 1"),
        ({"epochs": 2.5}, r"^c\.epochs: expected a whole number, got 2\.5"),
        ({"rate": 2}, r"^c\.rate: 2 must be at least 0 and below 2"),
        ({"learning_rate": float("nan")}, r"^c\.learning_rate: expected a finite number, got nan"),
        ({"mode": "fats"}, r"^c\.mode: unknown value 'fats'\. Did you mean 'fast'"),
        ({"delay": 1}, r"^c\.delay: 1 must be at least 2"),
        ({"shuffle": "yes"}, r"^c\.shuffle: expected true or false, got a string"),
        ({"callback": 1}, r"^c\.callback: unknown key 'callback'"),
    ],
)
def test_wrong_values(value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(value)


def test_checking_options_built_in_python() -> None:
    values = check_options(Settings(epochs=np.int64(3), learning_rate=np.float32(0.5)), "s")  # type: ignore[arg-type]
    assert values == {"epochs": 3, "learning_rate": 0.5, "mode": "slow", "delay": None, "shuffle": False}
    assert {type(v) for v in values.values()} == {int, float, str, type(None), bool}
    for wrong, message in (
        ({"epochs": None}, r"^s\.Epochs: expected a value, got null"),
        ({"epochs": -1}, r"^s\.Epochs: -1 must be at least 1"),
        ({"mode": Path("fats")}, r"^s\.Mode: unknown value"),
    ):
        fault: dict[str, Any] = wrong
        with pytest.raises(ConfigError, match=message):
            check_options(Settings(**fault), "s")


@dataclass(frozen=True, kw_only=True)
class Shape(Choice):
    size: float = option(1.0, above=0)


@dataclass(frozen=True, kw_only=True)
class Disc(Shape):
    kind: ClassVar[str] = "disc"
    filled: bool = option(True)


@dataclass(frozen=True, kw_only=True)
class Ring(Shape):
    kind: ClassVar[str] = "ring"
    holes: int = option(1, minimum=1, maximum=3)


KINDS: dict[str, type[Shape]] = {"disc": Disc, "ring": Ring}


def test_choices() -> None:
    assert read_choice("Ring", KINDS, "s") == Ring()
    assert read_choice({"type": "ring", "Holes": 2}, KINDS, "s", {"size": 3}) == Ring(holes=2, size=3.0)
    for choice in (Disc(filled=False, size=2.0), Ring(holes=3)):
        assert read_choice(choice.to_json(), KINDS, "s") == choice
        assert read_choice(choice, KINDS, "s") is choice
    for value, message in (
        ("rng", r"^s\.Type: unknown name 'rng'\. Did you mean 'ring'"),
        (3, r"^s: expected a name or an object, got a number"),
        ({"Type": "ring", "Holes": 4}, r"^s\.Holes: 4 must be at least 1 and at most 3"),
        ({"Type": "disc", "Holes": 1}, r"^s\.Holes: unknown key 'Holes'"),
        (Ring(), r"^s: Ring does not belong here"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_choice(value, {"disc": Disc} if isinstance(value, Ring) else KINDS, "s")
    with pytest.raises(ConfigError, match=r"^Ring\.size: 0 must be above 0"):
        Ring(size=0)

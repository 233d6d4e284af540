"""`Fields` whose keys may be written in any case, with or without underscores, as the original reads its JSON."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError
from .fields import Fields, json_type, suggest


def fold(key: str) -> str:
    """`LearningRate`, `learning_rate`, `learningrate` → one spelling."""
    return str(key).lower().replace("_", "").replace(" ", "")


def pascal(name: str) -> str:
    """`learning_rate` → `LearningRate`."""
    return "".join(word.capitalize() for word in name.split("_"))


class LooseFields(Fields):
    """`Fields` asked for by PascalCase names, whatever the case and underscores of the keys; errors show the keys."""

    def __init__(self, value: object, path: str) -> None:
        super().__init__(value, path)
        self._written: dict[str, str] = {}
        for key in self.values:
            other = self._written.setdefault(fold(key), str(key))
            if other != key:
                raise ConfigError(f"the same key as {other!r}", where=f"{path}.{key}", remedy="Keep one of them.")

    def at(self, name: str) -> str:
        return super().at(self._written.get(fold(name), name))

    def _get(self, names: tuple[str, ...]) -> tuple[str, Any]:
        self._asked.update(names)
        for name in names:
            key = self._written.get(fold(name))
            if key is not None and self.values[key] is not None:
                return name, self.values[key]
        return names[0], None

    def has(self, *names: str) -> bool:
        return self._get(names)[1] is not None

    def boolean(self, *names: str, default: bool = False) -> bool:
        """true or false; 1 and 0 count too."""
        _, value = self._get(names)
        return (
            bool(value) if type(value) in (int, float) and value in (0, 1) else super().boolean(*names, default=default)
        )

    def array(self, *names: str) -> list[Any]:
        """An array, empty if absent; what is in it is not looked at."""
        name, value = self._get(names)
        if value is not None and not isinstance(value, (list, tuple)):
            raise ConfigError(f"expected an array, got {json_type(value)}", where=self.at(name))
        return list(value or ())

    def finish(self) -> None:
        known = {fold(name): name for name in self._asked}
        for key in self.values:
            if fold(key) not in known:
                near = suggest(pascal(str(key)) if "_" in str(key) else str(key), sorted(known.values()))
                raise ConfigError(f"unknown key {key!r}", where=self.at(str(key)), remedy=near)

    def rest(self) -> dict[str, Any]:
        """The values nobody asked for, under their folded keys."""
        known = {fold(name) for name in self._asked}
        return {fold(key): value for key, value in self.values.items() if fold(key) not in known}

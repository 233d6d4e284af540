"""Typed access to a parsed `tokenizer.json`; every error is a `TokenizerError` with the file and the JSON path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar, overload

from ..errors import TokenizerError
from ..schema.file_fields import kind_of
from ..schema.strict import json_path

MAX_NESTING = 16
_REMEDY = "The file is damaged or not a tokenizer.json; fetch or export it again."
_T = TypeVar("_T")
_MISSING: Any = object()


class Node:
    """One JSON object of the file.

    **Arguments:**

    - `value`: must be a mapping with string keys.
    - `where`: the file's name.
    - `path`: the steps from the root.
    """

    __slots__ = ("path", "value", "where")

    def __init__(self, value: object, where: str, path: tuple[str | int, ...] = ()) -> None:
        self.where = where
        self.path = path
        if not isinstance(value, Mapping):
            self.fail(f"must be an object, but is {kind_of(value)}")
        self.value: Mapping[str, Any] = value

    def fail(self, message: str, *steps: str | int, remedy: str = _REMEDY) -> NoReturn:
        """Raise a `TokenizerError` at `steps` below this object."""
        path = json_path([*self.path, *steps])
        raise TokenizerError(message, where=f"{self.where}: {path}" if path else self.where, remedy=remedy)

    def unsupported(self, what: str, *steps: str | int) -> NoReturn:
        self.fail(f"{what} is not supported", *steps, remedy="Use a model whose tokenizer does without it.")

    def has(self, key: str) -> bool:
        """Whether the field is there and not `null`."""
        return self.value.get(key) is not None

    def get(self, key: str, kind: type[_T], default: Any = _MISSING) -> _T:
        """The field, which must be of exactly `kind`; absent or `null` gives `default` where there is one."""
        value = self.value.get(key)
        if value is None and default is not _MISSING:
            return default
        if type(value) is not kind:
            if key not in self.value:
                self.fail(f"the field {key!r} is missing")
            self.fail(f"must be {kind_of(kind())}, but is {kind_of(value)}", key)
        return value

    @overload
    def count(self, key: str) -> int: ...
    @overload
    def count(self, key: str, default: int) -> int: ...
    def count(self, key: str, default: Any = _MISSING) -> int:
        """A non-negative 32-bit integer."""
        value = self.get(key, int, default)
        if not 0 <= value < 2**32:
            self.fail(f"must be between 0 and 4294967295, but is {value}", key)
        return value

    def character(self, key: str) -> str:
        """A string of one character."""
        value = self.get(key, str)
        if len(value) != 1:
            self.fail(f"must be one character, but is {value[:20]!r}", key)
        return value

    def choice(self, key: str, options: Sequence[str], default: Any = _MISSING) -> str:
        value = self.get(key, str, default)
        if value not in options:
            self.fail(f"must be one of {', '.join(options)}, but is {value[:40]!r}", key)
        return value

    def items(self, key: str) -> Sequence[Any]:
        """The field as an array."""
        value = self.value.get(key)
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            self.fail(f"must be an array, but is {kind_of(value)}", key)
        return value

    def child(self, key: str) -> Node:
        """The object in field `key`."""
        return Node(self.value.get(key), self.where, (*self.path, key))

    def children(self, key: str) -> Iterator[Node]:
        """The objects in array `key`. Refuses nesting that no tokenizer needs (a hostile file, a cyclic mapping)."""
        if len(self.path) > 2 * MAX_NESTING:
            self.fail(f"sequences are nested more than {MAX_NESTING} deep", key)
        for i, value in enumerate(self.items(key)):
            yield Node(value, self.where, (*self.path, key, i))

    def pattern(self, key: str = "pattern") -> tuple[str, bool]:
        """A `{"String": …}` or `{"Regex": …}` field: the text, and whether it is a regex."""
        node = self.child(key)
        kinds = [kind for kind in ("String", "Regex") if kind in node.value]
        if len(kinds) != 1 or len(node.value) != 1:
            node.fail("must have exactly one of the fields 'String' and 'Regex'")
        return node.get(kinds[0], str), kinds[0] == "Regex"

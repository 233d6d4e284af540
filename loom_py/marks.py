"""Marks that tell reflection what a method or class is to JavaScript, and the types it knows by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NewType, TypeAlias, TypeVar

from numpy.typing import NDArray

Duration = NewType("Duration", int)
"""Nanoseconds."""
Floats: TypeAlias = Sequence[float] | Sequence[Sequence[float]] | NDArray[Any]
"""Real numbers: a list, flat or of rows, or an array of any float or integer dtype."""


F = TypeVar("F", bound=Callable[..., Any])


def native(method: F) -> F:
    """Decorator: a public method for Python only (its arguments or result have no JSON form)."""
    method.__dict__["native"] = True
    return method


C = TypeVar("C", bound=type)


_shared: dict[type, str] = {}


def shared(cls: C) -> C:
    """Decorator: objects of this class can be handed to JavaScript, which holds them by a handle."""
    return shared_as(cls.__name__)(cls)


def shared_as(name: str) -> Callable[[C], C]:
    """`shared`, for a base class whose objects JavaScript knows as those of another class."""

    def mark(cls: C) -> C:
        _shared[cls] = name
        return cls

    return mark


def is_shared(annotation: Any) -> bool:
    """Whether a type is a class marked `shared`, or derived from one."""
    return isinstance(annotation, type) and any(base in _shared for base in annotation.__mro__)


def shared_name(cls: type) -> str:
    """The name by which JavaScript knows a shared class."""
    return _shared.get(cls, cls.__name__)


def in_steps(steps: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator for a method that takes long: `steps` is a generator function with the same parameters and result.

    Each `next` is one whole step, so that whoever drives it can stop there; it yields what there is to tell, or None.
    """

    def mark(method: F) -> F:
        method.__dict__["steps"] = steps
        return method

    return mark

"""Objects that stay in Python and are known outside by small integers (*handles*)."""

from __future__ import annotations

import gc
from typing import Any, Protocol, runtime_checkable

from ..errors import InputError
from .tasks import Task


@runtime_checkable
class Closable(Protocol):
    """What gives its memory back when asked."""

    def close(self) -> None: ...


_objects: dict[int, Any] = {}
_counter = 0


def keep(value: Any) -> int:
    """Keep an object alive until `release`; its handle."""
    global _counter
    _counter += 1
    _objects[_counter] = value
    return _counter


def take(handle: int, kind: type | tuple[type, ...]) -> Any:
    """The object behind a handle. Raises `InputError` when it was released or is of another kind."""
    value = _objects.get(handle)
    if value is None:
        raise InputError("this object was disposed", where=f"handle {handle}", remedy="Create or load it again.")
    if not isinstance(value, kind):
        raise InputError(f"is a {type(value).__name__}", where=f"handle {handle}")
    return value


def release(handle: int) -> None:
    """Forget an object; models free their memory at once, whoever still holds them. Unknown handles are ignored."""
    value = _objects.pop(handle, None)
    if isinstance(value, Task):
        return
    if isinstance(value, Closable):
        value.close()
    gc.collect()


def live() -> int:
    """Number of objects kept."""
    return len(_objects)


def is_live(handle: int) -> bool:
    """Whether something is kept under this handle."""
    return handle in _objects


def advance(handle: int, budget_ms: float) -> dict[str, Any]:
    """`Task.advance`; a finished task is forgotten."""
    task = take(handle, Task)
    try:
        return task.advance(budget_ms)
    finally:
        if task.done:
            _objects.pop(handle, None)


def task_promise(handle: int) -> Any:
    """The promise that a `waiting` task waits for; the task itself deals with its outcome."""
    task = _objects.get(handle)
    return task.waiting if isinstance(task, Task) else None


def task_close(handle: int) -> None:
    """Stop a task after its last whole step and forget it; a task that has ended is not affected."""
    task = _objects.pop(handle, None)
    if isinstance(task, Task):
        task.close()

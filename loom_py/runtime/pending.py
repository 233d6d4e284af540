"""Results that arrive later, and long work that has to wait for them.

A page cannot block Python until a GPU answers. Work that needs an answer is therefore a generator: it yields
`Waiting(promise)`, and its driver resumes it once the promise has settled.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..errors import DeviceError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """A device's result, available or on its way."""

    @property
    def promise(self) -> object | None:
        """The JavaScript promise to wait for; None if the result is available, or `result` can wait for it."""
        ...

    def result(self) -> T_co:
        """The result. Call only after `promise` has settled; raises the failure, if any."""
        ...


@dataclass(frozen=True)
class Done(Generic[T_co]):
    """A `Pending` whose result is available."""

    value: T_co
    promise: object | None = None

    def result(self) -> T_co:
        return self.value


@dataclass(frozen=True)
class Waiting:
    """Yielded by long work that cannot continue before a JavaScript promise has settled."""

    promise: object


def settle(pending: Pending[T]) -> Generator[Waiting, None, T]:
    """`result = yield from settle(pending)` inside long work."""
    if pending.promise is not None:
        yield Waiting(pending.promise)
    return pending.result()


def finished(steps: Generator[Waiting, None, T]) -> T:
    """Run long work to completion. Raises `DeviceError` where it would have to wait for a promise."""
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value
    steps.close()
    remedy = "Use the promise API, which waits: await network.call('ForwardGPU', …)."
    raise DeviceError("a page cannot wait for the GPU inside a synchronous call", where="GPU", remedy=remedy)

"""A network's activity for a live picture: one typed array each time something ran."""

from __future__ import annotations

from typing import Any

from ..network.network import Network
from ..observe import ActivityObserver
from .arrays import to_js
from .objects import is_live, keep, release, take


class Watch:
    """A watcher of a network, and how far it has read. A network is observed while it has any watcher."""

    def __init__(self, network: Network) -> None:
        self.network, self.seen = network, 0
        self.started: ActivityObserver | None = None
        self._observer()

    def _observer(self) -> ActivityObserver:
        if self.network.activity is None:
            self.network.start_activity()
            self.started, self.seen = self.network.activity, 0
        assert self.network.activity is not None
        return self.network.activity

    def next(self) -> Any:
        """`get_activity_array` if something ran since the last time, else None."""
        observer = self._observer()
        if observer.events == self.seen:
            return None
        self.seen = observer.events
        return observer.get_values()

    def end(self) -> None:
        """Turn the observation off, if this watcher turned it on."""
        if self.started is not None and self.started is self.network.activity:
            self.network.stop_activity()


def watch_start(handle: int) -> int:
    """Handle of a new `Watch` of a network."""
    return keep(Watch(take(handle, Network)))


def watch_next(handle: int) -> Any:
    """A new `Float32Array` of L activities and L gradients, or None if nothing ran since."""
    values = take(handle, Watch).next()
    return None if values is None else to_js(values)


def watch_end(handle: int) -> None:
    """Stop watching."""
    if is_live(handle):
        take(handle, Watch).end()
        release(handle)

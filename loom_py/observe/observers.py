"""Observers that print, call, queue and record. `observe.http` and `observe.statistics` hold the others."""

from __future__ import annotations

import datetime
import queue
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from ..marks import shared
from ..schema.fields import Json
from ..values import whole
from .events import LayerEvent


@shared
class Observer:
    """Base of all observers: override `on_event`, or `on_forward` and `on_backward`.

    Called in the thread that runs the network, after the layer ran. An exception ends that pass.
    """

    def on_event(self, event: LayerEvent) -> None:
        if event.type == "forward":
            self.on_forward(event)
        else:
            self.on_backward(event)

    def on_forward(self, event: LayerEvent) -> None: ...

    def on_backward(self, event: LayerEvent) -> None: ...

    def close(self) -> None:
        """Finish pending work and free resources; `network.observing` calls it at its end."""


class CallbackObserver(Observer):
    """Calls a function with every event."""

    def __init__(self, function: Callable[[LayerEvent], object]) -> None:
        self.function = function

    def on_event(self, event: LayerEvent) -> None:
        self.function(event)


class ConsoleObserver(Observer):
    """Prints a line an event to `file` (standard output if None); every `every`-th event of a layer only."""

    def __init__(self, file: TextIO | None = None, *, every: int = 1) -> None:
        whole(every, "every", 1)
        self.file = file
        self.every = every
        self._seen: dict[tuple[str, str], int] = {}

    def on_event(self, event: LayerEvent) -> None:
        key = event.place.path, event.type
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        if count % self.every:
            return
        place, s = event.place, event.stats
        arrow = "→" if event.type == "forward" else "←"
        tick = f" tick {event.step_count}" if event.mode == "step" else ""
        print(
            f"{arrow}{tick} [{place.grid_row},{place.grid_col},{place.cell_layer}] {place.path} {place.kind}: "
            f"avg {s.average:.4g}, min {s.minimum:.4g}, max {s.maximum:.4g}, active {s.active}/{s.total}",
            file=self.file or sys.stdout,
        )


class QueueObserver(Observer):
    """Puts events into a bounded queue for another thread; drops them while it is full and counts those.

    The queue holds JSON values, with inputs and outputs if `values`; a slow reader keeps no network arrays alive.
    """

    def __init__(self, size: int = 1024, *, values: bool = False) -> None:
        whole(size, "size", 1)
        self.queue: queue.Queue[Json] = queue.Queue(size)
        self.values = values
        self.dropped = 0

    def on_event(self, event: LayerEvent) -> None:
        if self.queue.full():  # avoids computing the summary; put_nowait below decides
            self.dropped += 1
            return
        try:
            self.queue.put_nowait(event.to_json(self.values))
        except queue.Full:
            self.dropped += 1

    def drain(self) -> list[Json]:
        """Remove and return all waiting events, oldest first."""
        events = []
        while True:
            try:
                events.append(self.queue.get_nowait())
            except queue.Empty:
                return events


ChannelObserver = QueueObserver
"""The original's name."""


@dataclass(frozen=True)
class RecordedActivity:
    """A recording: `recorded_at` in ISO 8601 (UTC), `duration_seconds` from its start to its end.

    `total_events` counts all events, `events` holds those within the limit.
    """

    model_id: str
    recorded_at: str
    duration_seconds: float
    total_events: int
    events: list[Json] = field(default_factory=list)

    def to_json(self) -> Json:
        """The original's layout."""
        return dict(vars(self))


class RecordingObserver(Observer):
    """Keeps every event as JSON values, the first `limit` of them; `values` keeps inputs and outputs too."""

    def __init__(self, model_id: str = "", *, values: bool = True, limit: int | None = None) -> None:
        if limit is not None:
            whole(limit, "limit", 1)
        self.model_id = model_id
        self.values = values
        self.limit = limit
        self.reset()

    def reset(self) -> None:
        """Start again with no events."""
        self.events: list[Json] = []
        self.total = 0
        self._began = datetime.datetime.now(datetime.UTC)
        self._start = time.perf_counter()

    def on_event(self, event: LayerEvent) -> None:
        self.total += 1
        if self.limit is None or len(self.events) < self.limit:
            self.events.append(event.to_json(self.values))
        self.model_id = self.model_id or event.model_id

    def recorded(self) -> RecordedActivity:
        """The recording up to now."""
        elapsed = time.perf_counter() - self._start
        return RecordedActivity(self.model_id, self._began.isoformat(), elapsed, self.total, list(self.events))

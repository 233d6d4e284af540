"""The methods of a network for observers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import InputError
from ..marks import Floats, native
from ..nn.grid import Grid
from ..nn.layer import Array, Layer
from ..observe.activity import ActivityObserver
from ..observe.events import LayerEvent
from ..observe.inspect import inspect_layer
from ..observe.observers import Observer, RecordingObserver
from ..observe.statistics import StatisticsObserver
from ..observe.watch import Probe, watched_grid
from ..values import whole


class Observable(Grid):
    """Mixed into `Network`: observers, and which layers a pass runs.

    Every pass takes its layers from `layers_to_run`, the only place where observation happens: without observers it
    returns the layers themselves.
    """

    _observers: tuple[Observer, ...] = ()
    _probe: Probe | None = None
    _watched: tuple[list[Layer], list[Layer]] = ([], [])
    _recording: RecordingObserver | None = None
    _statistics: StatisticsObserver | None = None
    _activity: ActivityObserver | None = None

    def add_observer(self, observer: Observer) -> None:
        """Send `observer` an event for every layer that runs from now on; attaching it twice has no effect."""
        if not isinstance(observer, Observer):
            raise InputError(f"expected an Observer, got {type(observer).__name__}", where="observer")
        if any(o is observer for o in self._observers):
            return
        self._observers = (*self._observers, observer)

    def remove_observer(self, observer: Observer) -> None:
        """Detach an observer. Raises `InputError` for one that is not attached."""
        if all(o is not observer for o in self._observers):
            raise InputError("this observer is not attached", where="observer")
        self._observers = tuple(o for o in self._observers if o is not observer)
        if not self._observers:
            self._watched = [], []

    @property
    @native
    def observed(self) -> bool:
        """Whether any observer is attached."""
        return bool(self._observers)

    @native
    @contextmanager
    def observing(self, observer: Any) -> Generator[Any, None, None]:
        """`with network.observing(RecordingObserver()) as recording: …`: attached inside, removed and closed after."""
        self.add_observer(observer)
        try:
            yield observer
        finally:
            if any(o is observer for o in self._observers):
                self.remove_observer(observer)
            observer.close()

    @native
    def layers_to_run(self, step: int | None = None) -> Sequence[Layer]:
        """The layers for the next pass: the network's own, or copies that report to its observers.

        Ask again for every pass. With `step`, the number of a tick, the events are of mode "step".
        """
        if not self._observers:
            return self.layers
        if self._probe is None:
            self._probe = Probe(self._emit)
        source, copies = self._watched
        if len(source) != len(self.layers) or any(a is not b for a, b in zip(source, self.layers, strict=True)):
            copies = watched_grid(self.layers, self.grid_cols, self.layers_per_cell, self._probe)
            self._watched = list(self.layers), copies
        self._probe.mode, self._probe.step_count = ("normal", 0) if step is None else ("step", step)
        self._probe.model_id = self.model_id
        return copies

    def _emit(self, event: LayerEvent) -> None:
        for observer in self._observers:
            observer.on_event(event)

    def start_recording(self, values: bool = False, limit: int = 100_000) -> None:
        """Record an event for every layer that runs, with its input and output if `values`, up to `limit` events."""
        self._detach(self._recording)
        self._recording = RecordingObserver(self.model_id, values=values, limit=limit)
        self.add_observer(self._recording)

    def stop_recording(self) -> dict[str, Any]:
        """Stop and return the recording: model_id, recorded_at, duration_seconds, total_events, events."""
        if self._recording is None:
            raise InputError("nothing is being recorded", where="stop_recording", remedy="Call start_recording first.")
        recording, self._recording = self._recording, None
        self._detach(recording)
        return recording.recorded().to_json()

    def start_statistics(self) -> None:
        """Collect running statistics of every layer's outputs, gradients and updates, from zero."""
        self._detach(self._statistics)
        self._statistics = StatisticsObserver()
        self.add_observer(self._statistics)

    def get_statistics(self) -> list[dict[str, Any]]:
        """The statistics so far, one record a layer; see `LayerStatistics`."""
        if self._statistics is None:
            raise InputError("statistics are off", where="get_statistics", remedy="Call start_statistics first.")
        return self._statistics.to_json()

    def stop_statistics(self) -> list[dict[str, Any]]:
        """Stop collecting, and return `get_statistics`."""
        records = self.get_statistics()
        self._detach(self._statistics)
        self._statistics = None
        return records

    def start_activity(self) -> None:
        """Track the activity of every layer of the grid, for `get_activity`."""
        self._detach(self._activity)
        self._activity = ActivityObserver(len(self.layers))
        self.add_observer(self._activity)

    def get_activity(self) -> dict[str, Floats]:
        """`forward` and `backward`: the root mean square of each layer's last output and of the gradient at it."""
        kept = self._kept("get_activity")
        return {"forward": kept.forward, "backward": kept.backward}

    def get_activity_array(self) -> Array:
        """`get_activity` in one flat array: L numbers forward, then L backward."""
        return self._kept("get_activity_array").get_values()

    @property
    @native
    def activity(self) -> ActivityObserver | None:
        """The observer that `start_activity` attached."""
        return self._activity

    def _kept(self, where: str) -> ActivityObserver:
        if self._activity is None:
            raise InputError("activity tracking is off", where=where, remedy="Call start_activity first.")
        return self._activity

    def inspect_layer(self, layer: int, bins: int = 32) -> dict[str, Any]:
        """A layer of the grid by its number: kind, shapes, tensors, and the distribution of its weights.

        After `start_activity` also that of its last output and of the last gradient at it, else null.
        """
        whole(layer, "layer", maximum=len(self.layers) - 1)
        kept = self._activity
        output, gradient = (kept.outputs[layer], kept.gradients[layer]) if kept else (None, None)
        return inspect_layer(self, layer, bins, output, gradient)

    def stop_activity(self) -> None:
        """Stop tracking activity."""
        self._detach(self._activity)
        self._activity = None

    def _detach(self, observer: Observer | None) -> None:
        if observer is not None and any(o is observer for o in self._observers):
            self.remove_observer(observer)

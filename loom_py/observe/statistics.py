"""Running statistics of every layer's outputs, of the gradients at them, and of its weight updates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..nn.layer import Array, leaves
from ..schema.fields import Json
from ..values import number
from .events import LayerEvent, scalars
from .observers import Observer


class RunningMoments:
    """Count, mean, standard deviation, smallest and largest of all values seen, in float64.

    Batches are merged as Chan, Golub & LeVeque (1979) do: with n values of mean m and squared deviations S, and k new
    ones of m′ and S′: m += (m′ − m) k/(n+k), S += S′ + (m′ − m)² nk/(n+k). Values that are not finite are counted in
    `not_finite` and left out of the rest.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf
        self.not_finite = 0

    def add(self, values: Array) -> None:
        """An array of any shape."""
        flat = values.astype(np.float64).ravel()
        if not np.isfinite(flat.sum()):
            finite = flat[np.isfinite(flat)]
            self.not_finite += flat.size - finite.size
            flat = finite
        k = flat.size
        if k == 0:
            return
        mean = float(flat.mean())
        flat -= mean
        delta, total = mean - self.mean, self.count + k
        self.squares += float(flat @ flat) + delta * delta * self.count * k / total
        self.mean += delta * k / total
        self.count = total
        self.minimum = min(self.minimum, float(values.min() if k == values.size else flat.min() + mean))
        self.maximum = max(self.maximum, float(values.max() if k == values.size else flat.max() + mean))

    @property
    def std(self) -> float:
        """Of the population; 0 before the first value."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def to_json(self) -> Json:
        low, high = (self.minimum, self.maximum) if self.count else (0.0, 0.0)
        return {"mean": self.mean, "std": self.std, "min": low, "max": high, "not_finite": self.not_finite}


class LayerStatistics:
    """The statistics of one layer.

    - `activation`, `gradient`: moments of its outputs and of the gradients that arrived at them.
    - `dead_fraction`: share of its outputs within `threshold` of 0 for every sample so far: a ReLU unit that never
      fires gets no gradient and cannot recover.
    - `gradient_norm`: mean ‖∂L/∂y‖₂ a backward pass; `weight_gradient_norm`: mean ‖∂L/∂w‖₂ of its own weights.
    - `update_ratio`: mean ‖Δw‖₂ / ‖w‖₂ an update; about 10⁻³ is healthy for plain SGD, much less learns slowly, much
      more is unstable. 0 for a layer whose weights did not change.
    """

    def __init__(self, kind: str, threshold: float) -> None:
        self.kind = kind
        self.threshold = threshold
        self.forwards = 0
        self.backwards = 0
        self.updates = 0
        self.activation = RunningMoments()
        self.gradient = RunningMoments()
        self._dead: Array | None = None
        self._gradient_norms = 0.0
        self._weight_norms = 0.0
        self._ratios = 0.0
        self._before: Array | None = None

    def add(self, event: LayerEvent) -> None:
        if event.type == "forward":
            self._moved(event)
            self.forwards += 1
            self.activation.add(event.output)
            silent = np.asarray((np.abs(event.output) <= self.threshold).all(axis=0))
            grown = self._dead is None or self._dead.shape != silent.shape
            self._dead = silent if grown or self._dead is None else self._dead & silent
        else:
            self.backwards += 1
            self.gradient.add(event.input)
            self._gradient_norms += _norm(event.input)
            own = _own(event.grads)
            self._weight_norms += _norm(own)
            self._before = _own(event.params) if own.size else None

    def _moved(self, event: LayerEvent) -> None:
        """Compare the weights with those at the last backward pass, before the update."""
        if self._before is None:
            return
        before, self._before = self._before, None
        now = _own(event.params)
        moved, size = (_norm(now - before) if now.shape == before.shape else 0.0), _norm(before)
        if moved > 0 and size > 0:
            self.updates += 1
            self._ratios += moved / size

    @property
    def dead_fraction(self) -> float:
        return float(self._dead.mean()) if self._dead is not None else 0.0

    @property
    def gradient_norm(self) -> float:
        return self._gradient_norms / max(self.backwards, 1)

    @property
    def weight_gradient_norm(self) -> float:
        return self._weight_norms / max(self.backwards, 1)

    @property
    def update_ratio(self) -> float:
        return self._ratios / max(self.updates, 1)

    def to_json(self) -> Json:
        counts = {"kind": self.kind, "forwards": self.forwards, "backwards": self.backwards, "updates": self.updates}
        names = ("dead_fraction", "gradient_norm", "weight_gradient_norm", "update_ratio")
        figures: dict[str, Any] = {name: getattr(self, name) for name in names}
        moments = {"activation": self.activation.to_json(), "gradient": self.gradient.to_json()}
        return counts | scalars(figures) | moments


class StatisticsObserver(Observer):
    """`layers[path]` holds a `LayerStatistics` for every layer that ran, those inside other layers too."""

    def __init__(self, *, dead_threshold: float = 0.0) -> None:
        number(dead_threshold, "dead_threshold", 0)
        self.dead_threshold = dead_threshold
        self.layers: dict[str, LayerStatistics] = {}

    def on_event(self, event: LayerEvent) -> None:
        path = event.place.path
        if path not in self.layers:
            self.layers[path] = LayerStatistics(event.place.kind, self.dead_threshold)
        self.layers[path].add(event)

    def reset(self) -> None:
        """Start again from nothing."""
        self.layers = {}

    def to_json(self) -> list[Json]:
        """One record a layer in grid order, each layer followed by those inside it."""
        order = sorted(self.layers, key=lambda path: [int(p) if p.isdigit() else p for p in path.split(".")])
        return [{"path": path, **self.layers[path].to_json()} for path in order]


def _own(tree: dict[str, Any]) -> Array:
    """A joined copy of the layer's own tensors, without those of layers inside it."""
    parts = [a.ravel() for _, a in leaves({k: v for k, v in tree.items() if not isinstance(v, list)})]
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


def _norm(a: Array) -> float:
    flat = a.ravel().astype(np.float64)
    return math.sqrt(float(flat @ flat))

"""How much a device runs at once: enough updates to be fast, few enough to stop and watch within milliseconds."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

from numpy.typing import NDArray

from ..runtime.pending import Waiting
from .device_step import LONGEST_RUN, DeviceUpdates
from .state import TrainingState

SLICE_SECONDS = 0.008
FIRST = 8
"""Updates of the first slice; its time decides the size of the next."""


class DeviceRun:
    """Updates on a device in slices.

    **Arguments:**

    - `updates`: the device's side.
    - `ahead`: whether a slice may span several epochs, which are then reported together.
    - `changeable`: callbacks may change weights in place between two slices, as between two updates on NumPy.
    """

    def __init__(self, updates: DeviceUpdates, *, ahead: bool, changeable: bool) -> None:
        self.updates = updates
        self.ahead = ahead and not updates.stateful
        self.changeable = changeable
        self.slice = FIRST
        """Updates of the next slice."""

    def advance(
        self, rows: Sequence[int], rates: Sequence[float], state: TrainingState
    ) -> Generator[Waiting, None, tuple[NDArray[Any], NDArray[Any]]]:
        """Updates from batches `rows` with learning rates `rates` → losses and gradient norms.

        Afterwards the network's weights, slots and update counts are up to date.
        """
        start = time.perf_counter()
        if self.changeable:
            self.updates.push()
        losses, norms = yield from self.updates.run(rows, rates, state.step + 1)
        yield from self.updates.pull()
        seconds = (time.perf_counter() - start) / len(rows)
        self.slice = min(LONGEST_RUN, max(1, int(SLICE_SECONDS / max(seconds, 1e-7))))
        state.step += len(rows)
        state.schedule_step += len(rows)
        return losses, norms

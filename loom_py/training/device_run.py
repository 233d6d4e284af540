"""How much a device does at once: enough updates to be fast, few enough milliseconds to be stopped and watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.device import Waiting
from .device_step import LONGEST_RUN, DeviceUpdates
from .state import TrainingState

SLICE_SECONDS = 0.008
FIRST = 8
"""Updates of the first slice, whose time tells how many the next may have."""


class DeviceRun:
    """Updates done on a device and not told yet.

    **Arguments:**

    - `updates`: the device's side.
    - `ahead`: whether a slice may reach over the end of an epoch.
    """

    def __init__(self, updates: DeviceUpdates, *, ahead: bool) -> None:
        self.updates, self._ahead = updates, ahead
        self._losses: NDArray[Any] = np.empty(0)
        self._norms: NDArray[Any] = np.empty(0)
        self._slice = FIRST

    @property
    def ready(self) -> int:
        """Updates that `take` has not given yet."""
        return len(self._losses)

    def take(self, most: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Losses and gradient norms of the next updates, at most so many."""
        losses, norms = self._losses[:most], self._norms[:most]
        self._losses, self._norms = self._losses[most:], self._norms[most:]
        return losses, norms

    def close(self, state: TrainingState, count: int) -> None:
        """Count the epochs that were done but not told, and give the memory back."""
        state.epoch += self.ready // count
        self.updates.free()

    def advance(
        self,
        order: Callable[[int], Sequence[int]],
        rate: Callable[[int], float],
        state: TrainingState,
        done: int,
        left: int,
        count: int,
    ) -> Generator[Waiting, None, None]:
        """One slice of updates; weights, slots and counts of the network are true after it.

        **Arguments:**

        - `order`: epoch number → the batches in their order; `rate`: schedule step → learning rate.
        - `done`: updates of the running epoch that were made; `left`: those to the end of the training.
        - `count`: updates an epoch.
        """
        most = min(self._slice, LONGEST_RUN, left if self._ahead else count - done)
        if most > count - done:  # to the end of an epoch
            most -= (most - (count - done)) % count
        rows: list[int] = []
        epoch, at = state.epoch, done
        while len(rows) < most:
            rows += order(epoch)[at : at + most - len(rows)]
            epoch, at = epoch + 1, 0
        rates = [rate(state.schedule_step + i) for i in range(most)]
        if done == 0:
            self.updates.begin_epoch(state.epoch * count)
        start = time.perf_counter()
        self._losses, self._norms = yield from self.updates.run(rows, rates, state.step + 1)
        yield from self.updates.pull()
        seconds = (time.perf_counter() - start) / most
        self._slice = max(1, int(SLICE_SECONDS / max(seconds, 1e-7)))
        state.step += most
        state.schedule_step += most

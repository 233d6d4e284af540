"""Training data: checked once, before anything changes; and the order in which an epoch visits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..nn import chain
from ..nn.grid import Grid
from ..nn.layer import Array, State, number_noise, walk, with_buffers
from ..runtime.philox import philox
from ..schema.fields import json_type
from ..values import to_array
from .config import as_batch
from .losses import TARGETS

Data = list[tuple[Array, Array]]


def prepare(network: Grid, batches: Sequence[Any], loss: str) -> Data:
    """All batches as (B, I) and (B, O) arrays; a wrong one is an `InputError` naming it."""
    if not isinstance(batches, (Sequence, np.ndarray)) or isinstance(batches, (str, bytes)):
        raise InputError(f"expected a list of batches, got {json_type(batches)}", where="batches")
    if len(batches) == 0:
        raise InputError("there is nothing to train on: no batches", where="batches")
    data: Data = []
    shapes: dict[tuple[int, ...], tuple[int, ...]] = {}
    low, high = TARGETS[loss]
    for i, item in enumerate(batches):
        batch = as_batch(item, f"batches[{i}]")
        x = network.rows(batch.input, f"batches[{i}].Input")
        target = to_array(batch.target, network.dtype, f"batches[{i}].Target")
        check_input(network, x, f"batches[{i}].Input")
        if x.shape not in shapes:  # one dry run a shape tells the output's
            try:
                params = [with_buffers(p, np.copy) for p in network.params]
                with np.errstate(all="ignore"):  # only the shape matters
                    y, _, _ = network.trace_forward(network.ops, params, x, training=True)
            except InputError as error:
                raise InputError(error.message, where=f"batches[{i}].Input", remedy=error.remedy) from error
            shapes[x.shape] = y.shape
        rows, width = shapes[x.shape]
        if target.size != rows * width:
            problem = f"expected {rows * width} values, got {target.size}"
            remedy = f"Give as many as the network puts out: {width} a sample."
            raise InputError(problem, where=f"batches[{i}].Target", remedy=remedy)
        if not np.isfinite(target).all():
            raise InputError("contains NaN or infinity", where=f"batches[{i}].Target")
        if target.min() < low or target.max() > high:
            odd = target.min() if target.min() < low else target.max()
            bounds = f"{low:g} … {high:g}" if np.isfinite(high) else f"at least {low:g}"
            raise InputError(f"{odd:g} is no target for {loss}: {bounds}", where=f"batches[{i}].Target")
        data.append((x, target.reshape(rows, width)))
    return data


def check_trainable(network: Grid) -> None:
    """`InputError` with the place of a layer that cannot be trained as it is set up."""
    for i, layer in enumerate(network.layers):
        layer.check_trainable(f"layers[{i}]")


def check_input(network: Grid, x: Array, where: str) -> None:
    """`InputError` at `where` for values of x (B, I) that no layer could take: not finite, or no token ids.

    Only the layers up to the last that checks its input run, which in most networks is an embedding at the start.
    """
    if not np.isfinite(x).all():
        raise InputError("contains NaN or infinity", where=where)
    layers = network.layers
    ends = [i + 1 for i in range(len(layers)) if any(inner.checks_input for inner in walk(layers[i]))]
    if not ends:
        return
    try:
        chain.forward(network.ops, layers[: ends[-1]], network.params[: ends[-1]], x)
    except InputError as error:
        raise InputError(error.message, where=where, remedy=error.remedy) from error


def epoch_order(count: int, seed: int, epoch: int) -> list[int]:
    """A permutation of 0 … count−1 from (seed, epoch) alone: the same on every device."""
    left, right = philox(seed, epoch, np.arange(count, dtype=np.uint32))
    keys = (left.astype(np.uint64) << np.uint64(32)) | right
    return np.argsort(keys, kind="stable").tolist()


class EpochStates:
    """What stateful layers carry from batch to batch: zero at the start of an epoch, apart for each batch size.

    Noise is numbered by the batches since the first epoch, whatever their sizes: a resumed training draws what an
    unbroken one does, and a device what NumPy does.
    """

    def __init__(self, network: Grid) -> None:
        self._network = network
        self._drawn = 0
        self._by_rows: dict[int, list[State]] = {}
        self._stateless = False

    def begin_epoch(self, epoch: int, batches: int) -> None:
        """Forget everything; `epoch` whole epochs of `batches` batches are done."""
        self._by_rows.clear()
        self._drawn = epoch * batches

    def of(self, rows: int) -> list[State] | None:
        """The layers' states for the next batch, of `rows` samples; None where no layer has any."""
        if self._stateless:
            return None
        if rows not in self._by_rows:
            states = [layer.init_state(rows, self._network.dtype) for layer in self._network.layers]
            self._stateless = not any(states)
            self._by_rows[rows] = states
        states = self._by_rows[rows]
        for state in states:
            number_noise(state, self._drawn)
        self._drawn += 1
        return states

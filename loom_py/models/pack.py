"""Texts one after another as one pack of tokens, and encoders as programs over packs.

Products with weights take all tokens at once; attention stays within each text (`span_attention`), so what a text gets
does not depend on the texts beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.abstract import Abstract
from ..runtime.program import Program
from ..runtime.trace import TracingOps
from .protocols import Encoder, Pack, Tensors

IDS = np.dtype(np.int64)
SPANS = "spans."
TABLE = "row."
"""Beginnings of the names of a program's inputs, before how far a token sees, and before a table's name."""


@dataclass(frozen=True)
class PackedTexts:
    """Tokens of several texts.

    - `ids`: (T,).
    - `rows`: of the encoder's tables, by name, (T,) each.
    - `bounds`: where each text begins, and behind the last the end.
    """

    ids: NDArray[np.int64]
    rows: Mapping[str, NDArray[np.int64]]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, encoder: Encoder, texts: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> PackedTexts:
        """From the ids and types of each text."""
        rows = [encoder.rows(ids, types) for ids, types in texts]
        joined = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        bounds = np.cumsum([0, *(len(ids) for ids, _ in texts)])
        return cls(np.concatenate([ids for ids, _ in texts]), joined, bounds)

    def spans(self, reach: int) -> NDArray[np.int64]:
        """Which tokens each one sees: (T, 2). `reach`: to either side, 0 for all of its text."""
        lengths = np.diff(self.bounds)
        whole = np.repeat(np.stack([self.bounds[:-1], self.bounds[1:]], 1), lengths, 0)
        if not reach:
            return whole
        places = np.arange(len(self.ids))
        near = (np.maximum(whole[:, 0], places - reach), np.minimum(whole[:, 1], places + reach + 1))
        return np.stack(near, 1)

    def inputs(self, names: Sequence[str], length: int) -> dict[str, NDArray[np.int64]]:
        """What a program over `length` tokens takes; those beyond the texts see nothing."""
        inputs: dict[str, NDArray[np.int64]] = {}
        for name in names:
            if name == "ids":
                values = self.ids
            elif name.startswith(SPANS):
                values = self.spans(int(name.removeprefix(SPANS)))
            else:
                values = self.rows[name.removeprefix(TABLE)]
            inputs[name] = np.zeros((length, *values.shape[1:]), np.int64)
            inputs[name][: len(values)] = values
        return inputs

    def pack(self) -> Pack:
        """As NumPy's kernels take it."""
        return Pack(self.ids, self.rows.__getitem__, self.spans)


def trace_encoder(encoder: Encoder, tokens: int) -> Program:
    """The program from `ids` (T,), `row.<table>` (T,) and `spans.<reach>` (T, 2) to `hidden` (T, hidden)."""
    ops: Any = TracingOps(f"encoder, {tokens} tokens")
    inputs: dict[str, Any] = {}

    def given(name: str, *more: int) -> Any:
        if name not in inputs:
            inputs[name] = ops.tensor(Abstract((tokens, *more), IDS), "input", name)
        return inputs[name]

    pack = Pack(given("ids"), lambda name: given(f"{TABLE}{name}"), lambda reach: given(f"{SPANS}{reach}", 2))
    ops.output("hidden", encoder.trace(ops, _weights(ops, encoder), pack))
    return ops.program


def trace_head(encoder: Encoder, rows: int) -> Program:
    """The program from `hidden` (rows, hidden) to `logits` (rows, words or labels)."""
    ops: Any = TracingOps(f"encoder's head, {rows} rows")
    hidden = ops.tensor(Abstract((rows, encoder.facts.hidden_size)), "input", "hidden")
    ops.output("logits", encoder.logits(ops, _weights(ops, encoder), hidden))
    return ops.program


def _weights(ops: Any, encoder: Encoder) -> Tensors:
    return {w.name: ops.tensor(Abstract(w.shape), "state", w.name) for w in encoder.weights()}

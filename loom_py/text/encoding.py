"""What a tokenizer makes of one text or two, and of many: ids with the types of their texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .batch_options import Padding


@dataclass(frozen=True, slots=True)
class Encoding:
    """- `ids`: of the tokens, special ones included.
    - `type_ids`: for each, as the model was trained to tell two texts apart (0 and 1 in BERT's).
    """

    ids: list[int]
    type_ids: list[int]


@dataclass(frozen=True, slots=True)
class Batch:
    """N rows of L tokens, the shorter ones filled up.

    - `ids`, `type_ids`: (N, L) int64.
    - `lengths`: (N,) int64, without the filling.
    - `left`: whether the filling comes first.
    """

    ids: np.ndarray
    type_ids: np.ndarray
    lengths: np.ndarray
    left: bool = False

    @property
    def mask(self) -> np.ndarray:
        """(N, L) bool: true at the tokens, false at the filling."""
        places = np.arange(self.ids.shape[1])
        if self.left:
            return places >= self.ids.shape[1] - self.lengths[:, None]
        return places < self.lengths[:, None]

    @classmethod
    def of(cls, rows: Sequence[Encoding], padding: Padding) -> Batch:
        """The rows of a batch, filled up."""
        lengths = np.array([len(row.ids) for row in rows], np.int64)
        shape = (len(rows), padding.width(int(lengths.max(initial=0))))
        batch = cls(
            np.full(shape, padding.pad_id, np.int64),
            np.full(shape, padding.pad_type_id, np.int64),
            lengths,
            padding.side == "Left",
        )
        mask = batch.mask
        batch.ids[mask] = [token_id for row in rows for token_id in row.ids]
        batch.type_ids[mask] = [type_id for row in rows for type_id in row.type_ids]
        return batch

"""Pairs of models that compensate each other's mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..schema.fields import Json
from ..values import number


@dataclass(frozen=True)
class EnsembleMatch:
    """Two models: `coverage` is the share of samples at least one gets right, `overlap` the share both do."""

    model_a: str
    model_b: str
    coverage: float
    overlap: float

    @property
    def grade(self) -> str:
        """PERFECT from 99.9 % coverage, Excellent above 90 %, else Good."""
        return "PERFECT" if self.coverage >= 0.999 else "Excellent" if self.coverage > 0.9 else "Good"

    def to_json(self) -> Json:
        """The original's names."""
        return {"ModelA": self.model_a, "ModelB": self.model_b, "Coverage": self.coverage, "Overlap": self.overlap}


def complementary_matches(masks: Mapping[str, ArrayLike], min_coverage: float = 0.0) -> list[EnsembleMatch]:
    """All pairs that cover enough, the widest coverage first, among equals the least overlap.

    **Arguments:**

    - `masks`: model → which of the n samples it gets right, booleans (or 0 and 1), all of one length.
    - `min_coverage`: the least |A ∪ B| / n, 0 … 1.

    |A ∩ B| of all pairs is one matrix product A · Bᵀ, and |A ∪ B| = |A| + |B| − |A ∩ B|.
    """
    number(min_coverage, "min_coverage", 0, 1)
    names = list(masks)
    table = [_mask(masks[name], f"masks[{name!r}]") for name in names]
    if not table:
        return []
    n = len(table[0])
    for name, row in zip(names, table, strict=True):
        if len(row) != n:
            raise InputError(f"has {len(row)} samples, the first mask {n}", where=f"masks[{name!r}]")
    if n == 0:
        raise InputError("has no samples", where=f"masks[{names[0]!r}]")
    m = np.stack(table).astype(np.float64)
    both = m @ m.T
    right = m.sum(axis=1)
    either = right[:, None] + right - both
    i, j = np.triu_indices(len(names), 1)
    covering = np.flatnonzero(either[i, j] >= min_coverage * n - 1e-9 * n)
    matches = [
        EnsembleMatch(names[a], names[b], float(either[a, b] / n), float(both[a, b] / n))
        for a, b in zip(i[covering], j[covering], strict=True)
    ]
    return sorted(matches, key=lambda match: (-match.coverage, match.overlap))


def mask_to_floats(mask: ArrayLike) -> NDArray[np.float32]:
    """Booleans as 1 and 0, for `kmeans` over masks."""
    return _mask(mask, "mask").astype(np.float32)


def ensemble_report(matches: Sequence[EnsembleMatch], limit: int = 10) -> str:
    """The first matches as text, one a line."""
    if not matches:
        return "No complementary matches."
    lines = [f"{len(matches)} complementary match{'es' if len(matches) > 1 else ''}"]
    for i, match in enumerate(matches[:limit], 1):
        figures = f"coverage {100 * match.coverage:.1f} %, overlap {100 * match.overlap:.1f} %"
        lines.append(f"{i:>3}. {match.model_a} + {match.model_b}: {figures} ({match.grade})")
    return "\n".join(lines)


def _mask(value: Any, where: str) -> NDArray[np.bool_]:
    a = np.asarray(value)
    if a.ndim != 1 or (a.size and a.dtype.kind not in "biuf") or not np.isin(a, (0, 1)).all():
        raise InputError("expected a vector of booleans, or of 0 and 1", where=where)
    return a.astype(np.bool_)

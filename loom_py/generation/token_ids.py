"""Token ids from callers, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..values import whole


def token_ids(ids: object, where: str) -> list[int]:
    """Ids as whole numbers; `InputError` for anything else, such as numbers with a fraction, which would be cut off."""
    if isinstance(ids, np.ndarray):
        row = cast(NDArray[Any], ids)
        if row.ndim != 1:
            raise InputError(f"expected token ids in a row, got the shape {list(row.shape)}", where=where)
        ids = row.tolist()
    if not isinstance(ids, Sequence) or isinstance(ids, (str, bytes)):
        raise InputError(f"expected a list of token ids, got {type(ids).__name__}", where=where)
    return [whole(i, f"{where}[{k}]", -(2**63), 2**63 - 1) for k, i in enumerate(cast(Sequence[object], ids))]

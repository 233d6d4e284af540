"""The error function against the standard library's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loom_py.runtime.erf import erf


@pytest.mark.parametrize(("dtype", "limit"), [(np.float64, 1e-15), (np.float32, 6e-7)])
def test_erf(dtype: type, limit: float) -> None:
    x = np.concatenate([np.linspace(-7, 7, 20001), [0.46875, -0.46875, 4.0, -4.0, 30.0, -30.0, 1e-30, 0.0]]).astype(
        dtype
    )
    y = erf(x)
    assert y.dtype == dtype
    assert np.abs(y - [math.erf(v) for v in x.tolist()]).max() < limit
    assert erf(np.array([np.nan, np.inf, -np.inf], dtype))[1:].tolist() == [1, -1]
    assert np.isnan(erf(np.array([np.nan], dtype))[0])

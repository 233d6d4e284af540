"""Numbers far from 1: results stay finite and right."""

from __future__ import annotations

import numpy as np
import pytest

from loom_py.runtime import numpy_ops

X = [[1e8, 1e8, 0, 0], [-1e30] * 4, [1e4, 1e4 - 0.5, 0, 0], [1e6, 0, 0, 0], [3e38, -3e38, 0, 0]]


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 5.0])
@pytest.mark.parametrize("row", X, ids=str)
def test_entmax_family(alpha: float, row: list[float]) -> None:
    x = np.array([row], np.float32)
    with np.errstate(over="ignore"):
        y = numpy_ops.entmax(x, alpha)
    assert y.sum() == pytest.approx(1, abs=1e-6)
    assert np.isfinite(numpy_ops.entmax_grad(y, np.ones_like(y), alpha)).all()


def test_norms_do_not_overflow() -> None:
    x = np.array([[1e20, 0, 0, 0]], np.float32)
    gamma, beta = np.ones(4, np.float32), np.zeros(4, np.float32)
    np.testing.assert_allclose(numpy_ops.rms_norm(x, gamma, 1e-5), [[2, 0, 0, 0]], rtol=1e-6)
    expected = np.array([[3, -1, -1, -1]]) / np.sqrt(3)
    np.testing.assert_allclose(numpy_ops.layer_norm(x, gamma, beta, 1e-5), expected, rtol=1e-6)


def test_gelu_tanh_far_out() -> None:
    z = np.array([-1e30, -1e20, -40, 40, 1e20, 1e30], np.float32)
    got = numpy_ops.activate_grad("gelu_tanh", z, np.ones_like(z))
    np.testing.assert_allclose(got, [0, 0, 0, 1, 1, 1], atol=1e-6)

"""Principal components against NumPy's singular value decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from loom_py.analysis import Toolbox, principal_components
from loom_py.errors import InputError


def points(n: int, d: int, seed: int = 0) -> NDArray[np.float64]:
    """Around a mean far from the origin, with a different spread along each axis of a rotated frame."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return rng.normal(size=(n, d)) * np.geomspace(1, 0.05, d) @ rotation + rng.normal(size=d) * 5


@pytest.mark.parametrize(("n", "d", "count"), [(50, 8, 2), (6, 40, 3), (300, 384, 2), (9, 9, 5), (2, 3, 1)])
def test_components_are_the_singular_vectors(n: int, d: int, count: int) -> None:
    x = points(n, d)
    centred = x - x.mean(0)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    result = principal_components(x, count)
    signs = np.sign((result.components * vectors[:count]).sum(1))
    np.testing.assert_allclose(result.components, vectors[:count] * signs[:, None], atol=1e-7)
    np.testing.assert_allclose(result.points, centred @ vectors[:count].T * signs, atol=1e-7)
    np.testing.assert_allclose(result.variance, values[:count] ** 2 / n, rtol=1e-9)
    np.testing.assert_allclose(result.share, (values**2 / (values**2).sum())[:count], rtol=1e-9)
    largest = result.components[np.arange(count), np.abs(result.components).argmax(1)]
    assert (largest > 0).all()


def test_points_without_spread() -> None:
    """A repeated point, one point, and points on a line have fewer components than asked for."""
    for x in ([[1.0, 2, 3]] * 4, [[1.0, 2, 3]]):
        result = principal_components(x, 2)
        assert not result.points.any()
        assert not result.share.any()
    line = np.outer(np.arange(7.0), [3.0, 4.0]) + 1
    result = principal_components(line, 2)
    np.testing.assert_allclose(result.components, [[0.6, 0.8], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(result.share, [1, 0], atol=1e-12)


def test_wrong_data_is_refused() -> None:
    for data, count, words in (([], 2, "expected a matrix"), ([[1, 2]], 3, "count"), ([[1, np.nan]], 1, "not finite")):
        with pytest.raises(InputError, match=words):
            principal_components(data, count)
    with pytest.raises(InputError, match="is empty"):
        principal_components(np.zeros((0, 3)), 2)


def test_by_the_toolbox() -> None:
    x = points(20, 5)
    result = Toolbox().principal_components([row.astype(np.float32) for row in x], 2)
    np.testing.assert_allclose(result["points"], principal_components(x.astype(np.float32)).points, atol=1e-12)
    assert result.keys() == {"points", "components", "mean", "variance", "share"}

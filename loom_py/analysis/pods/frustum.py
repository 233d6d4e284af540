"""Frustum culling: which boxes a camera may see."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ..checks import matrix


def cull_frustum(planes: ArrayLike, minimum: ArrayLike, maximum: ArrayLike) -> NDArray[np.bool_]:
    """For n axis-aligned boxes, whether each may be inside all half-spaces.

    **Arguments:**

    - `planes`: (p, 4), a·x + b·y + c·z + d ≥ 0 inside; six for a frustum.
    - `minimum`, `maximum`: (n, 3) corners of the boxes.

    A box is outside a plane if its *positive vertex*, the corner farthest along the normal, is (Greene 1994). As always
    with this test, boxes near an edge of the frustum may be kept although they are outside; none inside is dropped.
    """
    p, low, high = matrix(planes, "planes"), matrix(minimum, "minimum"), matrix(maximum, "maximum")
    if p.shape[1] != 4:
        raise InputError(f"expected (p, 4), got {p.shape}", where="planes")
    if low.shape[1] != 3 or low.shape != high.shape:
        raise InputError(f"expected two equal shapes (n, 3), got {low.shape} and {high.shape}", where="minimum")
    wrong = np.flatnonzero((low > high).any(axis=1))
    if wrong.size:
        raise InputError("is below its minimum", where=f"maximum[{wrong[0]}]")
    normals = p[:, :3]
    # the positive vertex takes the maximum where the normal is positive, and the minimum elsewhere
    farthest = high @ np.maximum(normals, 0).T + low @ np.minimum(normals, 0).T + p[:, 3]
    return np.asarray((farthest >= 0).all(axis=1))


def frustum_planes(matrix4: ArrayLike) -> NDArray[np.float64]:
    """Six planes (left, right, bottom, top, near, far) of a 4 × 4 matrix that takes column vectors to clip space.

    Rows added to and subtracted from the last one (Gribb & Hartmann 2001), for a depth of −w … w; normals of length 1.
    """
    m = matrix(matrix4, "matrix4")
    if m.shape != (4, 4):
        raise InputError(f"expected (4, 4), got {m.shape}", where="matrix4")
    planes = np.stack([m[3] + sign * m[axis] for axis in range(3) for sign in (1, -1)])
    length = np.linalg.norm(planes[:, :3], axis=1, keepdims=True)
    if (length == 0).any():
        raise InputError("a plane has no direction", where="matrix4")
    return planes / length

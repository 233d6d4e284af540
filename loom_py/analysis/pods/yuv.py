"""RGB to YUV without chroma subsampling, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ..checks import numbers

BT709 = np.array([[0.2126, 0.7152, 0.0722], [-0.1146, -0.3854, 0.5], [0.5, -0.4542, -0.0458]])
"""Rows Y, U, V of ITU-R BT.709 (full range), to four digits."""


def rgb_to_yuv444(rgb: ArrayLike) -> NDArray[np.float64]:
    """(…, 3) RGB → (…, 3) with Y in the range of the input and U, V around 0: [Y U V] = M [R G B].

    Accepts bytes and floats; the result is float64, not rounded.
    """
    return _pixels(rgb, "rgb") @ BT709.T


def yuv444_to_rgb(yuv: ArrayLike) -> NDArray[np.float64]:
    """The exact inverse of `rgb_to_yuv444`."""
    return _pixels(yuv, "yuv") @ np.linalg.inv(BT709).T


def _pixels(values: ArrayLike, where: str) -> NDArray[np.float64]:
    a = numbers(values, where)
    if a.ndim == 0 or a.shape[-1] != 3:
        raise InputError(f"expected a last axis of 3, got shape {a.shape}", where=where)
    return a

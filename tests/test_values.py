"""Numbers from callers: what is accepted comes back as Python's own, anything else says what it is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loom_py.errors import InputError
from loom_py.values import number, whole


def test_accepted_numbers_come_back_as_python_s_own() -> None:
    assert type(whole(np.int64(3), "count")) is int
    assert type(number(np.float32(0.5), "rate")) is float
    assert number(3, "rate") == 3.0
    assert whole(2**70, "count") == 2**70
    assert whole(-1, "offset", -1) == -1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "expected a whole number, got a boolean"),
        (1.5, "expected a whole number, got 1.5"),
        ("1", "expected a whole number, got a string"),
        (None, "expected a whole number, got null"),
        (-1, "-1 must be at least 0 and at most 9"),
        (np.int32(10), "10 must be at least 0 and at most 9"),
    ],
)
def test_whole_numbers(value: object, message: str) -> None:
    with pytest.raises(InputError, match=f"^count: {message}$"):
        whole(value, "count", maximum=9)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "expected a finite number, got a boolean"),
        ("1", "expected a finite number, got a string"),
        (math.nan, "expected a finite number, got nan"),
        (np.float32("inf"), "expected a finite number, got inf"),
        (0, "0 must be above 0 and at most 1"),
        (np.float64(1.25), "1.25 must be above 0 and at most 1"),
    ],
)
def test_numbers(value: object, message: str) -> None:
    with pytest.raises(InputError, match=f"^rate: {message}"):
        number(value, "rate", above=0, maximum=1)

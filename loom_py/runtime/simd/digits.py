"""In which form quantised weights get their activations, chosen for this CPU (`simd/linear.h`)."""

from __future__ import annotations

from time import perf_counter
from typing import Literal

import numpy as np

from .host import Host
from .memory import Memory

Form = Literal["bytes", "words"]
"""`bytes`: two digits a number for the relaxed dot of bytes; `words`: 16 bits for `dot_i16x8`."""
WANT4, WANT8, WORDS = 1, 2, 4
"""Digits for weights of four bits, for weights of eight, and in words: the bits of `want`."""
SATURATED = 65534
"""What the relaxed dot of 127s and 255s gives where it is made of several instructions."""
K, REPEATS, ROUNDS = 1024, 400, 3
CLEAR = 1.5
"""How many times faster a form must be for a clock to overrule what the instruction shows."""


def choose(host: Host, memory: Memory) -> Form:
    """The faster form: by what the relaxed dot computes, unless about a millisecond of trying clearly says otherwise.

    One instruction (AVX-VNNI, ARM's dot product) beats the words by two; several lose to them.
    """
    dot = host.call("relaxed_dot")
    if not host.relaxed or not dot:
        return "words"
    expected: Form = "words" if dot == SATURATED else "bytes"
    block = memory.store(np.zeros(16 * K, np.uint8))
    try:
        seconds: dict[Form, float] = {"bytes": np.inf, "words": np.inf}
        for _ in range(ROUNDS):
            for form in seconds:
                start = perf_counter()
                host.call("time_digits", block, K, WANT4 | (WORDS if form == "words" else 0), REPEATS)
                seconds[form] = min(seconds[form], perf_counter() - start)
    finally:
        memory.free(block)
    other: Form = "bytes" if expected == "words" else "words"
    return other if seconds[other] * CLEAR < seconds[expected] else expected

"""Choosing the next token from logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.kernels import sampling as kernel
from ..schema.fields import Fields

RANGES: dict[str, tuple[float, float]] = {
    "max_tokens": (1, 1 << 20),
    "temperature": (0, 100),
    "top_k": (0, 1 << 24),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repetition_penalty": (1e-3, 1e3),
    "seed": (0, 2**63 - 1),
}
WHOLE = ("max_tokens", "top_k", "seed")


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """How to generate. The defaults are greedy: always the most likely token.

    **Arguments:**

    - `max_tokens`: at most this many new tokens.
    - `temperature`: divides the logits; 0 means greedy.
    - `top_k`: only the k most likely; 0 for all.
    - `top_p`: only the smallest set with at least this probability (nucleus; Holtzman et al. 2020); 1 for all.
    - `min_p`: only tokens at least this fraction as likely as the most likely (Nguyen et al. 2024); 0 for all.
    - `repetition_penalty`: logits of tokens already there are divided (positive) or multiplied (negative) by it
      (Keskar et al. 2019); 1 for none.
    - `seed`: the same seed, prompt and options give the same text.
    - `stop`: generation ends before any of these strings appears.
    """

    max_tokens: int = 128
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = vars(self)
        for name, (low, high) in RANGES.items():
            value = values[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise InputError(f"must be a number in {low:g} … {high:g}, got {value!r}", where=name)
            if name in WHOLE:
                if value != int(value):
                    raise InputError(f"must be a whole number, got {value!r}", where=name)
                object.__setattr__(self, name, int(value))
        stop: object = None if isinstance(self.stop, str) else self.stop
        if not isinstance(stop, Sequence) or not all(
            isinstance(text, str) and text for text in cast(Sequence[object], stop)
        ):
            raise InputError("must be a list of non-empty strings", where="stop")

    def numbers(self, step: int) -> dict[str, Any]:
        """The dynamic numbers of the kernel `sample`, whose seed has 32 bits."""
        return {
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": self.top_p,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "seed": (self.seed ^ (self.seed >> 32)) & 0xFFFFFFFF,
            "step": step,
        }

    @classmethod
    def from_json(cls, value: object, where: str = "options") -> Self:
        """From a JSON object with the same names; unknown names are errors."""
        f = Fields(value, where)
        given = {x.name: item for x in fields(cls) if (item := f.any(x.name)) is not None}
        f.finish()
        if isinstance(stop := given.get("stop"), list):
            given["stop"] = tuple(cast(list[object], stop))
        return cls(**given)


def sample(logits: NDArray[Any], options: GenerationOptions, step: int, seen: Sequence[int] = ()) -> int:
    """The next token id from logits (V,): the kernel `sample` on NumPy. `seen` are the tokens already there."""
    flags = np.zeros(len(logits), np.uint8)
    if options.repetition_penalty != 1:
        flags[np.asarray(seen, dtype=np.int64)] = 1
    return int(kernel.sample(logits, flags, **options.numbers(step))[0])

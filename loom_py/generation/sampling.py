"""Choosing the next token from logits."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..runtime.kernels import sampling as kernel
from ..schema.fields import Fields, shown
from ..values import number

RANGES: dict[str, tuple[float, float]] = {
    "max_tokens": (1, 1 << 20),
    "temperature": (0, 100),
    "top_k": (0, 1 << 24),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "repetition_penalty": (1e-3, 1e3),
    "seed": (0, 2**63 - 1),
}
NEUTRAL: dict[str, Any] = {
    "max_tokens": 128,
    "temperature": 0.0,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "stop": (),
}
"""Where neither the caller nor the model says anything."""
WHOLE = ("max_tokens", "top_k", "seed")


@dataclass(frozen=True, kw_only=True)
class GenerationOptions:
    """How to generate. What is None is the model's default (`generation_config.json`), else what is in brackets.

    **Arguments:**

    - `max_tokens`: at most this many new tokens (128).
    - `temperature`: divides the logits; 0 means greedy, always the most likely token (0).
    - `top_k`: only the k most likely; 0 for all (0).
    - `top_p`: only the smallest set with at least this probability (nucleus; Holtzman et al. 2020); 1 for all (1).
    - `min_p`: only tokens at least this fraction as likely as the most likely (Nguyen et al. 2024); 0 for all (0).
    - `repetition_penalty`: logits of tokens already there are divided (positive) or multiplied (negative) by it
      (Keskar et al. 2019); 1 for none (1).
    - `seed`: the same seed, prompt and options give the same text (drawn anew for each generation, which reports it).
    - `stop`: generation ends before any of these strings appears; special tokens may be written out in them (none).
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        values = vars(self)
        for name, (low, high) in RANGES.items():
            value = values[name]
            if value is None:
                continue
            plain = number(value, name, low, high)
            if name in WHOLE:
                if plain != int(plain):
                    raise InputError(f"must be a whole number, got {shown(value)}", where=name)
                plain = int(value)
            object.__setattr__(self, name, plain)
        stop: object = () if self.stop is None else None if isinstance(self.stop, str) else self.stop
        if not isinstance(stop, Sequence) or not all(
            isinstance(text, str) and text for text in cast(Sequence[object], stop)
        ):
            raise InputError("must be a list of non-empty strings", where="stop")

    def filled(self, defaults: GenerationOptions) -> GenerationOptions:
        """With `defaults` for what is None, with values that change nothing for what is still None, and with a seed."""
        values = {**NEUTRAL, **_set(defaults), **_set(self)}
        if values.get("seed") is None:
            values["seed"] = secrets.randbits(32)
        return replace(self, **values)

    def numbers(self, step: int) -> dict[str, Any]:
        """The dynamic numbers of the kernel `sample`, whose seed has 32 bits."""
        seed = self.seed or 0
        return {
            "temperature": self.temperature or 0.0,
            "top_k": self.top_k or 0,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "min_p": self.min_p or 0.0,
            "repetition_penalty": self.penalty,
            "seed": (seed ^ (seed >> 32)) & 0xFFFFFFFF,
            "step": step,
        }

    @property
    def penalty(self) -> float:
        """The repetition penalty, 1 where there is none."""
        return 1.0 if self.repetition_penalty is None else self.repetition_penalty

    @classmethod
    def from_json(cls, value: object, where: str = "options") -> Self:
        """From a JSON object with the same names; unknown names are errors."""
        f = Fields(value, where)
        given = {x.name: item for x in fields(cls) if (item := f.any(x.name)) is not None}
        f.finish()
        if isinstance(stop := given.get("stop"), list):
            given["stop"] = tuple(cast(list[object], stop))
        return cls(**given)


def _set(options: GenerationOptions) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if value is not None}


def sample(logits: NDArray[Any], options: GenerationOptions, step: int, seen: Sequence[int] = ()) -> int:
    """The next token id from logits (V,): the kernel `sample` on NumPy. `seen` are the tokens already there."""
    flags = np.zeros(len(logits), np.uint8)
    if options.penalty != 1:
        flags[np.asarray(seen, dtype=np.int64)] = 1
    return int(kernel.sample(logits, flags, **options.numbers(step))[0])

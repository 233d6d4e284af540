"""Spellings of JSON keys and of names: the original writes `LearningRate`, accepts any case, and people write
`learning_rate`; its documents write `LeakyReLU` for what files call `leaky_relu`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def fold(key: str) -> str:
    """`LearningRate`, `learning_rate`, `learningrate` → one spelling."""
    return str(key).lower().replace("_", "").replace(" ", "")


def pascal(name: str) -> str:
    """`learning_rate` → `LearningRate`."""
    return "".join(word.capitalize() for word in name.split("_"))


def spellings(names: Iterable[str], aliases: Mapping[str, str] | None = None) -> dict[str, str]:
    """Names by their spelling without capitals, `_`, `-` and spaces; an alias leads to the name that it stands for."""
    return {plain(name): name for name in names} | {plain(a): name for a, name in (aliases or {}).items()}


def plain(name: str) -> str:
    """`LeakyReLU`, `leaky-relu` → `leakyrelu`: what `spellings` is asked for."""
    return fold(name).replace("-", "")

"""Spellings of JSON keys: the original writes `LearningRate`, accepts any case, and people write `learning_rate`."""

from __future__ import annotations


def fold(key: str) -> str:
    """`LearningRate`, `learning_rate`, `learningrate` → one spelling."""
    return str(key).lower().replace("_", "").replace(" ", "")


def pascal(name: str) -> str:
    """`learning_rate` → `LearningRate`."""
    return "".join(word.capitalize() for word in name.split("_"))

"""What an experiment is."""

from __future__ import annotations

from dataclasses import dataclass

from .datasets import SETS


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One test of the original.

    **Arguments:**

    - `seconds`: duration in the original; `rate`: ticks per second when the clock counts ticks. Experiments by epochs:
      epochs at scale 1, and training samples.
    - `note`: what a reader of the figures has to know: where data or length are not the original's.
    - `shares`: the experiment whose runs are reused here and evaluated differently.
    """

    number: int
    title: str
    task: str
    group: str
    models: tuple[str, ...]
    methods: tuple[str, ...]
    seconds: float
    rate: int
    settings: tuple[tuple[str, float], ...] = ()
    target: float = 90.0
    shares: int | None = None
    note: str = ""

    @property
    def chase(self) -> bool:
        return self.task == "chase"

    @property
    def by_epochs(self) -> bool:
        """Whether it trains on each sample once an epoch, and counts ticks on any clock."""
        return self.task in SETS

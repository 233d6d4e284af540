"""Stepping: in every tick each layer advances once, from what the layers before it gave in the last tick."""

from .queue import TargetQueue
from .state import StepState
from .training import SteppingConfig, SteppingProgress, SteppingResult, stepping_steps, train_with_stepping

__all__ = [
    "StepState",
    "SteppingConfig",
    "SteppingProgress",
    "SteppingResult",
    "TargetQueue",
    "stepping_steps",
    "train_with_stepping",
]

"""Neural tweening: move every layer towards an estimate of what its output should have been."""

from .bound import NetworkTween
from .config import TweenConfig
from .state import TweenState
from .stepping import StepTween, step_tween_chain
from .training import TweenEpochMetrics, TweenResult, train, tween_epochs

__all__ = [
    "NetworkTween",
    "StepTween",
    "TweenConfig",
    "TweenEpochMetrics",
    "TweenResult",
    "TweenState",
    "step_tween_chain",
    "train",
    "tween_epochs",
]

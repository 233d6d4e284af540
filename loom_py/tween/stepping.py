"""Act by stepping while learning by tweening."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..marks import Floats
from ..nn.layer import Array
from ..stepping.state import StepState
from ..training.grid import TrainableGrid
from .state import TweenState


@dataclass(frozen=True, kw_only=True)
class StepTween:
    """One tick: the output acted on, the index of its largest value, and the loss of the sample learned from."""

    output: Array
    action: int
    loss: float


def step_tween_chain(
    network: TrainableGrid,
    steps: StepState,
    tween: TweenState,
    input: Floats,
    target_class: int | Callable[[Array], int],
    output_size: int = 0,
    rate: float = 0.02,
) -> StepTween:
    """One tick of "StepTweenChain": act on the step state's output, then learn from the current sample.

    The output belongs to an input L − 1 ticks older; learning runs the whole network forward on the current one and
    leaves the step state alone.

    **Arguments:**

    - `target_class`: the right class, or a function of the output that returns it.
    """
    steps.set_input(input)
    steps.step_forward()
    output = np.array(steps.get_output())
    wanted = target_class(output) if callable(target_class) else target_class
    loss = tween.tween_step(network, input, wanted, output_size, rate)
    return StepTween(output=output, action=int(np.argmax(output)), loss=loss)

"""The methods of a network for training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..marks import Duration, Floats
from ..training.classification import ClassificationReport, evaluate_classification
from ..training.config import TrainingBatch, TrainingConfig
from ..training.evaluation import DeviationMetrics, evaluate, evaluate_files
from ..training.grid import TrainableGrid
from ..training.loop import train
from ..training.optimisers import Optimiser, read_optimiser
from ..training.result import TrainingResult
from ..training.state import TrainingState
from ..training.step import flat
from ..values import number


class Trainable(TrainableGrid):
    """Mixed into `Network`: training, single updates, the optimiser and its state, evaluation."""

    def update_weights(self, learning_rate: float) -> None:
        """Plain SGD with the gradients of the last backward pass: w ← w − lr·g, for all parameters."""
        if self.gradient_trees is None:
            raise InputError("update_weights needs a backward pass first")
        learning_rate = number(learning_rate, "learning_rate")
        self.check_not_training()
        for w, g in zip(flat(self.params), flat(self.gradient_trees), strict=True):
            self.ops.sgd_step(w, g, learning_rate)

    def zero_gradients(self) -> None:
        """Set the stored gradients to zero."""
        for g in self.gradients.values():
            g.fill(0)

    def train(
        self,
        batches: Sequence[TrainingBatch | Mapping[str, Any]],
        config: TrainingConfig | Mapping[str, Any] | None = None,
    ) -> TrainingResult:
        """Train on `batches` in order, `config.epochs` times; see `TrainingConfig` for the rest."""
        return train(self, batches, config)

    def apply_gradients(self, learning_rate: float) -> None:
        """One update from the gradients of the last backward pass, by the optimiser in use (at first plain SGD)."""
        self._apply(learning_rate, None)

    def apply_gradients_adamw(self, learning_rate: float, beta1: float, beta2: float, weight_decay: float) -> None:
        """One AdamW update; its moments live on between calls with equal β₁, β₂ and decay."""
        options = {"Type": "adamw", "Beta1": beta1, "Beta2": beta2, "WeightDecay": weight_decay}
        self._apply(learning_rate, read_optimiser(options, ""))

    def apply_gradients_rmsprop(self, learning_rate: float, alpha: float, epsilon: float, momentum: float) -> None:
        """One RMSprop update; its state lives on between calls with equal α, ε and momentum."""
        options = {"Type": "rmsprop", "Alpha": alpha, "Epsilon": epsilon, "Momentum": momentum}
        self._apply(learning_rate, read_optimiser(options, ""))

    def apply_gradients_sgd_momentum(
        self, learning_rate: float, momentum: float, dampening: float, nesterov: bool
    ) -> None:
        """One SGD update with momentum; the velocity lives on between calls with equal options."""
        options = {"Type": "sgd", "Momentum": momentum, "Dampening": dampening, "Nesterov": nesterov}
        self._apply(learning_rate, read_optimiser(options, ""))

    def _apply(self, learning_rate: float, optimiser: Optimiser | None) -> None:
        if self.gradient_trees is None:
            raise InputError("applying gradients needs a backward pass first")
        self.check_not_training()
        weights, gradients = flat(self.params), flat(self.gradient_trees)
        self.training_state.apply(self.ops, weights, gradients, learning_rate, optimiser)

    def get_device(self) -> dict[str, str]:
        """Where the last training ran, `{device, reason}`."""
        return self.computed_on.to_json()

    def get_optimizer(self) -> dict[str, Any]:
        """The optimiser in use: Type, its options, and Step, the updates made with it."""
        return self.training_state.optimiser.to_json() | {"Step": self.training_state.step}

    def set_optimizer(self, optimizer: dict[str, Any]) -> None:
        """Use this optimiser (`{"Type": "adamw", …}`) in `apply_gradients`; an equal one keeps its state."""
        chosen = read_optimiser(optimizer)
        self.check_not_training()
        self.training_state.use(self.ops, chosen, flat(self.params))

    def reset_optimizer(self) -> None:
        """Return to plain SGD; discards moments, step counts and the position in a schedule."""
        self.check_not_training()
        self.training_state = TrainingState()

    def evaluate_network(self, inputs: Sequence[Floats], expected: Sequence[float]) -> DeviationMetrics:
        """Deviation metrics of the predictions: the output itself if it is one value, else the index of the largest."""
        return evaluate(self, inputs, expected)

    def evaluate_classification(self, inputs: Sequence[Floats], classes: Sequence[Any]) -> ClassificationReport:
        """Accuracy, confusion matrix, precision, recall and F1; `classes` holds class numbers or one-hot vectors."""
        return evaluate_classification(self, inputs, classes)

    def evaluate_from_checkpoint_files(
        self, files: Sequence[str], expected: Sequence[float]
    ) -> tuple[DeviationMetrics, Duration, Duration]:
        """`evaluate_network` on inputs from files, each a JSON array of numbers, with the times to load and predict."""
        metrics, loading, predicting = evaluate_files(self, files, expected)
        return metrics, Duration(loading), Duration(predicting)

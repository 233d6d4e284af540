"""The options of tweening, with the original's names and defaults."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

from ..schema.fields import LOOSE, Fields, Json
from ..schema.options import check_options, option, read_options

MODES = ("chain_rule", "legacy", "principled")
_UPPER = {"relu": "ReLU", "rnn": "RNN", "lstm": "LSTM", "swiglu": "SwiGLU", "conv2d": "Conv2D", "conv1d": "Conv1D"}


@dataclass(frozen=True, kw_only=True)
class TweenConfig:
    """All options. In JSON the names are the original's (`UseChainRule`; any case is accepted).

    **Arguments:**

    - `mode`: `"chain_rule"` or `"legacy"`, the original's rules; `"principled"`, gradient descent by the true backward
      pass of every layer kind. Left empty, `use_chain_rule` decides between the first two, as in the original.
    - `dense_rate` … `conv1d_rate`: factors of the rate by layer kind; other kinds have 1.
    - `momentum`: of the velocities, v ← μ v + (1 − μ) δ.
    - `bias_rate_multiplier`, `weight_rate_multiplier`, `link_budget_scale`, `ignore_threshold`: legacy updates; layers
      with a link budget below the threshold are left alone there.
    - `depth_scale_factor`: chain rule: gradients and rates grow by this for every layer away from the output.
    - `gradient_scale`: chain rule and principled: target of a buffer = its value + this · gradient.
    - `derivative_epsilon`, `relu_slope`, `leaky_relu_slope`, `lstm_gate_scale`: chain rule: derivatives.
    - `tanh_clamp_min` … `relu_clamp_max`: limits of targets by activation.
    - `total_weight_threshold`: legacy: weaker inputs get the target 0.
    - `attention_routing_rate`, `norm_gamma_rate`, `norm_beta_rate`: legacy; `attention_bias_rate`: both.
    - `early_stop_threshold`, `eval_frequency`: `train` stops at this score, measured every so many epochs.
    - `prune_enabled`, `prune_threshold`, `prune_patience`: see `tween.pruning`.
    - `explosion_detection`: damp the rate while gaps grow, see `tween.budgets`.
    - `frontier_enabled`, `frontier_min`, `frontier_threshold`, `frontier_noise`, `batch_size`: read from the original's
      files and unused, as in the original.
    """

    mode: str = option("", choices=("", *MODES))
    frontier_enabled: bool = option(True)
    frontier_min: int = option(-1, minimum=-1)
    frontier_threshold: float = option(0.55)
    frontier_noise: float = option(0.0)
    ignore_threshold: float = option(0.2)
    dense_rate: float = option(1.0)
    rnn_rate: float = option(0.5)
    lstm_rate: float = option(0.5)
    attention_rate: float = option(0.2)
    norm_rate: float = option(0.1)
    swiglu_rate: float = option(0.2)
    conv2d_rate: float = option(0.1)
    embedding_rate: float = option(0.1)
    conv1d_rate: float = option(0.1)
    momentum: float = option(0.9, minimum=0, below=1)
    bias_rate_multiplier: float = option(0.1)
    weight_rate_multiplier: float = option(0.01)
    tanh_clamp_min: float = option(-0.95)
    tanh_clamp_max: float = option(0.95)
    sigmoid_clamp_min: float = option(0.05)
    sigmoid_clamp_max: float = option(0.95)
    relu_clamp_max: float = option(10.0)
    early_stop_threshold: float = option(95.0)
    eval_frequency: int = option(5, minimum=1)
    link_budget_scale: float = option(0.5)
    prune_enabled: bool = option(False)
    prune_threshold: float = option(0.1)
    prune_patience: int = option(10, minimum=1)
    batch_size: int = option(1, minimum=-1)
    use_chain_rule: bool = option(True)
    depth_scale_factor: float = option(1.2)
    gradient_scale: float = option(0.1)
    total_weight_threshold: float = option(0.01)
    relu_slope: float = option(1.1)
    leaky_relu_slope: float = option(0.1)
    derivative_epsilon: float = option(0.01)
    lstm_gate_scale: float = option(0.25)
    attention_routing_rate: float = option(0.2)
    attention_bias_rate: float = option(0.05)
    norm_beta_rate: float = option(0.1)
    norm_gamma_rate: float = option(0.01)
    explosion_detection: bool = option(False)

    def __post_init__(self) -> None:
        check_options(self, "TweenConfig", json_name)

    @property
    def rule(self) -> str:
        """The mode in use."""
        return self.mode or ("chain_rule" if self.use_chain_rule else "legacy")

    def layer_rate(self, kind: str) -> float:
        """The factor of the rate for a layer kind."""
        name = {"multi_head_attention": "attention", "layer_norm": "norm", "rms_norm": "norm"}.get(kind, kind)
        return float(getattr(self, f"{name}_rate", 1.0))

    def with_rule(self, rule: str) -> Self:
        """A copy with another mode."""
        return dataclasses.replace(self, mode=rule, use_chain_rule=rule == "chain_rule")

    @classmethod
    def from_json(cls, value: object, where: str = "TweenConfig") -> Self:
        """From the original's keys, in any case; what is left out keeps its default."""
        f = Fields(value, where, rules=LOOSE)
        config = cls(**read_options(cls, f, name=json_name))
        f.finish()
        return config

    def to_json(self) -> Json:
        """The original's keys; `from_json` gives back an equal object."""
        return {json_name(field.name): getattr(self, field.name) for field in dataclasses.fields(self)}


def json_name(name: str) -> str:
    """`relu_clamp_max` → `ReLUClampMax`."""
    return "".join(_UPPER.get(word, word.capitalize()) for word in name.split("_"))

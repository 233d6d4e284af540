"""Records that compare ways of training one network, in the original's fields."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from ..schema.fields import Json


@dataclass(frozen=True, kw_only=True)
class TrainingMetrics:
    """Figures of one way: accuracy in percent, times in seconds, `milestones` accuracy (as text) → seconds."""

    steps: int = 0
    accuracy: float = 0.0
    loss: float = 0.0
    time_total: float = 0.0
    time_to_target: float = 0.0
    memory_peak_mb: float = 0.0
    milestones: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> Json:
        return asdict(self)

    def better_than(self, other: TrainingMetrics) -> bool:
        """More accurate by more than one point, or within one point with the smaller loss."""
        if abs(self.accuracy - other.accuracy) > 1:
            return self.accuracy > other.accuracy
        return self.loss < other.loss


@dataclass(frozen=True, kw_only=True)
class ComparisonResult:
    """One network trained in several ways; None where a way was not tried."""

    name: str
    num_layers: int = 0
    normal_bp: TrainingMetrics | None = None
    normal_tween: TrainingMetrics | None = None
    step_bp: TrainingMetrics | None = None
    step_tween: TrainingMetrics | None = None
    step_tween_chain: TrainingMetrics | None = None
    batch_tween: TrainingMetrics | None = None
    step_batch_tween: TrainingMetrics | None = None

    def determine_best(self) -> str:
        """Field name of the best way, each compared with the best before it; "" if none was tried."""
        best, name = None, ""
        for f in fields(self):
            tried = getattr(self, f.name)
            if isinstance(tried, TrainingMetrics) and (best is None or tried.better_than(best)):
                best, name = tried, f.name
        return name

    def to_json(self) -> Json:
        return asdict(self)

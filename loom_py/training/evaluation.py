"""Deviation metrics: how far each prediction is from what was expected, in percent, sorted into seven buckets."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..errors import FormatError, InputError
from ..formats.files import read_file, replace_file
from ..marks import Floats
from ..nn.grid import Grid
from ..nn.layer import Array
from ..schema.fields import FILE, Fields, json_type
from ..values import to_array

BUCKETS: dict[str, tuple[float, float]] = {
    "0-10%": (0, 10),
    "10-20%": (10, 20),
    "20-30%": (20, 30),
    "30-40%": (30, 40),
    "40-50%": (40, 50),
    "50-100%": (50, 100),
    "100%+": (100, math.inf),
}
JSON_INFINITY = 1e9


@dataclass(frozen=True, kw_only=True)
class PredictionResult:
    """One sample: what was expected, what came out, and the deviation in percent."""

    sample_index: int
    expected: float
    actual: float
    deviation: float
    bucket: str

    @property
    def expected_output(self) -> float:
        """`expected`, by the original's name."""
        return self.expected

    @property
    def actual_output(self) -> float:
        """`actual`, by the original's name."""
        return self.actual


def evaluate_prediction(index: int, expected: float, actual: float) -> PredictionResult:
    """deviation = |actual − expected| / |expected| · 100, or |actual − expected| · 100 where expected is 0."""
    error = abs(actual - expected)
    deviation = error * 100 if abs(expected) < 1e-10 else error / abs(expected) * 100
    if not math.isfinite(deviation):
        deviation = 100.0
    bucket = next(name for name, (_, high) in BUCKETS.items() if deviation <= high)
    return PredictionResult(sample_index=index, expected=expected, actual=actual, deviation=deviation, bucket=bucket)


@dataclass(kw_only=True)
class DeviationMetrics:
    """`score` = mean of max(0, 100 − deviation); `failures` = samples in the bucket 100%+."""

    results: list[PredictionResult] = field(default_factory=list)

    @property
    def total_samples(self) -> int:
        return len(self.results)

    @property
    def score(self) -> float:
        return sum(max(0.0, 100 - r.deviation) for r in self.results) / len(self.results) if self.results else 0.0

    @property
    def average_deviation(self) -> float:
        return sum(r.deviation for r in self.results) / len(self.results) if self.results else 0.0

    @property
    def failures(self) -> int:
        return sum(r.bucket == "100%+" for r in self.results)

    def get_samples_in_bucket(self, name: str) -> list[int]:
        """Sample indices in a bucket such as `"0-10%"`."""
        if name not in BUCKETS:
            raise InputError(f"unknown bucket {name!r}", remedy=f"Known: {', '.join(BUCKETS)}.")
        return [r.sample_index for r in self.results if r.bucket == name]

    def get_worst_samples(self, n: int) -> list[PredictionResult]:
        """The n largest deviations, largest first."""
        return sorted(self.results, key=lambda r: -r.deviation)[: max(n, 0)]

    def summary(self, worst: int = 5, shown: int = 5) -> str:
        """The report as text: figures, buckets (a █ for every two percent), the worst predictions, samples by bucket.

        **Arguments:**

        - `worst`: how many predictions are listed that deviate, the worst first.
        - `shown`: how many samples are named of each bucket.
        """
        total = max(self.total_samples, 1)
        lines = [
            "=== Model Evaluation Summary ===",
            f"Total Samples: {self.total_samples}",
            f"Quality Score: {self.score:.1f}/100",
            f"Average Deviation: {self.average_deviation:.1f}%",
            f"Failures (>100% deviation): {self.failures} ({100 * self.failures / total:.1f}%)",
            "",
            "Deviation Distribution:",
        ]
        members = {name: self.get_samples_in_bucket(name) for name in BUCKETS}
        for name, samples in members.items():
            share = 100 * len(samples) / total
            percent, bar = f"({share:.1f}%)", "█" * int(share / 2)
            lines.append(f"{name:>10}: {len(samples):4d} samples {percent:<7} {bar}".rstrip())
        off = [r for r in self.get_worst_samples(worst) if r.deviation > 0]
        if off:
            lines += ["", f"=== Worst {len(off)} Predictions ==="]
        for place, r in enumerate(off, 1):
            values = f"Expected {_short(r.expected)}, Predicted {_short(r.actual)}"
            lines.append(f"{place}. Sample #{r.sample_index}: {values}, Deviation: {r.deviation:.1f}%")
        if self.results:
            lines += ["", "=== Samples by Performance ==="]
        for name, samples in members.items():
            if samples:
                more = f" ... ({len(samples) - shown} more)" if len(samples) > shown else ""
                lines.append(f"{name:>8}: {len(samples)} samples - [{' '.join(map(str, samples[:shown]))}]{more}")
        return "\n".join(lines)

    def print_summary(self) -> None:
        """Print `summary()`."""
        print(self.summary())

    def to_json(self) -> dict[str, Any]:
        """The original's layout; an infinite `range_max` is written as 1e9, an output that is not finite as null."""
        buckets = {
            name: {
                "range_min": low,
                "range_max": min(high, JSON_INFINITY),
                "count": len(self.get_samples_in_bucket(name)),
                "samples": self.get_samples_in_bucket(name),
            }
            for name, (low, high) in BUCKETS.items()
        }
        return {
            "buckets": buckets,
            "score": self.score,
            "total_samples": self.total_samples,
            "failures": self.failures,
            "results": [{name: _finite(value) for name, value in vars(r).items()} for r in self.results],
            "avg_deviation": _finite(self.average_deviation),
        }

    @classmethod
    def from_json(cls, value: object, where: str = "metrics") -> Self:
        """From `to_json`'s layout; everything else follows from the results."""
        results = Fields(value, where, rules=FILE).objects("results", required=True)
        return cls(
            results=[
                evaluate_prediction(
                    r.integer("sample_index", minimum=0), r.number("expected"), r.number("actual", default=math.nan)
                )
                for r in results
            ]
        )

    def save_metrics(self, filename: str) -> None:
        """Write `to_json` to a file, whole or not at all."""
        replace_file(filename, json.dumps(self.to_json(), indent=2, allow_nan=False).encode())

    @classmethod
    def load_metrics(cls, filename: str) -> Self:
        from ..schema.strict import parse_json

        return cls.from_json(parse_json(read_file(filename), where=filename), filename)


def evaluate_model(expected: Sequence[float], actual: Sequence[float]) -> DeviationMetrics:
    """Deviation metrics of predictions made elsewhere."""
    if len(expected) != len(actual):
        raise InputError(f"mismatched expected ({len(expected)}) vs actual ({len(actual)}) values")
    metrics = DeviationMetrics()
    for i, (want, got) in enumerate(zip(expected, actual, strict=True)):
        pair = _finite_number(want, f"expected[{i}]"), _number(got, f"actual[{i}]")
        metrics.results.append(evaluate_prediction(i, *pair))
    return metrics


def evaluate(network: Grid, inputs: Sequence[Floats], expected: Sequence[float]) -> DeviationMetrics:
    """One prediction a sample: the output itself if it is one value, else the index of the first largest."""
    rows, wanted = samples(network, inputs, expected)
    return evaluate_model(wanted, [predict(network, row) for row in rows])


def predict(network: Grid, row: Array) -> float:
    """The prediction for one sample (1, I)."""
    y, _, _ = network.trace_forward(network.ops, network.params, row)
    return float(y[0, 0]) if y.size == 1 else float(np.argmax(y))


def samples(
    network: Grid,
    inputs: Sequence[Floats],
    expected: Sequence[float],
    where: tuple[str, str] = ("inputs", "expected"),
) -> tuple[list[Array], list[float]]:
    """Evaluation data as rows (1, I) and numbers; `InputError` naming what is wrong."""
    for value, place in zip((inputs, expected), where, strict=True):
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
            raise InputError(f"expected an array, got {json_type(value)}", where=place)
    if len(inputs) != len(expected):
        raise InputError(f"mismatched inputs ({len(inputs)}) vs expected outputs ({len(expected)})", where=where[1])
    rows = [sample(network, x, f"{where[0]}[{i}]") for i, x in enumerate(inputs)]
    return rows, [_finite_number(value, f"{where[1]}[{i}]") for i, value in enumerate(expected)]


def sample(network: Grid, x: Floats, where: str) -> Array:
    """One sample as (1, I); `InputError` at `where` if it has another size or is not numbers."""
    row = to_array(x, network.dtype, where).reshape(1, -1)
    if network.input_size is not None and row.size != network.input_size:
        raise InputError(f"expected {network.input_size} values, got {row.size}", where=where)
    if row.size == 0:
        raise InputError("is empty", where=where)
    return row


def evaluate_files(network: Grid, files: Sequence[str], expected: Sequence[float]) -> tuple[DeviationMetrics, int, int]:
    """Each file holds one sample's input as a JSON array of numbers → metrics, nanoseconds to load, to predict."""
    from ..schema.strict import parse_json

    if len(files) != len(expected):
        raise InputError(f"mismatched files ({len(files)}) vs expected outputs ({len(expected)})")
    start = time.perf_counter_ns()
    rows = []
    for name in files:
        value = parse_json(read_file(name), where=name)
        if not isinstance(value, list):
            raise FormatError(f"expected an array of numbers, got {json_type(value)}", where=name)
        rows.append(sample(network, value, name))
    loaded = time.perf_counter_ns()
    metrics = evaluate(network, rows, expected)
    return metrics, loaded - start, time.perf_counter_ns() - loaded


def _finite_number(value: Any, where: str) -> float:
    number = _number(value, where)
    if not math.isfinite(number):
        raise InputError(f"expected a finite number, got {number}", where=where)
    return number


def _finite(value: Any) -> Any:
    """null for what JSON has no number for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any, where: str) -> float:
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise InputError(f"expected a number, got {json_type(value)}", where=where)
    try:
        return float(value)
    except OverflowError as error:
        raise InputError("expected a number that a float can hold", where=where) from error
    except (TypeError, ValueError) as error:
        raise InputError(f"expected a number, got {json_type(value)}", where=where) from error


def _short(value: float) -> str:
    """A number with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if math.isfinite(value) else str(value)

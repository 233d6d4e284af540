"""What the original claims: `docs/step_tween_assessment.md` of LOOM, December 2024 (Apache-2.0).

Of tests 1 to 12: `docs/neural_tween_analysis.md`, single unseeded runs in its *score*, the mean of 100 − deviation of
the class *numbers*, which counts class 1 for class 2 as half right. It has no figures of tests 1 to 5, 8, 9 and 11.

Accuracies in percent, with deviations where it gives them. Its windows are seconds of wall-clock time; ours are
ticks.
"""

from __future__ import annotations

Claim = tuple[float, float | None]

_RUNS_19 = """
Dense-3L  39.1 4.2  43.8 10.7 64.0 0.8
Dense-5L  41.4 4.8  53.6 5.8  62.5 0.8
Dense-9L  32.2 7.1  47.3 10.8 58.7 1.9
Conv2D-3L 45.5 3.6  62.9 1.4  58.5 1.1
Conv2D-5L 43.5 3.8  61.0 3.4  58.1 1.3
Conv2D-9L 38.9 4.3  61.3 1.5  57.6 2.5
RNN-3L    42.2 3.7  56.7 5.0  62.5 1.5
RNN-5L    41.1 4.1  60.7 1.3  60.8 1.4
RNN-9L    37.0 4.4  60.6 0.8  60.6 1.2
LSTM-3L   45.9 3.3  59.7 1.2  57.9 1.2
LSTM-5L   42.2 4.2  57.8 1.5  54.8 1.8
LSTM-9L   36.9 5.0  55.8 2.6  53.2 2.9
Attn-3L   32.3 6.6  56.5 2.7  46.3 3.6
Attn-5L   32.9 7.5  55.1 3.1  47.4 5.0
Attn-9L   34.5 6.1  54.4 3.5  47.8 4.5
"""
_RUNS_18 = """
Dense-3L 64.0
Dense-5L 58.7
Dense-9L 60.8
Conv2D-3L 60.7
Conv2D-5L 58.6
Conv2D-9L 60.7
RNN-3L 59.1
RNN-5L 59.2
RNN-9L 61.1
LSTM-3L 54.8
LSTM-5L 55.8
LSTM-9L 55.0
Attn-3L 51.5
"""
WINDOWS_17 = {
    "NormalBP": (0, 0, 13, 24, 0, 85, 100, 84, 100, 100, 6, 25, 24, 34, 39),
    "StepBP": (43, 43, 1, 7, 0, 100, 100, 100, 75, 0, 0, 0, 0, 0, 0),
    "Tween": (18, 0, 1, 5, 0, 60, 100, 100, 100, 59, 0, 22, 33, 0, 22),
    "TweenChain": (0, 8, 1, 0, 0, 84, 100, 100, 93, 100, 0, 0, 16, 1, 22),
    "StepTweenChain": (41, 41, 42, 44, 44, 99, 100, 100, 100, 100, 45, 47, 45, 41, 42),
}
"""Accuracy in each second of one run."""
_RUNS_16 = """
Dense-3L  98.8 100.0 98.4 99.0
Conv2D-3L 81.6 100.0 92.0 92.8
Dense-5L  99.8 100.0 78.2 80.6
Conv2D-5L 99.2 99.8  63.4 71.2
Dense-9L  99.4 99.0  67.0 61.0
Conv2D-9L 99.4 60.0  41.6 36.2
RNN-9L    91.0 64.4  51.6 52.4
"""
_STEP_BP_16 = {"Dense-3L": 72.2, "Conv2D-3L": 58.4, "RNN-3L": 81.2, "LSTM-3L": 60.6}
_TWEEN_16 = {"RNN-3L": (76.4, 79.0), "LSTM-3L": (50.4, 54.4)}
_RUNS_14 = """
Dense     100 100
Conv2D    100 100
RNN       100 100
Parallel  100 100
Attention 33.3 33.3
SwiGLU    33.3 33.3
LSTM      66.7 33.3
Norm      100 41.7
Mixed     100 58.3
"""


_RUNS_12 = """
Dense     39.9 40.7 44.5 45.6 45.6
SwiGLU    39.9 40.7 44.5 45.6 45.6
Attention 39.9 40.7 -    45.6 25.6
RNN       39.9 40.7 44.5 45.6 88.5
LSTM      39.9 40.7 -    45.6 86.9
Conv2D    39.9 40.7 -    45.6 45.6
"""
"""WDM, RMT, LBL, curriculum, and one signal beside the curriculum, which ran longer than WDM's 30 epochs."""
_METHODS_12 = ("Waves", "Resonant", "LayerByLayer", "Curriculum", "Tween")

WINNERS: dict[int, dict[str, str]] = {
    6: {
        **dict.fromkeys(("LSTM", "LayerNorm", "SwiGLU", "Attention"), "tweening"),
        **dict.fromkeys(("Dense", "RNN"), "backpropagation"),
        **dict.fromkeys(("Deep-5L", "RMSNorm"), "tie"),
    },
    7: {
        **dict.fromkeys(("Dense", "LayerNorm", "RMSNorm"), "tweening"),
        "Attention": "backpropagation",
        **dict.fromkeys(("Conv2D", "RNN", "LSTM"), "tie"),
    },
    10: {"Dense-20L": "backpropagation"},
}
"""Who wins by the original's account, more than 5 points apart; of 7 it counts LayerNorm twice."""


def _rows(text: str) -> list[tuple[str, list[float]]]:
    lines = [line.split() for line in text.strip().splitlines()]
    return [(name, [float(v) for v in values]) for name, *values in lines]


def _collect() -> dict[int, dict[str, dict[str, Claim]]]:
    claims: dict[int, dict[str, dict[str, Claim]]] = {14: {}, 16: {}, 17: {}, 18: {}, 19: {}}
    claims[10] = {"Dense-20L": {"PrunedTween": (85.7, None), "SampleBP": (93.4, None)}}
    claims[12] = {}
    for line in _RUNS_12.strip().splitlines():
        model, *values = line.split()
        pairs = zip(_METHODS_12, values, strict=True)
        claims[12][model] = {method: (float(value), None) for method, value in pairs if value != "-"}
    for model, (bp, tween) in _rows(_RUNS_14):
        claims[14][model] = {"StepBP": (bp, None), "StepTween": (tween, None)}
    for model, (bp, tween, step, chain) in _rows(_RUNS_16):
        accuracy = {"NormalBP": bp, "TweenChain": tween, "StepTween": step, "StepTweenChain": chain}
        claims[16][model] = {name: (value, None) for name, value in accuracy.items()}
    for model, (step, chain) in _TWEEN_16.items():
        claims[16][model] = {"StepTween": (step, None), "StepTweenChain": (chain, None)}
    for model, value in _STEP_BP_16.items():
        claims[16][model]["StepBP"] = (value, None)
    claims[17]["Dense-6L"] = {name: (sum(windows) / len(windows), None) for name, windows in WINDOWS_17.items()}
    for model, (value,) in _rows(_RUNS_18):
        claims[18][model] = {"StepTweenChain": (value, None)}
    for model, v in _rows(_RUNS_19):
        claims[19][model] = {
            "NormalBP": (v[0], v[1]),
            "StepBP": (v[2], v[3]),
            "StepTweenChain": (v[4], v[5]),
        }
    return claims


CLAIMS = _collect()
"""CLAIMS[experiment][model][method]: mean (or single figure) and deviation."""


def claim(number: int, model: str, method: str) -> Claim | None:
    return CLAIMS.get(number, {}).get(model, {}).get(method)


def show(claim: Claim | None) -> str:
    """Format a claim: `64.0 ± 0.8`, `98.4`, or an empty string."""
    if claim is None:
        return ""
    mean, deviation = claim
    return f"{mean:.1f}" if deviation is None else f"{mean:.1f} ± {deviation:.1f}"

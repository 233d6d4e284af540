"""The original's tweening of dense networks, number by number in float64; shares nothing with the package."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Layer = dict[str, Any]
"""W as rows [in][out], b, the activation's name, and the velocity V of W."""


def activate(name: str, z: float) -> float:
    if name == "relu":
        return max(0.0, 1.1 * z)
    if name == "sigmoid":
        return 1 / (1 + math.exp(-z))
    if name == "tanh":
        return math.tanh(z)
    if name == "softplus":
        return math.log1p(math.exp(z))
    if name == "leaky_relu":
        return z if z >= 0 else 0.1 * z
    return z


def slope(name: str, y: float) -> float:
    if name == "relu":
        return 1.1 if y > 0 else 0.0
    if name == "sigmoid":
        return y * (1 - y) + 0.01
    if name == "tanh":
        return 1 - y * y + 0.01
    if name == "softplus":
        return 1 / (1 + math.exp(-y)) + 0.01
    if name == "leaky_relu":
        return 1.0 if y >= 0 else 0.1
    return 1.0


def cut(v: float, limit: float) -> float:
    return max(-limit, min(limit, v)) if math.isfinite(v) else 0.0


def depth_scale(d: int) -> float:
    if d <= 0:
        return 1.0
    return min(100.0, 1.2 ** (d if d <= 10 else 10 + math.log(d - 9)))


def clamp(name: str, v: float, low: float) -> float:
    limits = {"tanh": (-0.95, 0.95), "sigmoid": (0.05, 0.95), "relu": (low, 10.0), "leaky_relu": (low, 10.0)}
    bottom, top = limits.get(name, (-math.inf, math.inf))
    return max(bottom, min(top, v))


class Tween:
    """One network and its tween state; `step` is the original's TweenStep."""

    def __init__(self, layers: list[Layer], chain: bool) -> None:
        self.layers, self.chain = layers, chain
        self.acts: list[list[float]] = []
        self.targets: list[list[float]] = []
        self.grads: list[list[float]] = []
        self.budgets: list[float] = []
        self.gaps: list[float] = []
        self.barrier: list[float] = []

    def forward(self, x: list[float]) -> list[float]:
        self.acts = [list(x)]
        for layer in self.layers:
            last = self.acts[-1]
            outs = range(len(layer["b"]))
            z = [layer["b"][j] + sum(last[k] * layer["W"][k][j] for k in range(len(last))) for j in outs]
            self.acts.append([activate(layer["f"], v) for v in z])
        return self.acts[-1]

    def measure(self, x: list[float], target_class: int) -> float:
        out = self.forward(x)
        goal = [1.0 if j == target_class else 0.0 for j in range(len(out))]
        (self.back_chain if self.chain else self.back_legacy)(goal)
        self.budgets, self.gaps, self.barrier, product = [], [], [], 1.0
        for actual, target in zip(self.acts[1:], self.targets[1:], strict=True):
            dot = sum(a * t for a, t in zip(actual, target, strict=True))
            aa, tt = sum(a * a for a in actual), sum(t * t for t in target)
            self.budgets.append((dot / math.sqrt(aa * tt) + 1) / 2 if aa > 0.001 and tt > 0.001 else 0.5)
            self.gaps.append(sum((a - t) ** 2 for a, t in zip(actual, target, strict=True)) / len(actual))
            product *= self.budgets[-1]
            self.barrier.append(product)
        return sum((o - w) ** 2 for o, w in zip(out, goal, strict=True))

    def back_chain(self, goal: list[float]) -> None:
        count = len(self.layers)
        self.grads, self.targets = [[] for _ in range(count + 1)], [[] for _ in range(count + 1)]
        self.grads[count] = [w - o for w, o in zip(goal, self.acts[count], strict=True)]
        self.targets[count] = goal
        for i in range(count - 1, -1, -1):
            layer, x, y, g = self.layers[i], self.acts[i], self.acts[i + 1], self.grads[i + 1]
            s = depth_scale(count - 1 - i)
            local = [cut(g[j] * slope(layer["f"], y[j]) * s, 10) for j in range(len(y))]
            norm = 1 / math.sqrt(len(y)) if len(y) > 1 else 1.0
            for k in range(len(x)):
                total = cut(norm * sum(layer["W"][k][j] * local[j] for j in range(len(y))), 10)
                self.grads[i].append(total)
                self.targets[i].append(clamp(layer["f"], x[k] + 0.1 * total, -10.0))

    def back_legacy(self, goal: list[float]) -> None:
        count = len(self.layers)
        self.targets = [[] for _ in range(count + 1)]
        self.targets[count] = goal
        for i in range(count - 1, -1, -1):
            layer, target = self.layers[i], self.targets[i + 1]
            for row in layer["W"]:
                weight = sum(abs(w) for w in row)
                value = sum(w * t for w, t in zip(row, target, strict=True)) / weight if weight > 0.01 else 0.0
                self.targets[i].append(clamp(layer["f"], value, 0.0))

    def move_weight(self, layer: Layer, k: int, j: int, delta: float) -> None:
        layer["V"][k][j] = 0.9 * layer["V"][k][j] + 0.1 * delta
        layer["W"][k][j] += layer["V"][k][j]

    def apply(self, rate: float, signals: list[list[float]], batch: bool = False) -> None:
        """`signals[i]`: gradient (chain) or gap (legacy) of the output of layer i."""
        count = len(self.layers)
        for i, layer in enumerate(self.layers):
            x, y, signal = self.acts[i], self.acts[i + 1], signals[i]
            if (batch or not self.chain) and self.budgets[i] < 0.2:
                continue
            for j in range(len(y)):
                if self.chain:
                    r = rate * depth_scale(count - 1 - i)
                    local = signal[j] * slope(layer["f"], y[j])
                    layer["b"][j] += cut(r * local, 1)
                    for k in range(len(x)):
                        self.move_weight(layer, k, j, cut(r * x[k] * local, 1))
                else:
                    r = rate * (0.5 + 0.5 * self.budgets[i])
                    layer["b"][j] += r * signal[j] * 0.1
                    for k in range(len(x)):
                        self.move_weight(layer, k, j, r * x[k] * signal[j] * 0.01)

    def output_gaps(self) -> list[list[float]]:
        pairs = zip(self.acts[1:], self.targets[1:], strict=True)
        return [[t - a for a, t in zip(actual, target, strict=True)] for actual, target in pairs]

    def step(self, x: list[float], target_class: int, rate: float) -> float:
        loss = self.measure(x, target_class)
        self.apply(rate, self.grads[1:] if self.chain else self.output_gaps())
        return loss

    def batch(self, xs: list[list[float]], classes: list[int], rate: float) -> float:
        losses, total = [], None
        for x, c in zip(xs, classes, strict=True):
            losses.append(self.measure(x, c))
            gaps = self.output_gaps()
            total = gaps if total is None else [list(np.add(a, b)) for a, b in zip(total, gaps, strict=True)]
        mean = [[v / len(xs) for v in layer] for layer in total or []]
        self.apply(rate, mean, batch=True)
        return sum(losses) / len(losses)

"""Torch's batch norm: `python -m tests.nn.torch_reference` writes it to tests/data/torch_batch_norm.json."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).resolve().parents[1] / "data" / "torch_batch_norm.json"
CASES: dict[str, dict[str, Any]] = {
    "one sample, positions": {"shape": (1, 2, 5)},
    "two samples": {"shape": (2, 3, 1)},
    "momentum": {"shape": (5, 3, 1), "momentum": 0.7, "epsilon": 0.01},
    "planes": {"shape": (7, 2, 4)},
    "no gamma": {"shape": (6, 2, 3), "affine": False},
    "64 samples": {"shape": (64, 3, 1)},
    "64 samples, planes": {"shape": (64, 2, 3)},
}


def data(name: str) -> dict[str, Any]:
    """Inputs of two training passes and an evaluation pass, gradients of their outputs, parameters; by seed."""
    shape = CASES[name]["shape"]
    rng = np.random.default_rng(len(name))
    passes = {key: rng.normal(0.5, 2, (3, *shape)).astype(np.float32) for key in ("x", "gy")}
    return passes | {key: rng.normal(size=shape[1]).astype(np.float32) for key in ("gamma", "beta")}


def reference(name: str) -> dict[str, list[float]]:
    """y, gx, ggamma, gbeta and the running statistics of each pass, flat: two in training, the third in evaluation."""
    torch: Any = import_module("torch")
    case, inputs = CASES[name], data(name)
    affine = case.get("affine", True)
    options = {"eps": case.get("epsilon", 1e-5), "momentum": case.get("momentum", 0.1), "affine": affine}
    module: Any = torch.nn.BatchNorm1d(case["shape"][1], **options)
    if affine:
        with torch.no_grad():
            module.weight.copy_(torch.tensor(inputs["gamma"]))
            module.bias.copy_(torch.tensor(inputs["beta"]))
    flat: dict[str, list[float]] = {}
    for i in range(3):
        module.train(i < 2)
        module.zero_grad()
        x = torch.tensor(inputs["x"][i], requires_grad=True)
        y = module(x)
        y.backward(torch.tensor(inputs["gy"][i]))
        results = {"y": y, "gx": x.grad, "running_mean": module.running_mean, "running_var": module.running_var}
        results |= {"gamma": module.weight.grad, "beta": module.bias.grad} if affine else {}
        for key, value in results.items():
            flat[f"{key} {i}"] = [float(f"{v:.8g}") for v in value.detach().numpy().ravel()]
    return flat


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: reference(name) for name in CASES}) + "\n")

"""Python's side of `loom_worker.js`: token ids instead of text, and one matrix product as a program of its own."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import numpy as np

from loom_py.bridge.objects import take
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.text_encoder import TextEncoder
from loom_py.runtime import numpy_ops
from loom_py.runtime.choice import devices
from loom_py.runtime.trace import TracingOps
from loom_py.text.prompt import Prompt

_left = _right = _product = np.empty((0, 0), np.float32)
_executable: Any = None


class _Ids:
    """A tokenizer whose text is JSON of ids, so that no time is spent on text; otherwise the model's own tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def prompt_steps(self, prompt: Prompt, *_: Any) -> Generator[None, None, list[int]]:
        yield from ()
        return json.loads(prompt.text)


def by_ids(handle: int) -> None:
    """Prompts of this model are JSON of token ids from now on, and no token ends a text."""
    model = take(handle, LanguageModel)
    model._tokenizer = _Ids(model.tokenizer)  # type: ignore[assignment]
    model.eos_ids = frozenset()


def device_of_model(handle: int) -> str:
    """JSON of the model's device and its form of activations."""
    model = take(handle, (LanguageModel, TextEncoder))
    return json.dumps({"device": model.device, "activations": model.activations})


def prepare_product(a: Any, b: Any, size: int, most: int, device_name: str) -> str:
    """Keep two matrices where `wish` wants them; JSON of the device taken."""
    global _left, _right, _executable
    _left, _right = (np.asarray(m.to_py(), np.float32).reshape(size, size) for m in (a, b))
    device = devices.get(device_name)
    if device is None:
        _executable = None
        return json.dumps({"device": "numpy"})
    ops = TracingOps("product")
    left, right = ops.tensor(_left, "state", "a"), ops.tensor(_right, "state", "b")
    ops.output("c", ops.matmul(left, right))
    state = {"a": device.upload(_left), "b": device.upload(_right)}
    _executable = device.compile(ops.program, state, keep=most, kept=())
    return json.dumps({"device": device_name})


def multiply(count: int) -> Any:
    """`count` products; returns a promise if the device finishes later, else None."""
    global _product
    if _executable is None:
        for _ in range(count):
            _product = numpy_ops.matmul(_left, _right)
        return None
    _executable.submit_many({}, count)
    pending = _executable.last(["c"])
    if pending.promise is None:
        _product = pending.result()["c"]
    else:
        pending.promise.then(lambda _: _keep(pending))
    return pending.promise


def _keep(pending: Any) -> None:
    global _product
    _product = pending.result()["c"]


def product() -> Any:
    """The last product."""
    return np.ascontiguousarray(_product).reshape(-1)

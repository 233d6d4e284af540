"""After an error as after success memory goes back: an exception's frames hold what the call was about.

Found by attack (trouble table): after `complete('hello '.repeat(9000))` → `InputError` the model outlived `dispose()`.
"""

from __future__ import annotations

import gc
import json
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from loom_py.bridge import api, models
from loom_py.bridge.objects import keep, release
from loom_py.errors import InputError, LoomError, clear_exception
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.on_device import OnDevice
from loom_py.generation.sampling import GenerationOptions
from loom_py.generation.text_files import TextSettings
from loom_py.models.llama import Llama
from loom_py.runtime.simd.device import SimdDevice
from loom_py.runtime.stored import StoredWeight
from tests.models import tiny

from .test_tokenizer_cost import tokenizer

MANY = "the " * 900


@pytest.fixture
def device() -> Iterator[SimdDevice]:
    device = SimdDevice()
    yield device
    device.close()


def talking(device: SimdDevice | None) -> LanguageModel:
    shape = tiny.config()
    weights = tiny.weights(shape)
    runner: Any = tiny.llama()
    if device is not None:
        uploaded = {name: StoredWeight(device.upload(array)) for name, array in weights.items()}
        runner = OnDevice(Llama(shape), uploaded, device)
    return LanguageModel("tiny", runner, tokenizer(), TextSettings())


def complete(handle: int, text: str = MANY) -> None:
    finish(models.complete_start(handle, [text], "{}"))


def finish(task: int) -> None:
    while not api.advance(task, 1000)["done"]:
        pass


WRONG: dict[str, Callable[[int], object]] = {
    "a prompt that is too long": complete,
    "an option that is wrong": lambda handle: models.complete_start(handle, ["the"], '{"maxTokens": "x"}'),
    "no messages": lambda handle: finish(models.chat_start(handle, ["[{}]"], "{}")),
    "no template": lambda handle: finish(models.chat_start(handle, ['[{"role": "user", "content": "the"}]'], "{}")),
    "a method that is not there": lambda handle: api.call_values(handle, "Nothing", "[]"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("on", ["simd", "numpy"])
def test_an_error_does_not_keep_a_model(device: SimdDevice, wrong: str, on: str) -> None:
    before = device.memory.used
    model = talking(device if on == "simd" else None)
    handle, gone = keep(model), weakref.ref(model.model)
    del model
    with pytest.raises(LoomError) as caught:
        WRONG[wrong](handle)
    sys.last_exc = caught.value  # as Pyodide does where an exception reaches JavaScript  # type: ignore[attr-defined]
    del caught
    parts = json.loads(api.last_error())
    assert parts["message"]
    assert not {"last_exc", "last_value", "last_traceback"} & set(vars(sys))
    release(handle)
    assert device.memory.used == before
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("on", ["simd", "numpy"])
def test_closing_frees_a_model_that_an_exception_holds(device: SimdDevice, on: str) -> None:
    """Natively, where an interactive session keeps the last exception."""
    before = device.memory.used
    model = talking(device if on == "simd" else None)
    weights = [weakref.ref(array) for array in getattr(model.model, "weights", {}).values()] if on == "numpy" else []
    with pytest.raises(InputError) as caught:
        list(model.generate(MANY, GenerationOptions(max_tokens=1)))
    model.close()
    assert device.memory.used == before
    gc.collect()
    assert all(reference() is None for reference in weights)
    assert caught.value.__traceback__ is not None


def test_every_link_of_a_chain_lets_go() -> None:
    class Large:
        pass

    def fail(depth: int) -> None:
        large = Large()
        references.append(weakref.ref(large))
        try:
            if depth:
                fail(depth - 1)
            raise ExceptionGroup("several", [InputError("one"), ValueError("two")])
        except Exception as error:
            if depth % 2:
                raise InputError("worse") from error
            raise ValueError("worse")  # noqa: B904 (a context without a cause)

    references: list[weakref.ref[Large]] = []
    with pytest.raises(InputError) as caught:
        fail(3)
    error = caught.value
    del caught
    assert any(reference() is not None for reference in references)
    clear_exception(error)
    gc.collect()
    assert [reference() for reference in references] == [None] * 4
    assert str(error) == "worse"


# Found by attack: a network that was disposed of in mid-training went on training to its last epoch.
def test_a_disposed_network_ends_its_training() -> None:
    layer = {"type": "dense", "input_size": 2, "output_size": 2}
    handle = api.create_network(json.dumps({"layers": [layer]}), 1)
    batches = [{"input": np.ones(2, np.float32), "target": np.ones(2, np.float32)}]
    task = api.train_start(handle, batches, json.dumps({"Epochs": 10**7}))
    assert not api.advance(task, 5)["done"]
    release(handle)
    with pytest.raises(InputError, match="this object was disposed"):
        api.advance(task, 5)
    api.task_close(task)

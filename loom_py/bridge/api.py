"""What JavaScript calls. The only module (with its `bridge_*` helpers) that knows there is a JavaScript.

Objects stay here and are known outside by small integers (*handles*), so that no Python object is ever owned by
JavaScript: what crosses is text (JSON), numbers and typed arrays. Long work crosses as tasks that are advanced a few
milliseconds at a time. Errors cross as exceptions; `last_error` then tells their parts.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from contextlib import suppress
from typing import Any

from ..compat import import_name
from ..errors import InputError, LoomError, clear_exception
from ..network import unset
from ..network.layer_init import call_layer_init, list_layer_init_functions
from ..network.loading import build_network_from_json, load_model_from_string
from ..network.network import Network
from ..runtime.choice import devices
from ..schema.strict import parse_json
from ..training.loop import training_work
from ..version import __version__
from .arrays import from_js, plain, to_js
from .calls import (  # noqa: F401 (called from JavaScript)
    call,
    call_plain,
    call_start,
    call_values,
    classes,
    create,
    members,
    methods,
    task_start,
)
from .objects import (  # noqa: F401 (called from JavaScript)
    advance,
    keep,
    live,
    release,
    take,
    task_close,
    task_promise,
)
from .tasks import Task
from .values import array_of, to_json_text
from .watch import watch_end, watch_next, watch_start  # noqa: F401 (called from JavaScript)

import_name.provide()  # in a page nobody can have installed the original's package, which is made of machine code


def __getattr__(name: str) -> Any:
    """Functions about language models, imported when one is first called: a page that trains need not load them."""
    for module in ("models", "opening", "text"):
        value = getattr(importlib.import_module(f".{module}", __package__), name, None)
        if callable(value) and not name.startswith("_"):
            return value
    raise AttributeError(name)


def version() -> str:
    """This package's version."""
    return __version__


def last_error() -> str:
    """JSON of the exception that reached JavaScript last: name, message, where, remedy, traceback.

    Python forgets it then: its frames hold whatever the call was about, a model with all its weights for example.
    """
    error = getattr(sys, "last_exc", None)
    if error is None:
        return json.dumps({"name": "Error", "message": "unknown error"})
    text = json.dumps(describe_error(error))
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        with suppress(AttributeError):
            delattr(sys, name)
    clear_exception(error)
    return text


def describe_error(error: BaseException) -> dict[str, str]:
    """The parts of an exception that JavaScript shows and rethrows as its own class."""
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, LoomError):
        parts = {"message": error.message, "where": error.where, "remedy": error.remedy}
    elif isinstance(error, MemoryError):
        remedy = "Use a smaller model, or close other tabs and try again."
        parts = {"message": "the page's memory is full", "where": "", "remedy": remedy}
    else:
        message = str(error) or type(error).__name__
        parts = {"message": message, "where": "", "remedy": "This is a fault in LOOM; please report it."}
    return {"name": type(error).__name__, **parts, "traceback": trace}


# --- devices --------------------------------------------------------------------------------------------------------
def add_simd(host: Any, digits: Any = None) -> None:
    """Register the compiled kernels; `host` is a `SimdHost`, `digits` their form, or none to choose it here."""
    from ..runtime.simd.device import SimdDevice
    from ..runtime.simd.js_host import JsHost

    devices.add(SimdDevice(JsHost(host), digits=digits or None))


def add_webgpu(host: Any) -> None:
    """Register the page's GPU; `host` is a `WebGPUHost`."""
    from ..runtime.webgpu import WebGPUDevice
    from ..runtime.webgpu.js_host import JsHost as GPUHost

    devices.add(WebGPUDevice(GPUHost(host)))


def missing_device(name: str, reason: str) -> None:
    """Record why a device could not be opened."""
    devices.missing(name, reason)


def use_device(name: str) -> None:
    """Prefer a device from now on: `auto`, `numpy`, `simd` or `webgpu`."""
    devices.prefer(name)


def describe_devices() -> str:
    """JSON: every device with its facts, or why it is missing."""
    return to_json_text(devices.describe())


def detect_all_json() -> str:
    """JSON: the original detector's reports."""
    from ..compat import detector

    return detector.detect_all_json()


def verify_start(name: str) -> int:
    """Handle of a task that compares every kernel of a device with NumPy in float64, with an event for each."""
    from ..runtime.verify import Checked, check_device

    device = devices.get(name)
    if device is None:
        raise InputError(f"there is no device {name!r} here", where="device", remedy="See the list of devices.")
    return keep(Task(check_device(device), Checked.to_json, lambda checks: [c.to_json() for c in checks]))


# --- networks -------------------------------------------------------------------------------------------------------
def create_network(config: str, seed: int | None = None) -> int:
    """Handle of a network built from a JSON configuration (or a saved bundle)."""
    return keep(build_network_from_json(config, seed=None if seed is None else int(seed)))


def load_network(text: str, model_id: str) -> int:
    """Handle of a network from a saved bundle."""
    return keep(load_model_from_string(text, model_id))


def new_network(sizes: str) -> int:
    """Handle of a network of unset layers; `sizes` is JSON of [input size, rows, columns, layers per cell]."""
    values = array_of(sizes)
    if not 1 <= len(values) <= 4:
        raise InputError(f"Expected 1 to 4 parameters, got {len(values)}")
    return keep(unset.new_network(*values))


def layer_init_functions() -> str:
    """JSON: name, parameters and documentation of every function that makes a layer."""
    return json.dumps(list_layer_init_functions(), ensure_ascii=False)


def layer_init(name: str, arguments: str) -> str:
    """JSON of the `LayerConfig` that one of these functions returns, with fresh weights."""
    return to_json_text(call_layer_init(name, array_of(arguments)))


def forward(handle: int, values: Any) -> Any:
    """Typed array of B·I float32, or one for each sample → new `Float32Array` of B·O, without JSON."""
    network = take(handle, Network)
    return to_js(network.forward(from_js(values)).ravel())


def evaluate(handle: int, inputs: Any, expected: Any) -> str:
    """Deviation metrics as JSON; `inputs` is an array of typed arrays."""
    network = take(handle, Network)
    return to_json_text(network.evaluate_network(plain(inputs), [float(v) for v in plain(expected)]))


def train_start(handle: int, batches: Any, config: str) -> int:
    """Handle of a training task; `batches` is an array of `{input, target}` with typed arrays, or one for each sample.

    A step of the task is some milliseconds of updates, so that a stop takes effect soon; epochs are what
    it tells about.
    """
    options = parse_json(config, where="config")
    steps = training_work(take(handle, Network), plain(batches), options, every_step=True, ahead=True)
    return keep(
        Task(
            steps,
            lambda p: p.to_json() if p.epoch_done else None,
            lambda result: result.to_json(),
            lambda: take(handle, Network),  # disposed of by now, it ends
        )
    )


def task_advance(handle: int, budget_ms: float) -> str:
    """JSON `{done, events, result}` after some milliseconds of a task; a finished task is forgotten."""
    return to_json_text(advance(handle, budget_ms))

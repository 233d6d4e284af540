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
from typing import Any

import numpy as np

from . import __version__, introspection, unset
from .bridge_objects import advance, keep, live, release, take, task_close, task_promise  # noqa: F401 (called from JavaScript)
from .bridge_tasks import Task
from .bridge_values import bind, takes_text, to_json_text
from .config import build_network_from_json
from .errors import InputError, LoomError
from .formats.bundle import load_model_from_string
from .formats.json_strict import parse_json
from .layer_init import call_layer_init, list_layer_init_functions
from .network import Network
from .runtime.choice import devices
from .training.loop import training_work


def __getattr__(name: str) -> Any:
    """Functions about language models, imported when one is first called: a page that trains need not load them."""
    for module in ("bridge_models", "bridge_text"):
        found = getattr(importlib.import_module(f".{module}", __package__), name, None)
        if callable(found) and not name.startswith("_"):
            return found
    raise AttributeError(name)


def version() -> str:
    """This package's version."""
    return __version__


def last_error() -> str:
    """JSON of the exception that reached JavaScript last: name, message, where, remedy, traceback."""
    error = getattr(sys, "last_exc", None)
    return json.dumps(describe_error(error) if error is not None else {"name": "Error", "message": "unknown error"})


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
def add_simd(host: Any) -> None:
    """Tell of the compiled kernels; `host` is a `SimdHost`."""
    from .runtime.simd.device import SimdDevice
    from .runtime.simd.js_host import JsHost

    devices.add(SimdDevice(JsHost(host)))


def add_webgpu(host: Any) -> None:
    """Tell of the page's GPU; `host` is a `WebGPUHost`."""
    from .runtime.webgpu import WebGPUDevice
    from .runtime.webgpu.js_host import JsHost as GPUHost

    devices.add(WebGPUDevice(GPUHost(host)))


def missing_device(name: str, reason: str) -> None:
    """Tell of a device that could not be opened."""
    devices.missing(name, reason)


def use_device(name: str) -> None:
    """Prefer a device from now on: `auto`, `numpy`, `simd` or `webgpu`."""
    devices.wishes(name)


def describe_devices() -> str:
    """JSON: every device with its facts, or why it is not there."""
    return to_json_text(devices.describe())


def detect_all_json() -> str:
    """JSON: the original detector's reports."""
    from . import detector

    return detector.detect_all_json()


def verify_start(name: str) -> int:
    """Handle of a task that compares every kernel of a device with NumPy in float64, telling of each."""
    from .runtime.verify import Checked, check_device

    device = devices.get(name)
    if device is None:
        raise InputError(f"there is no device {name!r} here", where="device", remedy="See the list of devices.")
    return keep(Task(check_device(device), Checked.to_json, lambda found: [c.to_json() for c in found]))


# --- networks -------------------------------------------------------------------------------------------------------
def create_network(config: str, seed: int | None = None) -> int:
    """Handle of a network built from a JSON configuration (or a saved bundle)."""
    return keep(build_network_from_json(config, seed=None if seed is None else int(seed)))


def load_network(text: str, model_id: str) -> int:
    """Handle of a network from a saved bundle."""
    return keep(load_model_from_string(text, model_id))


def new_network(sizes: str) -> int:
    """Handle of a network of unset layers; `sizes` is JSON of [input size, rows, columns, layers per cell]."""
    values = _array(sizes)
    if not 1 <= len(values) <= 4:
        raise InputError(f"Expected 1 to 4 parameters, got {len(values)}")
    return keep(unset.new_network(*values))


def layer_init_functions() -> str:
    """JSON: name, parameters and documentation of every function that makes a layer."""
    return json.dumps(list_layer_init_functions(), ensure_ascii=False)


def layer_init(name: str, arguments: str) -> str:
    """JSON of the `LayerConfig` that one of them makes, with fresh weights."""
    return to_json_text(call_layer_init(name, _array(arguments)))


def _array(text: str) -> list[Any]:
    """Parameters from a JSON array; the error is in the original's words."""
    try:
        values = parse_json(text, where="arguments")
    except LoomError as error:
        raise InputError(f"Invalid JSON input: {error}") from error
    if not isinstance(values, list):
        raise InputError("Invalid JSON input: expected an array of parameters")
    return values


def methods() -> str:
    """JSON: name, parameters, results and documentation of every method a network has for JavaScript."""
    return introspection.describe_json(Network)


def call(handle: int, method: str, arguments: str) -> str:
    """Call a reflected method with a JSON array of arguments.

    Returns JSON `{"values": [text, …], "strings": [bool, …]}`: each result as JSON text, except that a string result
    is given as it is. A wrong call gives `{"error": message}`, and a method of one result that fails
    `{"values": [null, message]}`, like a Go `(value, error)` pair.

    A method of one string takes the bare string too; then `"bare": true` says that its result is wanted bare as well.
    """
    network = take(handle, Network)
    name = introspection.methods(Network).get(method)
    if name is None:
        return json.dumps({"error": f"method {method} not found"})
    function = getattr(Network, name)
    bare = takes_text(function) and not arguments.lstrip().startswith("[")
    try:
        bound = bind(function, [arguments] if bare else _array(arguments))
    except LoomError as error:
        return json.dumps({"error": str(error)})
    annotation = introspection.hints(function)["return"]
    returns = introspection.results(annotation)
    try:
        result = function(network, *bound)
        results = list(result) if introspection.several(annotation) else [result] if returns else []
        texts = [value if isinstance(value, str) else to_json_text(value) for value in results]
    except Exception as error:
        message = str(error) or type(error).__name__
        return json.dumps({"values": [None, message]} if len(returns) == 1 else {"error": message})
    answer = {"values": texts, "strings": [isinstance(value, str) for value in results]}
    return json.dumps(answer | {"bare": True} if bare else answer)


def call_values(handle: int, method: str, arguments: str) -> str:
    """As `call`, for the promise API: JSON of the result (an array for several, null for none); errors are raised."""
    network = take(handle, Network)
    name = introspection.methods(Network).get(method)
    if name is None:
        raise InputError(f"method {method} not found", remedy="ListMethods names them all.")
    function = getattr(Network, name)
    return to_json_text(function(network, *bind(function, parse_json(arguments, where="arguments"))))


def call_start(handle: int, method: str, arguments: str) -> int:
    """Handle of a task, for a method that may have to wait for a device; 0 for one that `call_values` answers."""
    network = take(handle, Network)
    name = introspection.methods(Network).get(method, "")
    steps = getattr(network, f"{name}_steps", None) if name else None
    if steps is None:
        return 0
    bound = bind(getattr(Network, name), parse_json(arguments, where="arguments"))
    return keep(Task(steps(*bound), lambda _: None, lambda result: result))


def forward(handle: int, values: Any) -> Any:
    """Typed array of B·I float32 → new `Float32Array` of B·O, without JSON."""
    network = take(handle, Network)
    return _to_js(network.forward(_from_js(values)).ravel())


def evaluate(handle: int, inputs: Any, expected: Any) -> str:
    """Deviation metrics as JSON; `inputs` is an array of typed arrays."""
    network = take(handle, Network)
    return to_json_text(network.evaluate_network(_plain(inputs), [float(v) for v in _plain(expected)]))


def train_start(handle: int, batches: Any, config: str) -> int:
    """Handle of a training task; `batches` is an array of `{input, target}` with typed arrays.

    A step of the task is one update, so that a stop takes effect within it; epochs are what it tells about.
    """
    options = parse_json(config, where="config")
    steps = training_work(take(handle, Network), _plain(batches), options, every_step=True, ahead=True)
    return keep(Task(steps, lambda p: p.to_json() if p.epoch_done else None, lambda result: result.to_json()))


def task_advance(handle: int, budget_ms: float) -> str:
    """JSON `{done, events, result}` after some milliseconds of a task; a finished task is forgotten."""
    return to_json_text(advance(handle, budget_ms))


# --- typed arrays ---------------------------------------------------------------------------------------------------
def _plain(value: Any) -> Any:
    """A JavaScript array or object as Python lists and dicts; typed arrays inside become memoryviews."""
    return value.to_py() if hasattr(value, "to_py") else value


def _from_js(values: Any) -> Any:
    return np.frombuffer(values.to_memoryview(), dtype=np.float32) if hasattr(values, "to_memoryview") else values


def _to_js(array: np.ndarray) -> Any:
    """A new `Float32Array` in JavaScript; the array itself where there is none."""
    values = np.ascontiguousarray(array, dtype=np.float32)
    if sys.platform != "emscripten":
        return values
    from js import Float32Array  # type: ignore[import-not-found]

    result = Float32Array.new(values.size)
    result.assign(values)
    return result

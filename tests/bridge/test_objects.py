"""Objects that JavaScript holds by handle: created, called, passed as arguments, and released, all by reflection."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loom_py.bridge import api as bridge
from loom_py.bridge.calls import CLASSES, class_of
from loom_py.bridge.values import HANDLE
from loom_py.errors import InputError
from loom_py.marks import Duration, Floats
from loom_py.network import reflection
from loom_py.network.network import Network
from loom_py.stepping import StepState

from .test_api import call, finish

NETWORK = {
    "layers": [
        {"type": "dense", "input_size": 4, "output_size": 5, "activation": "tanh"},
        {"type": "dense", "output_size": 3, "activation": "linear"},
    ]
}
SAMPLES = [{"Input": [1, 0, 0, 1], "Target": [1, 0, 0]}, {"Input": [0, 1, 1, 0], "Target": [0, 1, 0]}]


@pytest.fixture
def network() -> int:
    return bridge.create_network(json.dumps(NETWORK), 7)


def reference(handle: int, kind: str = "Network") -> dict[str, Any]:
    return {HANDLE: handle, "class": kind}


def create(kind: str, *arguments: Any) -> int:
    created = json.loads(bridge.create(kind, json.dumps(arguments)))
    assert created["class"] == kind
    return created[HANDLE]


def plain(handle: int, method: str, *arguments: Any, arrays: Any = None) -> Any:
    answer = bridge.call_plain(handle, method, json.dumps(arguments), arrays)
    return json.loads(answer) if isinstance(answer, str) else answer


def test_every_class_is_described_and_every_method_has_a_name() -> None:
    assert json.loads(bridge.classes()) == list(CLASSES)
    for name in CLASSES:
        records = json.loads(bridge.methods(name))
        members = json.loads(bridge.members(name))
        assert [record["method_name"] for record in records] == [member[0] for member in members]
        assert [len(record["parameters"]) for record in records] == [member[1] for member in members]
        assert all(reflection.member(class_of(name), member[0]) for member in members)
    long = ["BackwardGPU", "ForwardGPU", "InitGPU", "Profile", "TrainWithStepping", "TrainWithTweening"]
    assert [m[0] for m in json.loads(bridge.members("Network")) if m[2]] == long
    with pytest.raises(InputError, match="StepState"):
        bridge.methods("StepStat")
    with pytest.raises(InputError, match="configuration"):
        bridge.create("Network", "[]")


def test_what_cannot_cross_is_for_python_only() -> None:
    assert "OnEvent" not in reflection.methods(class_of("RecordingObserver"))
    assert "Output" not in reflection.methods(StepState)
    constructor = reflection.parameters(class_of("AdaptationTracker").__init__)
    assert [p.name for p in constructor] == ["window", "total"]  # the clock is a function
    crossing: list[tuple[Any, bool]] = [(Floats, True), (list[int], True), (Duration, True), (Network, True)]
    crossing += [(Callable[[], int], False), (list[Callable[[], int]], False), (object, False), (int | None, True)]
    assert [reflection.crosses(kind) for kind, _ in crossing] == [expected for _, expected in crossing]


def test_a_step_state_in_both_forms_is_the_same_as_in_python(network: int) -> None:
    state = create("StepState", reference(network), 4)
    other = json.loads(call(network, "InitStepState", 4)["values"][0])
    direct = StepState(bridge.take(network, Network), 4)
    x = np.array([1, 2, 3, 4], np.float32)
    for _ in range(3):
        assert plain(state, "SetInput", {"loom:array": 0}, arrays=[memoryview(x.data)]) is None
        assert call(other[HANDLE], "SetInput", x.tolist()) == {"values": [], "strings": []}
        direct.set_input(x)
        assert 0 < plain(state, "StepForward") < 1000  # milliseconds
        nanoseconds = json.loads(call(network, "StepForward", other)["values"][0])
        assert isinstance(nanoseconds, int)
        direct.step_forward()
    output = plain(state, "GetOutput")
    assert output.dtype == np.float32
    assert np.array_equal(output, direct.get_output())
    values = json.loads(call(other[HANDLE], "GetOutput")["values"][0])
    assert np.array_equal(np.asarray(values, np.float32), output)  # decimals read back to the same bits
    assert np.array_equal(plain(state, "StepBackward", [1, 0, 0]), direct.step_backward([1, 0, 0]))
    assert call(network, "StepBackward", other, [1, 0, 0])["values"]


def test_keyword_parameters_are_given_in_order(network: int) -> None:
    state = create("StepState", reference(network), 4, 2, "carry")
    kept = bridge.take(state, StepState)
    assert (kept.batch, kept.recurrent) == (2, "carry")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (3, "expected a StepState, got a number"),
        ({}, "expected a StepState, got an object"),
        ({HANDLE: True}, "expected a StepState, got an object"),
        ({HANDLE: 10**9}, "expected a StepState: this object was disposed"),
        ({HANDLE: "1"}, "expected a StepState, got an object"),
        (None, "expected a StepState, got null"),
    ],
)
def test_wrong_references_are_told(network: int, argument: Any, message: str) -> None:
    assert call(network, "StepForward", argument)["error"] == f"parameter 0: {message}"
    with pytest.raises(InputError, match="parameter 0"):
        bridge.call_values(network, "StepForward", json.dumps([argument]))


def test_an_object_of_another_class_is_refused(network: int) -> None:
    assert "is a Network" in call(network, "StepForward", reference(network))["error"]
    task = bridge.task_start(network, "TrainWithStepping", json.dumps([{}, SAMPLES, 10]))
    for work in (bridge.call, bridge.call_values, bridge.call_plain):
        with pytest.raises(InputError, match="is a Task"):
            work(task, "GetOutput", "[]")
    bridge.task_close(task)


def test_a_method_in_steps_is_the_method(network: int) -> None:
    other = bridge.create_network(json.dumps(NETWORK), 7)
    arguments = [{"LogEvery": 10, "LearningRate": 0.1}, SAMPLES, 55]
    events, result = finish(bridge.task_start(network, "TrainWithStepping", json.dumps(arguments)), budget=0)
    whole = plain(other, "TrainWithStepping", *arguments)
    assert result["LossHistory"] == whole["LossHistory"] == [e["loss"] for e in events]
    assert [e["step"] for e in events] == [10, 20, 30, 40, 50, 55]
    assert all(0 <= e["accuracy"] <= 1 for e in events)
    assert call(network, "SaveModelToString", "m") == call(other, "SaveModelToString", "m")
    tweening = [{}, [s["Input"] for s in SAMPLES], [0, 1], 3, 0.1]
    events, result = finish(bridge.task_start(network, "TrainWithTweening", json.dumps(tweening)), budget=0)
    assert len(events) == result["Epochs"]
    assert result["LossHistory"] == plain(other, "TrainWithTweening", *tweening)["LossHistory"]
    with pytest.raises(InputError, match="does not take long"):
        bridge.task_start(network, "TotalLayers", "[]")


def test_a_task_stops_after_any_tick(network: int) -> None:
    before = bridge.live()
    task = bridge.task_start(network, "TrainWithStepping", json.dumps([{"LogEvery": 1000}, SAMPLES, 10**9]))
    saved = [call(network, "SaveModelToString", "m")]
    for _ in range(5):
        progress = json.loads(bridge.task_advance(task, 0))
        assert (progress["done"], progress["events"]) == (False, [])
        saved.append(call(network, "SaveModelToString", "m"))
    assert saved[-1] != saved[-2]  # one tick a slice, and each learned
    bridge.task_close(task)
    assert bridge.live() == before
    task = bridge.task_start(network, "TrainWithTweening", json.dumps([{}, [[1, 0, 0, 1]] * 50, [0] * 50, 9, 0.1]))
    bridge.task_advance(task, 0)
    once = call(network, "SaveModelToString", "m")
    bridge.task_advance(task, 0)
    assert call(network, "SaveModelToString", "m") != once
    bridge.task_close(task)


def test_trackers_comparisons_and_tools() -> None:
    tracker = create("AdaptationTracker", 100, 1000)
    plain(tracker, "ScheduleTaskChange", 0, 1, "avoid")
    plain(tracker, "Start", "chase", 0)
    assert plain(tracker, "RecordOutput", True) == 0
    assert plain(tracker, "GetCurrentTask") == 1
    result = plain(tracker, "Finalize")
    comparison = create("AdaptationComparison", [result])
    plain(comparison, "AddResult", result)
    assert plain(comparison, "GetBestByAvgAccuracy") == result
    assert len(plain(comparison, "ToJSON")["results"]) == 2
    assert "mode_name" in call(comparison, "AddResult", {"model_name": "x"})["error"]
    box = create("Toolbox")
    assert plain(box, "KmeansCluster", {"loom:array": 0}, 2, arrays=[np.eye(3)])["converged"]
    assert plain(box, "SilhouetteScore", [[0], [1], [9]], {"loom:array": 0}, arrays=[np.array([0, 0, 1])]) > 0.5


def test_observers_from_outside(network: int) -> None:
    observer = create("RecordingObserver", "mine")
    plain(network, "AddObserver", reference(observer, "RecordingObserver"))
    plain(network, "ForwardCPU", [1, 2, 3, 4])
    assert plain(observer, "Recorded")["total_events"] == 2
    plain(network, "RemoveObserver", reference(observer, "RecordingObserver"))
    assert "not attached" in call(network, "RemoveObserver", reference(observer, "RecordingObserver"))["error"]
    activity = create("ActivityObserver", 2)
    plain(network, "AddObserver", reference(activity, "ActivityObserver"))
    plain(network, "ForwardCPU", [1, 2, 3, 4])
    assert plain(activity, "GetValues").tolist() == [*plain(activity, "GetForward"), 0, 0]


def test_what_was_released_is_gone_but_not_what_others_hold(network: int) -> None:
    state = create("StepState", reference(network))
    before = bridge.live()
    bridge.release(network)
    assert plain(state, "StepForward") > 0  # the state keeps its network alive
    bridge.release(state)
    assert bridge.live() == before - 2
    with pytest.raises(InputError, match="disposed"):
        plain(state, "StepForward")


def test_watching_gives_one_array_for_what_ran(network: int) -> None:
    watch, second = bridge.watch_start(network), bridge.watch_start(network)
    assert bridge.watch_next(watch) is None
    plain(network, "ForwardCPU", [1, 2, 3, 4])
    plain(network, "BackwardCPU", [1, 1, 1])
    seen = bridge.watch_next(watch)
    assert seen.dtype == np.float32
    activity = bridge.take(network, Network).get_activity()
    assert np.array_equal(seen, np.concatenate([activity["forward"], activity["backward"]]))
    assert (seen > 0).all()
    assert bridge.watch_next(watch) is None
    assert np.array_equal(bridge.watch_next(second), seen)
    bridge.watch_end(watch)
    assert bridge.watch_next(second) is None  # the remaining one continues
    plain(network, "ForwardCPU", [1, 2, 3, 4])
    assert bridge.watch_next(second) is not None
    bridge.watch_end(second)
    bridge.watch_end(second)
    assert not bridge.take(network, Network)._observers

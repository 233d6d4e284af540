"""The observers: printing, queueing, recording, sending, and running statistics."""

from __future__ import annotations

import http.server
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.errors import InputError
from loom_py.observe import (
    ConsoleObserver,
    HTTPObserver,
    LayerEvent,
    QueueObserver,
    RecordingObserver,
    RunningMoments,
    StatisticsObserver,
)

CONFIG: dict[str, Any] = {
    "id": "two",
    "layers": [
        {"type": "dense", "input_size": 3, "output_size": 5, "activation": "plain_relu"},
        {"type": "dense", "output_size": 2, "activation": "linear"},
    ],
}
X = np.array([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]], np.float32)


def network() -> Any:
    return build_network_from_json(CONFIG, seed=2)


def test_console() -> None:
    net, out = network(), io.StringIO()
    with net.observing(ConsoleObserver(out, every=2)):
        for _ in range(3):
            net.forward(X)
    lines = out.getvalue().splitlines()
    assert len(lines) == 4, "the first and the third pass, two layers each"
    assert lines[0].startswith("→ [0,0,0] layers.0 dense: avg ")
    assert lines[0].endswith("/10")


def test_queue_is_bounded_and_drops() -> None:
    net, observer = network(), QueueObserver(3)
    with net.observing(observer):
        net.forward(X)
        net.forward(X)
        assert observer.dropped == 1
        events = observer.drain()
        assert [e["LayerIdx"] for e in events] == [0, 1, 0]
        assert events[0]["Input"] is None
        net.forward(X)
    assert len(observer.drain()) == 2
    with pytest.raises(InputError):
        QueueObserver(0)


def test_recording_by_the_methods_a_page_can_call() -> None:
    net = network()
    net.start_recording(values=True, limit=3)
    net.forward(X)
    net.backward(np.ones((2, 2)))
    record = json.loads(json.dumps(net.stop_recording(), allow_nan=False))
    assert list(record) == ["model_id", "recorded_at", "duration_seconds", "total_events", "events"]
    assert (record["model_id"], record["total_events"], len(record["events"])) == ("two", 4, 3)
    assert record["events"][0]["Input"] == X.ravel().tolist()
    assert [e["Type"] for e in record["events"]] == ["forward", "forward", "backward"]
    assert record["duration_seconds"] > 0
    assert net.layers_to_run() is net.layers
    with pytest.raises(InputError, match="start_recording"):
        net.stop_recording()
    assert {"StartRecording", "StopRecording", "GetStatistics"} <= set(net.list_methods())
    assert net.get_method_signature("StartRecording") == "StartRecording(bool, int)"


def test_recording_does_not_alias_what_the_caller_changes() -> None:
    net, x = network(), X.copy()
    with net.observing(RecordingObserver()) as recording:
        net.forward(x)
        x[:] = 9
    assert recording.recorded().events[0]["Input"] == X.ravel().tolist()


class Server(http.server.ThreadingHTTPServer):
    bodies: list[dict[str, Any]]
    status = 200
    hold: threading.Event


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            host: Any = self.server
            host.hold.wait(60)
            host.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(host.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    server.bodies, server.hold = [], threading.Event()
    server.hold.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_http(server: Server) -> None:
    net = network()
    observer = HTTPObserver(f"http://127.0.0.1:{server.server_port}/events", values=True)
    with net.observing(observer):
        net.forward(X)
        net.backward(np.ones((2, 2)))
    assert (observer.sent, observer.errors, observer.dropped) == (4, 0, 0)
    assert [(b["Type"], b["LayerIdx"]) for b in server.bodies] == [
        *(("forward", 0), ("forward", 1)),
        *(("backward", 1), ("backward", 0)),
    ]
    assert server.bodies[0]["Input"] == X.ravel().tolist()


def test_http_never_makes_the_network_wait(server: Server) -> None:
    server.hold.clear()  # the server does not answer
    net = network()
    observer = HTTPObserver(f"http://127.0.0.1:{server.server_port}/", size=4, timeout=60)
    net.add_observer(observer)
    for _ in range(50):
        net.forward(X)
    assert observer.dropped >= 100 - 4 - 1  # who waits for room in the queue drops nothing
    server.hold.set()
    observer.close()
    assert observer.sent + observer.errors + observer.dropped == 100


def test_http_errors_are_counted(server: Server) -> None:
    server.status = 500
    net = network()
    with net.observing(HTTPObserver(f"http://127.0.0.1:{server.server_port}/")) as observer:
        net.forward(X)
    assert (observer.sent, observer.errors) == (0, 2)
    assert "500" in observer.last_error
    with net.observing(HTTPObserver("http://127.0.0.1:9/", timeout=1)) as observer:
        net.forward(X)
    assert observer.errors == 2
    for url in ("ftp://x/", "nowhere", "file:///etc/passwd"):
        with pytest.raises(InputError, match="http"):
            HTTPObserver(url)


def test_running_moments_match_the_whole() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(1e3, 1.0, size=n).astype(np.float32) for n in (1, 7, 100, 3)]
    moments = RunningMoments()
    for part in parts:
        moments.add(part)
    whole = np.concatenate(parts).astype(np.float64)
    assert moments.count == whole.size
    assert moments.mean == pytest.approx(whole.mean(), rel=1e-12)
    assert moments.std == pytest.approx(whole.std(), rel=1e-9)
    assert (moments.minimum, moments.maximum) == (whole.min(), whole.max())
    moments.add(np.array([np.nan, np.inf, 2000.0]))
    assert (moments.not_finite, moments.count, moments.maximum) == (2, whole.size + 1, 2000.0)
    moments.add(np.array([np.nan]))
    assert moments.not_finite == 3
    assert RunningMoments().to_json()["std"] == 0


def test_statistics_against_the_network_itself() -> None:
    net = network()
    net.params[0]["kernel"][:, 1] = 0
    net.params[0]["bias"][1] = -1  # a unit that cannot fire
    net.start_statistics()
    ratios, norms, outputs, gradients = [], [], [], []
    for _ in range(4):
        net.forward(X)
        outputs.append(net.pass_outputs[1])
        gradients.append(np.ones((2, 2)))
        net.backward(gradients[-1])
        own = [np.concatenate([v.ravel() for v in p.values()]) for p in (net.params[0], net.gradient_trees[0])]
        norms.append(np.linalg.norm(own[1]))
        net.update_weights(0.1)
        after = np.concatenate([v.ravel() for v in net.params[0].values()])
        ratios.append(np.linalg.norm((after - own[0]).astype(np.float64)) / np.linalg.norm(own[0].astype(np.float64)))
    net.forward(X)
    outputs.append(net.pass_outputs[1])
    first, second = net.stop_statistics()
    assert (first["path"], first["forwards"], first["backwards"], first["updates"]) == ("layers.0", 5, 4, 4)
    assert first["update_ratio"] == pytest.approx(np.mean(ratios), rel=1e-5)
    assert first["weight_gradient_norm"] == pytest.approx(np.mean(norms), rel=1e-5)
    assert first["activation"]["mean"] == pytest.approx(np.mean(outputs), rel=1e-5)
    assert first["activation"]["std"] == pytest.approx(np.std(outputs), rel=1e-5)
    dead = (np.concatenate(outputs) == 0).all(axis=0)
    assert dead[1]
    assert first["dead_fraction"] == dead.mean()
    assert second["gradient_norm"] == pytest.approx(2.0)
    json.dumps([first, second], allow_nan=False)
    with pytest.raises(InputError, match="start_statistics"):
        net.get_statistics()


def test_statistics_of_nested_layers_come_in_order() -> None:
    branches = [{"type": "dense", "output_size": 1}] * 11
    net = build_network_from_json({"layers": [{"type": "parallel", "branches": branches}], "input_size": 2}, seed=0)
    with net.observing(StatisticsObserver()) as statistics:
        net.forward(np.ones((1, 2)))
    assert [r["path"] for r in statistics.to_json()] == [
        "layers.0",
        *(f"layers.0.branches.{i}" for i in range(11)),
    ]


def test_console_shows_the_tick() -> None:
    net, out = network(), io.StringIO()
    net.add_observer(ConsoleObserver(out))
    layer = net.layers_to_run(step=3)[0]
    layer.forward(net.ops, net.params[0], X, {}, False)
    assert out.getvalue().startswith("→ tick 3 [0,0,0]")


def test_an_observer_that_fails_ends_the_pass() -> None:
    net = network()

    class Failing(QueueObserver):
        def on_event(self, event: LayerEvent) -> None:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError), net.observing(Failing()):
        net.forward(X)
    assert net.forward(X).shape == (2, 2)


def test_activity_of_every_layer() -> None:
    net = network()
    with pytest.raises(InputError, match="start_activity"):
        net.get_activity()
    net.start_activity()
    net.forward(X)
    activity = net.get_activity()
    expected = [np.sqrt((a.astype(np.float64) ** 2).mean()) for a in net.pass_outputs[1:]]
    np.testing.assert_allclose(activity["forward"], expected, rtol=1e-6)
    np.testing.assert_array_equal(activity["backward"], [0, 0])
    net.backward(np.full((2, 2), -3.0))
    assert net.get_activity()["backward"][1] == 3
    assert net.get_activity()["backward"][0] > 0
    json.dumps({k: v.tolist() for k, v in activity.items()})
    net.stop_activity()
    assert net.layers_to_run() is net.layers

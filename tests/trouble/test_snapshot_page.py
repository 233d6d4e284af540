"""Python that goes on from the memory of one that the build had started, and starts from nothing where it cannot."""

from __future__ import annotations

import pytest

from . import faulty_site
from .faulty_site import Fault, FaultySite
from .probing import Probe
from .test_engine_page import USE, started

RESTORED = """
const real = setTimeout;
globalThis.setTimeout = (run, ms, ...args) => (ms === 3000 ? 0 : real(run, ms, ...args)); // no snapshot comes too late
const { boot } = await import("/engine/boot.js");
const { pyodide, bridge, restored } = await boot();
const handle = bridge.create_network(JSON.stringify({ layers: [{ type: "dense", input_size: 2, output_size: 3 }] }), 3);
const output = Array.from(bridge.forward(handle, new Float32Array([1, 2])));
const python = (code) => pyodide.runPython(code);
return {
  restored,
  output,
  random: python("import random; random.random()"),
  later: python("import numpy.random, numpy.fft, wave, sched; int(numpy.random.default_rng(3).integers(1000))"),
  solved: python("import numpy; numpy.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0]).tolist()").toJs(),
  depth: python("deep = lambda n: n and 1 + deep(n - 1); deep(400)"),
  resources: python("len(list(__import__('pathlib').Path(__import__('loom_py').__file__).parent.rglob('*.wgsl')))"),
};
"""


def test_a_start_from_the_snapshot_computes_as_one_from_nothing(probe: Probe, faulty: FaultySite) -> None:
    first, second = probe(RESTORED), probe(RESTORED)
    assert first["restored"]
    assert second["restored"]
    assert first["random"] != second["random"]
    faulty.faults["snapshot.bin"] = faulty_site.missing
    ordinary = probe(RESTORED)
    assert not ordinary["restored"]
    for result in (first, second, ordinary):
        del result["restored"], result["random"]
    assert first == second == ordinary
    assert first["solved"] == [0.5, 0.25]
    assert first["resources"] > 0


@pytest.mark.parametrize("options", ["{}", "{ worker: false }"], ids=["worker", "page"])
@pytest.mark.parametrize(
    "fault",
    [faulty_site.missing, faulty_site.login, faulty_site.cut, faulty_site.longer, faulty_site.flipped],
)
def test_python_starts_from_nothing_without_a_sound_snapshot(
    probe: Probe, faulty: FaultySite, fault: Fault, options: str
) -> None:
    faulty.pages["/login.html"] = (faulty_site.LOGIN, {"Content-Type": "text/html"})
    faulty.faults["snapshot.bin"] = fault
    assert probe(started(options, f"{USE} return {{ length }};")) == {"length": 3}


SPOILT = """
const grow = WebAssembly.Table.prototype.grow;
WebAssembly.Table.prototype.grow = function (count, ...rest) {
  globalThis.spoilt ??= grow.call(this, 100); // an engine with more functions of its own than there is room for
  return grow.call(this, count, ...rest);
};
"""


def test_python_starts_from_nothing_where_the_snapshot_does_not_fit(probe: Probe) -> None:
    result = probe(SPOILT + RESTORED)
    assert not result["restored"]
    assert len(result["output"]) == 3

"""A kernel is six files of one name: added to a copy of the package, programs with it run on every device."""

from __future__ import annotations

import pytest

from .copy import PARITY, Copy

FILES = {
    "loom_py/runtime/kernels/blend.py": '''"""Blends of two tensors."""

from __future__ import annotations

from ..kernel import Array, kernel
from ..signature import signature


@kernel(shapes=signature("a *, b *", "a"), dynamic=("t",))
def blend(a: Array, b: Array, t: float) -> Array:
    """`a + t (b − a)`, equal shapes."""
    return a + a.dtype.type(t) * (b - a)
''',
    "loom_py/runtime/simd/blend.py": '''"""Words of `simd/blend.c`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("blend")
def blend(e: Encoder, d: Dispatch) -> None:
    y, a = d.outputs[0], d.arguments
    e.emit("blend", e.at(y), e.at(a["a"]), e.at(a["b"]), e.size(y), e.slot(a["t"]))
''',
    "simd/blend.c": """/* Blends of two tensors. */
#include "vecmath.h"

/* y, a, b, n, t (slot): a + t (b − a) */
KERNEL(blend) {
    v128 by = splat((f32)number(w[4]));
    for (Range r = pieces(w[3].u, 8192); take(t, &r);)
        for (u32 i = r.start; i < r.end; i += 4) {
            v128 a = load_some(floats(w[1]), i, r.end), b = load_some(floats(w[2]), i, r.end);
            store_some(floats(w[0]), i, r.end, add4(a, mul4(by, sub4(b, a))));
        }
}
""",
    "loom_py/runtime/webgpu/blend.py": '''"""Dispatches of `wgsl/blend.wgsl`."""

from __future__ import annotations

from ..program import Dispatch
from .encode import Encoder, encodes


@encodes("blend")
def blend(e: Encoder, d: Dispatch) -> None:
    n, a = e.size(d.outputs[0]), d.arguments
    e.run("blend", "blend", e.elements(n), n=n, t=e.slot(a["t"]), a=a["a"], b=a["b"], out=d.outputs[0])
''',
    "wgsl/blend.wgsl": """// Blends of two tensors of n elements: out = a + t (b - a); t is a place in `dynamics`.

struct P { n: u32, t: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> dynamics: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn blend(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let t = bitcast<f32>(dynamics[p.t].x);
    for (var i = id.x; i < p.n; i += groups.x * 256u) { out[i] = a[i] + t * (b[i] - a[i]); }
}
""",
    "loom_py/runtime/verify/blend.py": '''"""Cases of `kernels/blend.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size


@cases("blend")
def blend(n: Numbers) -> Iterator[tuple[str, dict[str, Any]]]:
    for shape, t in [((1,), 0.5), ((5, 7), -1.5), ((3, 9001), 0.1)]:
        yield size(*shape), {"a": n.normal(*shape), "b": n.normal(*shape), "t": t}
''',
}
USE = """
from loom_py.runtime.abstract import Abstract
from loom_py.runtime.numpy_ops import NumpyOps
from loom_py.runtime.replay import replay
from loom_py.runtime.trace import TracingOps

assert parity("blend") == 3
ops = TracingOps("two blends")
a, b = (ops.tensor(np.zeros((3, 4), np.float32), "input", name) for name in "ab")
t = ops.dynamic("t", 0.5)
ops.output("y", ops.matmul(ops.blend(a, b, t), ops.blend(b, a, t), transpose_b=True))
rng = np.random.default_rng(3)
inputs = {name: rng.normal(size=(3, 4)).astype(np.float32) for name in "ab"}
for device in (SimdDevice(), WebGPUDevice(WgpuHost())):
    assert device.supports(ops.program) is None
    executable = device.compile(ops.program, {})
    for at in (0.25, 0.75):
        x, z = (v.astype(np.float64) for v in (inputs["a"], inputs["b"]))
        ref = (x + at * (z - x)) @ (z + at * (x - z)).T
        assert error(executable.run(inputs, t=at)["y"], ref) < 1e-5, device.name
        assert error(replay(ops.program, inputs, {}, t=at)["y"], ref) < 1e-5
    executable.free()
    device.close()
shapes = TracingOps("shapes")
blended = shapes.blend(*(shapes.tensor(Abstract((2, 6)), "input", name) for name in "ab"), 0.5)
assert blended.shape == (2, 6) and NumpyOps().blend(np.zeros(2), np.ones(2), 0.5).tolist() == [0.5, 0.5]
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("kernel"))


def test_six_files_add_a_kernel(copy: Copy) -> None:
    for file, text in FILES.items():
        copy.write(file, text)
    assert copy.changed() == set(FILES)
    assert copy.compile() == ""
    copy.run(PARITY + USE)

"""An activation is three files: added to a copy of the package, networks use it on every device."""

from __future__ import annotations

import pytest

from .copy import PARITY, Copy

PYTHON, C, WGSL = "loom_py/runtime/kernels/activation.py", "simd/activation.c", "wgsl/activation.wgsl"
DECLARATION = """    "squareplus": Activation(
        lambda z: 0.5 * (z + np.sqrt(z * z + 4)),
        lambda z: 0.5 * (1 + z / np.sqrt(z * z + 4)),
        "(z + √(z² + 4)) / 2 (Barron 2021)",
        ("algebraic_softplus",),
    ),
"""
FUNCTIONS = """static inline v128 root4(v128 z) { return wasm_f32x4_sqrt(add4(mul4(z, z), splat(4))); }
F(squareplus) { return select4(positive(z), mul4(splat(0.5f), add4(z, root4(z))), div4(splat(2), sub4(root4(z), z))); }
D(squareplus) { return mul4(splat(0.5f), add4(one(), div4(z, root4(z)))); }

"""
VALUE = "        case SQUAREPLUS { let r = sqrt(z * z + 4.0); return select(2.0 / (r - z), 0.5 * (z + r), z > 0.0); }\n"
DERIVATIVE = "        case SQUAREPLUS { return 0.5 * (1.0 + z / sqrt(z * z + 4.0)); }\n"
CHECK = """
from loom_py.errors import DeviceError
from loom_py.runtime.webgpu.shaders import shader
try:
    shader("activation")
except DeviceError as error:
    print(error)
"""
USE = """
from loom_py.nn.activation import resolve
assert resolve(17, "") == "softmax" and resolve(19, "") == resolve("algebraic_softplus", "") == "squareplus"
assert parity("activate", "activate_grad", label="squareplus-") == 12
train([{"type": "dense", "output_size": 7, "activation": "squareplus"}, {"type": "dense", "output_size": 2}])
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("activation"))
    copy.insert(PYTHON, '}\n"""Name → activation.', DECLARATION)
    return copy


def test_python_alone_is_refused_by_the_compiler_and_the_shader(copy: Copy) -> None:
    assert "f_squareplus" in copy.compile()
    assert "switch KIND has no case for squareplus" in copy.run(CHECK)


def test_three_files_add_an_activation(copy: Copy) -> None:
    copy.insert(C, "/* EACH_ACTIVATION", FUNCTIONS)
    copy.insert(WGSL, "        case SOFTSIGN { return z", VALUE)
    copy.insert(WGSL, "        case SOFTSIGN { let d", DERIVATIVE)
    assert copy.changed() == {PYTHON, C, WGSL}
    assert copy.compile() == ""
    copy.run(PARITY + USE)

"""Activations, losses and storages have one numbering, and no member can be omitted silently."""

from __future__ import annotations

import pytest

from loom_py.errors import DeviceError
from loom_py.nn.activation import ALIASES, NAMES, resolve
from loom_py.runtime.enumeration import ENUMERATIONS
from loom_py.runtime.kernels.activation import ACTIVATIONS
from loom_py.runtime.program import Program
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.simd.encode import Encoder
from loom_py.runtime.webgpu import shaders
from loom_py.training.losses import LOSSES, resolve_loss


def test_the_compiled_kernels_return_the_numbers_that_python_declares() -> None:
    device = SimdDevice()
    encoder = Encoder(Program("numbers"), device.codes, {}, {}, lambda _: 0, {}, lambda _: 0)
    for name, members in ENUMERATIONS.items():
        assert [encoder.member(name, member) for member in members] == list(range(len(members)))
    with pytest.raises(DeviceError, match="the compiled kernels have no activation cube"):
        encoder.member("activation", "cube")
    device.close()


def test_ids_of_activations_stay() -> None:
    """Files of the original and of earlier versions name activations by number."""
    assert [resolve(i, "") for i in range(6)] == ["relu", "sigmoid", "tanh", "softplus", "leaky_relu", "linear"]
    assert NAMES.index("softsign") == 16
    assert NAMES.index("softmax") == 17
    assert set(NAMES) - {"softmax"} == set(ACTIVATIONS)
    assert ALIASES["swish"] == "silu"


def test_losses_go_by_their_declared_names() -> None:
    assert ENUMERATIONS["loss"] == LOSSES
    assert resolve_loss("L1", "") == "mae"
    assert resolve_loss("", "") == "mse"


@pytest.mark.parametrize("name", shaders.names())
def test_every_shader_has_all_cases(name: str) -> None:
    assert "//: enumeration" not in shaders.shader(name).source


def test_a_switch_without_a_case_is_refused() -> None:
    source = "fn f() -> u32 { switch KIND { case A, B { if (x) { return 1u; } return 2u; } default { return 0u; } } }"
    shaders.check_switches("f.wgsl", source, "KIND", ["a", "b"])
    with pytest.raises(DeviceError, match=r"f\.wgsl: switch KIND has no case for c, d"):
        shaders.check_switches("f.wgsl", source, "KIND", ["a", "b", "c", "d"])

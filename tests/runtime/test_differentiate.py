"""Gradients of programs: every kernel's rule by central differences in float64, sums, pruning, versions, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loom_py.errors import InputError
from loom_py.runtime.kernel import KERNELS, no_gradient
from loom_py.runtime.program import Program
from loom_py.runtime.replay import replay
from loom_py.runtime.trace import TracingOps
from loom_py.runtime.transforms import differentiate, simplify
from loom_py.runtime.verify import cases
from loom_py.runtime.verify.cases import Case
from loom_py.runtime.verify.softmax import ALPHAS

from .test_transforms import recorded

EPSILON = 1e-6
LIMIT = 1e-6
RULES = [name for name, kernel in KERNELS.items() if kernel.gradient is not None]
THROUGH = {"attend": ["out0"], "lstm_sequence": ["out0"], "short_conv": ["out0"]}
"""Kernels of several results whose rules go through some of them only."""
WITHOUT = {("loss", "target")}
"""Operands that a rule gives no gradient by."""
EDGES = {
    *("ties", "large", "lowest", *(f"{alpha:g}-{edge}" for alpha in ALPHAS for edge in ("ties", "large", "lowest"))),
    *(f"{name}-ends" for name in ("relu", "leaky_relu", "plain_relu", "relu6", "selu")),
}
"""Cases in a corner, where there is no derivative, or with numbers beyond what differences can tell apart."""
SHIFTED = "temper"
"""Its rule is for what does not depend on a shift of its results."""


def differentiable() -> list[Case]:
    chosen = [case for name in RULES for case in cases.of(name) if name not in ("gumbel", "zeros")]
    return [case for case in chosen if case.label not in EDGES and sum(a.size for a in operands(case)) < 20_000]


def operands(case: Case) -> list[Any]:
    return [
        a for v in case.arguments.values() for a in (v if isinstance(v, list) else [v]) if isinstance(a, np.ndarray)
    ]


class Call:
    """A program of one call in float64, its operands inputs or, where it changes them, state."""

    def __init__(self, case: Case) -> None:
        self.ops: Any = TracingOps(str(case))
        self.inputs: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        kernel = KERNELS[case.kernel]
        arguments = {
            name: value if name in case.constants else self.operand(name, value, name in kernel.in_place)
            for name, value in case.arguments.items()
        }
        returned = self.ops.record(kernel, **arguments)
        for i, t in enumerate(returned if isinstance(returned, tuple) else () if returned is None else (returned,)):
            if np.dtype(t.dtype).kind == "f":
                self.ops.output(f"out{i}", t)
        for name in kernel.in_place:
            self.ops.output(name, arguments[name])

    def operand(self, name: str, value: Any, changed: bool) -> Any:
        if isinstance(value, list):
            return [self.operand(f"{name}.{i}", part, changed) for i, part in enumerate(value)]
        if not isinstance(value, np.ndarray):
            return value
        wide = value.astype(np.float64) if value.dtype == np.float32 else value
        (self.state if changed else self.inputs)[name] = wide
        return self.ops.tensor(wide, "state" if changed else "input", name)

    def value(self, of: str, weight: Any, moved: dict[str, Any]) -> float:
        state = {name: moved.get(name, a).copy() for name, a in self.state.items()}
        return float((replay(self.ops.program, {**self.inputs, **moved}, state)[of] * weight).sum())


@pytest.mark.parametrize("case", differentiable(), ids=str)
def test_a_rule_is_the_derivative(case: Case) -> None:
    """⟨gradient, v⟩ = (f(x + εv) − f(x − εv)) / 2ε for random directions v, operand by operand."""
    call = Call(case)
    program, rng = call.ops.program, np.random.default_rng(1)
    by = {name: a for name, a in {**call.inputs, **call.state}.items() if a.dtype == np.float64}
    by = {name: a for name, a in by.items() if (case.kernel, name) not in WITHOUT and name != "inverse_frequencies"}
    outputs = THROUGH.get(case.kernel, [*program.outputs])
    assert by
    assert outputs
    for of in outputs:
        weight = rng.normal(size=program.buffers[program.outputs[of]].shape)
        if case.kernel == SHIFTED:
            weight -= weight.mean(axis=-1, keepdims=True)
        reverse = differentiate(program, of, by)
        feeds = {**call.inputs, f"gradient.{of}": weight} if weight.shape else call.inputs
        gradients = replay(reverse, feeds, {name: a.copy() for name, a in call.state.items()})
        weight = weight if weight.shape else 1.0
        size = sum(float(np.linalg.norm(gradients[f"gradient.{name}"])) for name in by)
        for name, a in by.items():
            gradient = gradients[f"gradient.{name}"]
            assert gradient.dtype == np.float64
            for _ in range(2):
                v = rng.normal(size=a.shape)
                v /= np.linalg.norm(v) or 1
                high, low = (call.value(of, weight, {name: a + s * EPSILON * v}) for s in (1, -1))
                slope = (high - low) / (2 * EPSILON)
                assert abs(float((gradient * v).sum()) - slope) < LIMIT * max(1.0, size), (of, name)


def test_a_wrong_rule_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases.of("mul")[-1]
    monkeypatch.setitem(
        KERNELS,
        "mul",
        type(KERNELS["mul"])(**{**vars(KERNELS["mul"]), "gradient": lambda ops, y, gy, /, a, b: {"a": gy, "b": gy}}),
    )
    with pytest.raises(AssertionError):
        test_a_rule_is_the_derivative(case)


X = np.array([1.0, -2.0, 0.5, 3.0], np.float32)
W = np.array([0.3, 0.7, -1.1, 2.0], np.float32)
G = np.array([1.0, 10.0, 100.0, -1.0], np.float32)


def gradients(write: Callable[[Any, Any, Any], Any], *by: str) -> tuple[Program, dict[str, Any], Any]:
    """The differentiated program, its outputs on X, W and G, and the state behind them."""
    program = recorded(write)
    before = str(program)
    reverse = differentiate(program, "y", by)
    assert str(program) == before, "the program itself was changed"
    state = {"w": W.copy()}
    return reverse, replay(reverse, {"x": X, "gradient.y": G}, state), state["w"]


def kernels(program: Program) -> list[str]:
    return [d.kernel for d in program.dispatches]


def test_gradients_of_what_is_used_twice_add_up() -> None:
    _, out, _ = gradients(lambda ops, x, w: ops.add(ops.mul(x, ops.mul(x, w)), ops.scale(x, 3.0)), "x", "w")
    np.testing.assert_allclose(out["gradient.x"], G * (2 * X * W + 3), rtol=1e-6)
    np.testing.assert_allclose(out["gradient.w"], G * X * X, rtol=1e-6)


def test_one_operand_twice_in_a_call() -> None:
    _, out, _ = gradients(lambda ops, x, w: ops.mul(x, x), "x")
    np.testing.assert_array_equal(out["gradient.x"], 2 * G * X)


def test_nothing_is_computed_that_leads_to_no_gradient() -> None:
    def write(ops: Any, x: Any, w: Any) -> Any:
        ops.activate("tanh", x)  # leads to no output: stays, for it was there before
        return ops.mul(ops.activate("tanh", w), ops.activate("sigmoid", x))

    forward = ["activate"] * 3 + ["mul"]
    assert kernels(gradients(write, "x")[0]) == [*forward, "mul", "activate_grad"]
    assert kernels(gradients(write, "w")[0]) == [*forward, "mul", "activate_grad"]
    assert kernels(gradients(write, "x", "w")[0]) == [*forward, *["mul"] * 2, *["activate_grad"] * 2]
    assert kernels(gradients(write)[0]) == forward


def test_what_the_result_does_not_depend_on_has_zeros() -> None:
    program, out, _ = gradients(lambda ops, x, w: ops.scale(x, 2.0), "w")
    assert kernels(program) == ["scale", "zeros"]
    np.testing.assert_array_equal(out["gradient.w"], np.zeros(4))


def test_the_way_ends_at_whole_numbers() -> None:
    def write(ops: Any, x: Any, w: Any) -> Any:
        return ops.reshape(ops.embedding(ops.token_ids(ops.scale(x, 1.0), 4), ops.reshape(w, (4, 1))), (4,))

    program = recorded(write)
    reverse = differentiate(program, "y", ["x", "w"])
    ids = np.array([3, 3, 0, 1], np.float32)
    out = replay(reverse, {"x": ids, "gradient.y": G}, {"w": np.ones(4, np.float32)})
    np.testing.assert_array_equal(out["gradient.x"], np.zeros(4))
    np.testing.assert_array_equal(out["gradient.w"], [100, -1, 0, 11])


def test_a_scalar_needs_no_gradient_of_its_own() -> None:
    ops: Any = TracingOps("loss")
    x, t = (ops.tensor(a.reshape(1, 4), "input", name) for name, a in (("x", X), ("t", W)))
    ops.output("loss", ops.scale(ops.loss("mse", x, t), 3.0))
    program = differentiate(ops.program, "loss", ["x"])
    assert list(program.inputs) == ["x", "t"]
    out = replay(program, {"x": X.reshape(1, 4), "t": W.reshape(1, 4)}, {})
    np.testing.assert_allclose(out["gradient.x"][0], 3 * 2 / 4 * (X - W), rtol=1e-6)


def test_an_output_that_is_an_input() -> None:
    _, out, _ = gradients(lambda ops, x, w: ops.reshape(x, (4,)), "x")
    np.testing.assert_array_equal(out["gradient.x"], G)


def test_values_that_are_overwritten_later_are_kept() -> None:
    def write(ops: Any, x: Any, w: Any) -> Any:
        y = ops.mul(x, w)  # its rule reads w as it is here
        ops.accumulate(w, y, 5.0)
        return ops.mul(y, x)

    program, out, state = gradients(write, "x", "w")
    assert kernels(program)[:4] == ["mul", "narrow", "accumulate", "mul"]
    np.testing.assert_allclose(out["gradient.x"], G * 2 * X * W, rtol=1e-6)
    np.testing.assert_allclose(out["gradient.w"], G * X * X, rtol=1e-6)
    np.testing.assert_allclose(state, W + 5 * X * W, rtol=1e-6)


def test_versions_of_a_buffer() -> None:
    """y = (w + 5 x) · w² with w changed between: each version has its own gradient."""

    def write(ops: Any, x: Any, w: Any) -> Any:
        square = ops.mul(w, w)
        ops.accumulate(w, x, 5.0)
        return ops.mul(w, square)

    _, out, _ = gradients(write, "x", "w")
    np.testing.assert_allclose(out["gradient.x"], G * 5 * W**2, rtol=1e-6)
    np.testing.assert_allclose(out["gradient.w"], G * (W**2 + (W + 5 * X) * 2 * W), rtol=1e-5)


def test_what_is_overwritten_has_no_gradient() -> None:
    def write(ops: Any, x: Any, w: Any) -> Any:
        ops.assign(w, ops.scale(x, 2.0))
        return ops.mul(w, w)

    _, out, _ = gradients(write, "x", "w")
    np.testing.assert_allclose(out["gradient.x"], G * 8 * X, rtol=1e-6)
    np.testing.assert_array_equal(out["gradient.w"], np.zeros(4))


def test_a_constant_that_overwrites_ends_the_way() -> None:
    def write(ops: Any, x: Any, w: Any) -> Any:
        y = ops.mul(w, x)
        ops.assign(w, np.ones(4, np.float32))
        return ops.add(w, y)

    _, out, _ = gradients(write, "w")
    np.testing.assert_array_equal(out["gradient.w"], G * X)


def test_dynamic_numbers_stay_dynamic() -> None:
    ops: Any = TracingOps("dynamic")
    x = ops.tensor(X.reshape(2, 1, 2), "input", "x")
    ops.output("y", ops.rope(x, ops.dynamic("position", 0), np.array([0.7])))
    program = differentiate(ops.program, "y", ["x"])
    frequencies = np.array([0.7])
    for position in (0, 3):
        out = replay(program, {"x": X.reshape(2, 1, 2), "gradient.y": G.reshape(2, 1, 2)}, {}, position=position)
        expected = KERNELS["rope"].function(G.reshape(2, 1, 2), position, frequencies, inverse=True)
        np.testing.assert_array_equal(out["gradient.x"], expected)


def cache_at(ops: Any, x: Any, w: Any) -> Any:
    ops.cache_write(w, ops.scale(x, 2.0), ops.dynamic("position", 0))
    return ops.scale(w, 1.0)


def changed_under_another_shape(ops: Any, x: Any, w: Any) -> Any:
    square = ops.reshape(w, (2, 2))
    ops.accumulate(w, x, 1.0)
    return ops.reshape(ops.scale(square, 2.0), (4,))


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (lambda ops, x, w: ops.activate_grad("tanh", x, w), "the kernel activate_grad has no gradient rule"),
        (
            lambda ops, x, w: ops.norm_linear(x, w, 0.1, [np.ones((4, 4), np.float32)], [None])[0],
            "the kernel norm_linear has no gradient rule. Differentiate before fusing",
        ),
        (
            lambda ops, x, w: ops.loss("mse", ops.reshape(w, (1, 4)), ops.reshape(x, (1, 4))),
            "the kernel loss has no gradient by its operand target",
        ),
        (cache_at, "cache_write has no gradient at a position that changes from replay to replay"),
        (changed_under_another_shape, "the kernel accumulate has no gradient where it changes a buffer"),
    ],
)
def test_refusals_name_the_kernel(write: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        gradients(write, "x", "w")


def test_a_kernel_without_a_rule_off_the_way_is_no_matter() -> None:
    _, out, _ = gradients(lambda ops, x, w: ops.mul(ops.activate_grad("tanh", w, w), x), "x")
    assert "gradient.x" in out


def test_names_that_the_program_does_not_have() -> None:
    program = recorded(lambda ops, x, w: ops.scale(x, 2.0))
    for of, by, name in [("z", "x", "z"), ("y", "v", "v")]:
        with pytest.raises(InputError, match=f"{name}: program test has no such"):
            differentiate(program, of, [by])
    with pytest.raises(InputError, match=r"gradient\.y: program test has an input of that name"):
        differentiate(differentiate(program, "y", ["x"]), "y", ["w"])


def test_a_simplified_program_is_refused() -> None:
    program = simplify(recorded(lambda ops, x, w: ops.reshape(ops.scale(ops.reshape(x, (2, 2)), 2.0), (4,))))
    with pytest.raises(InputError, match="Differentiate before simplifying"):
        differentiate(program, "y", ["x"])


@pytest.mark.parametrize(
    ("kernel", "through"), [("attend", "out1"), ("lstm_sequence", "out1"), ("short_conv", "state")]
)
def test_results_that_no_gradient_goes_through(kernel: str, through: str) -> None:
    call = Call(cases.of(kernel)[-1])
    with pytest.raises(InputError, match=f"the kernel {kernel} has no gradient through"):
        differentiate(call.ops.program, through, [*call.inputs][:1])


def test_rules_refuse_by_one_wording() -> None:
    assert str(no_gradient("k", "by day")) == "differentiate: the kernel k has no gradient by day"

"""An optimiser is five files: added to a copy of the package, networks are trained by it on every device."""

from __future__ import annotations

import pytest

from .copy import PARITY, Copy

OPTIMISER = "loom_py/training/optimisers.py"
PYTHON, VERIFY = "loom_py/runtime/kernels/optimiser.py", "loom_py/runtime/verify/optimiser.py"
C, WGSL = "simd/optimiser.c", "wgsl/optimiser.wgsl"
CLASS = '''@dataclass(frozen=True, kw_only=True)
class AdaGrad(Optimiser):
    """s ← s + g², w ← w − lr / (1 + (step − 1) · decay) · g / (√s + ε)."""

    kind: ClassVar[str] = "adagrad"

    decay: float = option(0.01, minimum=0.0)
    epsilon: float = option(1e-3, above=0.0)

    @property
    def name(self) -> str:
        return "AdaGrad"

    @property
    def slots(self) -> tuple[str, ...]:
        return ("squares",)

    def step(
        self, ops: Ops, params: Sequence[Tensor], grads: Sequence[Tensor], slots: Slots, lr: float, step: int
    ) -> None:
        for w, g, s in zip(params, grads, slots["squares"], strict=True):
            ops.adagrad_step(w, g, s, lr, step, self.decay, self.epsilon)


'''
KERNEL = '''@update(
    dynamic=("learning_rate", "step"), derived={"fade": lambda step, decay: 1 / (1 + (step - 1) * decay)}
)
def adagrad_step(
    w: Array, g: Array, squares: Array, learning_rate: float, step: int, decay: float, epsilon: float
) -> None:
    """`s ← s + g²`, `w ← w − lr / (1 + (step − 1) · decay) · g / (√s + ε)` (Duchi et al. 2011)."""
    number = w.dtype.type
    squares += g * g
    w -= number(learning_rate / (1 + (step - 1) * decay)) * g / (np.sqrt(squares) + number(epsilon))


'''
FUNCTION = """/* chunks (s: sums of squares), how many, chunks a piece; slots: learning rate, step, decay, ε */
KERNEL(adagrad_step) {
    v128 rate = splat((f32)(number(w[3]) / (1 + (number(w[4]) - 1) * number(w[5])))), eps = splat((f32)number(w[6]));
    EACH_CHUNK EACH_FOUR {
        v128 g = GET(c->g), s = add4(GET(c->s), mul4(g, g));
        PUT(c->s, s);
        PUT(c->w, sub4(GET(c->w), mul4(rate, div4(g, add4(wasm_f32x4_sqrt(s), eps)))));
    }
}

"""
SHADER = """@compute @workgroup_size(256)
fn adagrad_step(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let rate = number(p.learning_rate) * number(p.fade);
    for (var i = id.x; i < p.n; i += groups.x * 256u) {
        let sum = squares[i] + g[i] * g[i];
        squares[i] = sum;
        w[i] -= rate * g[i] / (sqrt(sum) + p.epsilon);
    }
}

"""
CASES = """@cases("adagrad_step")
def adagrad_step(n: Numbers) -> Cases:
    for shape, step in zip(WEIGHTS, (1, 2, 10, 1000, 123456), strict=True):
        tensors = {"w": n.normal(*shape), "g": n.normal(*shape), "squares": n.positive(*shape)}
        yield size(*shape), {**tensors, "learning_rate": 0.1, "step": step, "decay": 0.01, "epsilon": 1e-3}


"""
USE = """
assert parity("adagrad_step") == 5
layers = [{"type": "dense", "output_size": 7, "activation": "tanh"}, {"type": "dense", "output_size": 2}]
train(layers, Optimizer={"Type": "adagrad", "Decay": 0.1}, LearningRate=0.1)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("optimiser"))


def test_five_files_add_an_optimiser(copy: Copy) -> None:
    copy.insert(OPTIMISER, "KINDS: dict", CLASS)
    copy.insert(OPTIMISER, ")}\n\n\ndef read_optimiser", ", AdaGrad")
    copy.insert(PYTHON, '@update(dynamic=("learning_rate",))\ndef sgd_step', KERNEL)
    copy.insert(C, "/* βⁿ for whole n */", FUNCTION)
    copy.insert(WGSL, "\n}\n@group(0) @binding(0) var<uniform> p", "\n    fade: u32,")
    copy.insert(WGSL, "\nfn number(", "@group(0) @binding(8) var<storage, read_write> squares: array<f32>;\n")
    copy.insert(WGSL, "// The corrections are", SHADER)
    copy.insert(VERIFY, '@cases("adamw_step")', CASES)
    assert copy.changed() == {OPTIMISER, PYTHON, C, WGSL, VERIFY}
    assert copy.compile() == ""
    copy.run(PARITY + USE)

"""The kernel vocabulary: everything a layer or a model may ask of a device.

Written by `python -m tools.make_ops` from the functions declared in `kernels/`, where their whole documentation stands;
a test fails when it is stale. It is for type checkers: `NumpyOps` and `TracingOps` take their methods from the
declarations.

A layer's `forward` and `backward` call these and nothing else, so the same code runs eagerly on NumPy and can be
recorded once and replayed elsewhere. What that asks of a caller:

- shapes and dtypes are known from the arguments; no Python branch looks at a value;
- every function returns new tensors, except for the operands named *in place*: parameters, optimiser state, caches;
- floating tensors keep their dtype (float32, or float64 for gradient checks); sums accumulate at least in float32.

`B` is the batch, `T` time steps, `I`/`O`/`H` input, output and hidden width. Numbers named *dynamic* may change from
replay to replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .kernels.softmax import Tree

Tensor: TypeAlias = Any
"""Whatever the ops in use hand out; an `ndarray` on NumPy. Has `.shape`, `.dtype` and `.ndim`."""


class Ops:
    """One device's kernels. A subclass has every method."""

    # --- activation
    def activate(self, name: str, z: Tensor) -> Tensor:
        """`f(z)` for an activation of the list below."""
        raise NotImplementedError

    def activate_grad(self, name: str, z: Tensor, g: Tensor) -> Tensor:
        """`g · f′(z)`."""
        raise NotImplementedError

    def silu_mul(self, gate: Tensor, up: Tensor) -> Tensor:
        """`gate · σ(gate) · up` (SwiGLU, Shazeer 2020)."""
        raise NotImplementedError

    def silu_mul_grad(self, gate: Tensor, up: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """→ (ggate, gup)."""
        raise NotImplementedError

    # --- attention
    def attention(
        self, q: Tensor, keys: Tensor, values: Tensor, position: int, *, window: int = 0, cap: float = 0.0
    ) -> Tensor:
        """`softmax(q kᵀ / √D + causal mask) v` over a cache: q (T, heads, D), keys, values (C, kv, D) → (T, heads,
        D). *Dynamic*: `position`.
        """
        raise NotImplementedError

    def attend(self, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
        """Attention inside each sequence: q (B, T, heads, D), k, v (B, T, kv, D) → y like q, and probabilities."""
        raise NotImplementedError

    def attend_grad(
        self, q: Tensor, k: Tensor, v: Tensor, probabilities: Tensor, gy: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gq, gk, gv): gv = pᵀ gy; gs = softmax′(gy vᵀ); gq = gs k / √D; gk = gsᵀ q / √D, both summed over a
        group.
        """
        raise NotImplementedError

    # --- batch_norm
    def batch_statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and population variance of each channel: x (B, C, S) → (C,), (C,)."""
        raise NotImplementedError

    def batch_norm(self, x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        """`(x − mean) / sqrt(variance + eps) · gamma + beta`, x (B, C, S), the others (C,) (Ioffe & Szegedy 2015)."""
        raise NotImplementedError

    def batch_norm_grad(
        self, x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor, eps: float, gy: Tensor, own: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, ggamma, gbeta); with `own`, mean and variance are those of x, and gx passes through them too."""
        raise NotImplementedError

    # --- conv
    def conv2d(
        self, x: Tensor, kernel: Tensor, bias: Tensor, *, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        """`y[b,f,i,j] = Σ_{c,u,v} x[b, c, i·s+u−p, j·s+v−p] k[f,c,u,v] + bias[f]` (cross-correlation)."""
        raise NotImplementedError

    def conv2d_grad(
        self, x: Tensor, kernel: Tensor, gy: Tensor, *, stride: tuple[int, int], padding: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, gkernel, gbias)."""
        raise NotImplementedError

    # --- elementwise
    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """`a + b`, equal shapes."""
        raise NotImplementedError

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """`a · b`, equal shapes."""
        raise NotImplementedError

    def scale(self, x: Tensor, factor: float) -> Tensor:
        """`factor · x`."""
        raise NotImplementedError

    def accumulate(self, total: Tensor, g: Tensor, factor: float) -> None:
        """`total ← total + factor · g`. *In place*: `total`."""
        raise NotImplementedError

    # --- embedding
    def token_ids(self, x: Tensor, vocab_size: int) -> Tensor:
        """Floats that are whole numbers in `0 … vocab_size − 1` → integer ids; anything else is an `InputError`."""
        raise NotImplementedError

    def embedding(self, ids: Tensor, table: Tensor) -> Tensor:
        """Rows of `table` (V, D), in any storage the device knows, at integer `ids` (…,) → (…, D)."""
        raise NotImplementedError

    def embedding_grad(self, ids: Tensor, vocab_size: int, gy: Tensor) -> Tensor:
        """Rows of gy (…, D) added up by id → (V, D); an id that is none adds nothing."""
        raise NotImplementedError

    # --- linear
    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """`x @ weightᵀ + bias`: x (…, I), weight (O, I) in any storage the device knows, bias (O,) → (…, O)."""
        raise NotImplementedError

    def norm_linear(
        self, x: Tensor, gamma: Tensor, eps: float, weights: Sequence[Tensor], biases: Sequence[Tensor | None]
    ) -> tuple[Tensor, ...]:
        """`linear(rms_norm(x), weight, bias)` for each of several weights."""
        raise NotImplementedError

    def norm_gate_up(
        self,
        x: Tensor,
        gamma: Tensor,
        eps: float,
        gate: Tensor,
        up: Tensor,
        gate_bias: Tensor | None = None,
        up_bias: Tensor | None = None,
    ) -> Tensor:
        """`silu_mul(linear(h, gate), linear(h, up))` with `h = rms_norm(x)`."""
        raise NotImplementedError

    def linear_add(self, x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor) -> Tensor:
        """`residual + linear(x, weight, bias)`."""
        raise NotImplementedError

    # --- loss
    def loss(self, name: str, y: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
        """A loss of the list below: the mean over all values, a scalar; `delta` is Huber's."""
        raise NotImplementedError

    def loss_grad(self, name: str, y: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
        """Its gradient with respect to `y`."""
        raise NotImplementedError

    # --- matmul
    def matmul(
        self, a: Tensor, b: Tensor, bias: Tensor | None = None, *, transpose_a: bool = False, transpose_b: bool = False
    ) -> Tensor:
        """`op(a) @ op(b) + bias` for matrices; `bias` has the width of the result."""
        raise NotImplementedError

    def mix(self, weights: Tensor, parts: Tensor) -> Tensor:
        """`Σ_k w_k part_k`: weights (B, K), parts (B, K, F) → (B, F)."""
        raise NotImplementedError

    def mix_grad(self, weights: Tensor, parts: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """→ (gweights (B, K) = ⟨g, part_k⟩, gparts (B, K, F) = w_k g)."""
        raise NotImplementedError

    # --- noise
    def gumbel(self, shape: Sequence[int], seed: int, step: int, like: Tensor) -> Tensor:
        """`−ln(−ln u)`: standard Gumbel noise (Jang et al. 2017) in the dtype of `like`. *Dynamic*: `step`."""
        raise NotImplementedError

    def dropout(self, x: Tensor, rate: float, seed: int, step: int) -> Tensor:
        """Each element 0 with probability `rate`, else `x / (1 − rate)` (Srivastava et al. 2014); its own gradient.
        *Dynamic*: `step`.
        """
        raise NotImplementedError

    # --- norm
    def rms_norm(self, x: Tensor, gamma: Tensor, eps: float) -> Tensor:
        """`x / sqrt(mean(x²) + eps) · gamma` over the last axis (Zhang & Sennrich 2019)."""
        raise NotImplementedError

    def rms_norm_grad(self, x: Tensor, gamma: Tensor, eps: float, gy: Tensor) -> tuple[Tensor, Tensor]:
        """→ (gx, ggamma)."""
        raise NotImplementedError

    def layer_norm(self, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        """`(x − mean) / sqrt(var + eps) · gamma + beta` over the last axis, population variance (Ba et al. 2016)."""
        raise NotImplementedError

    def layer_norm_grad(self, x: Tensor, gamma: Tensor, eps: float, gy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, ggamma, gbeta)."""
        raise NotImplementedError

    # --- optimiser
    def clip_by_norm(self, grads: Sequence[Tensor], max_norm: float) -> Tensor:
        """`g ← g · min(1, max_norm / ‖grads‖₂)`, one norm of all (Pascanu et al. 2013) → the norm before. *In
        place*: `grads`.
        """
        raise NotImplementedError

    def clip_by_value(self, grads: Sequence[Tensor], limit: float) -> None:
        """Every value into `−limit … limit`. *In place*: `grads`."""
        raise NotImplementedError

    def sgd_step(self, w: Tensor, g: Tensor, learning_rate: float) -> None:
        """`w ← w − lr · g`. *In place*: `w`. *Dynamic*: `learning_rate`."""
        raise NotImplementedError

    def sgd_momentum_step(
        self,
        w: Tensor,
        g: Tensor,
        velocity: Tensor,
        learning_rate: float,
        momentum: float,
        dampening: float,
        nesterov: bool,
    ) -> None:
        """`v ← μ v + (1 − dampening) g`, `w ← w − lr · v`, or with Nesterov `w ← w − lr · (g + μ v)`. *In place*:
        `w`, `velocity`. *Dynamic*: `learning_rate`.
        """
        raise NotImplementedError

    def adamw_step(
        self,
        w: Tensor,
        g: Tensor,
        m: Tensor,
        v: Tensor,
        learning_rate: float,
        step: int,
        beta1: float,
        beta2: float,
        epsilon: float,
        weight_decay: float,
    ) -> None:
        """`w ← w − lr · (m̂ / (√v̂ + ε) + decay · w)` after updating both moments; `step` counts from 1. *In
        place*: `w`, `m`, `v`. *Dynamic*: `learning_rate`, `step`.
        """
        raise NotImplementedError

    def rmsprop_step(
        self,
        w: Tensor,
        g: Tensor,
        v: Tensor,
        buffer: Tensor | None,
        learning_rate: float,
        alpha: float,
        epsilon: float,
        momentum: float,
    ) -> None:
        """`v ← α v + (1 − α) g²`, `u = g / √(v + ε)`, `b ← μ b + u` if given, `w ← w − lr · (b or u)`. *In place*:
        `w`, `v`, `buffer`. *Dynamic*: `learning_rate`.
        """
        raise NotImplementedError

    # --- recurrent
    def rnn_sequence(self, zx: Tensor, w_hh: Tensor, h0: Tensor) -> Tensor:
        """`h_t = tanh(zx_t + W_hh h_{t−1})` (Elman 1990): zx (B, T, H), w_hh (H, H), h0 (B, H) → h (B, T, H)."""
        raise NotImplementedError

    def rnn_sequence_grad(self, h: Tensor, w_hh: Tensor, h0: Tensor, gh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Backpropagation through time → (gzx (B, T, H), gw_hh (H, H), gh0 (B, H))."""
        raise NotImplementedError

    def lstm_sequence(self, zx: Tensor, w_hh: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """zx (B, T, 4H), w_hh (4H, H), h0, c0 (B, H) → h (B, T, H), c (B, T, H), gates i, f, g, o (B, T, 4H)."""
        raise NotImplementedError

    def lstm_sequence_grad(
        self, h: Tensor, c: Tensor, gates: Tensor, w_hh: Tensor, h0: Tensor, c0: Tensor, gh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """→ (gzx (B, T, 4H), gw_hh (4H, H), gh0 (B, H), gc0 (B, H)): the chain rule, last step to first."""
        raise NotImplementedError

    # --- reduction
    def sum(self, x: Tensor, axis: int) -> Tensor:
        """Sum over one axis, which disappears."""
        raise NotImplementedError

    # --- rope
    def rope(self, x: Tensor, position: int, inverse_frequencies: Tensor, *, inverse: bool = False) -> Tensor:
        """`(a, b) → (a cos − b sin, b cos + a sin)`, angle = p · f_i, pairs (i, i + D/2) (Su et al. 2021; Llama's
        layout). *Dynamic*: `position`.
        """
        raise NotImplementedError

    def cache_write(self, cache: Tensor, x: Tensor, position: int) -> None:
        """Rows `position …` of cache (C, heads, D) become x (T, heads, D). *In place*: `cache`. *Dynamic*:
        `position`.
        """
        raise NotImplementedError

    def rope_cache(
        self, q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor, position: int, inverse_frequencies: Tensor
    ) -> Tensor:
        """Rotated `k` and `v` go to the caches (`rope`, `cache_write`) → rotated `q`. *In place*: `keys`, `values`.
        *Dynamic*: `position`.
        """
        raise NotImplementedError

    # --- sampling
    def mark(self, seen: Tensor, ids: Tensor) -> None:
        """Flags seen (V,) at integer ids (T,) become 1; ids that are none do nothing. *In place*: `seen`."""
        raise NotImplementedError

    def sample(
        self,
        logits: Tensor,
        seen: Tensor,
        temperature: float,
        top_k: int,
        top_p: float,
        min_p: float,
        repetition_penalty: float,
        seed: int,
        step: int,
    ) -> Tensor:
        """logits (V,), seen (V,) flags → the next token's id (1,); `seed` has 32 bits. *Dynamic*: `temperature`,
        `top_k`, `top_p`, `min_p`, `repetition_penalty`, `seed`, `step`.
        """
        raise NotImplementedError

    # --- shape
    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The same elements in row-major order under another shape, of which one extent may be −1; no copy."""
        raise NotImplementedError

    def zeros(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Zeros of the dtype of `like`."""
        raise NotImplementedError

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """The parts one after another along `axis`."""
        raise NotImplementedError

    def narrow(self, x: Tensor, axis: int, start: int, length: int) -> Tensor:
        """Elements `start … start + length` along `axis`."""
        raise NotImplementedError

    def pad(self, x: Tensor, axis: int, length: int) -> Tensor:
        """Zeros appended along `axis` up to `length`."""
        raise NotImplementedError

    def assign(self, state: Tensor, x: Tensor) -> None:
        """`state ← x`. *In place*: `state`."""
        raise NotImplementedError

    # --- softmax
    def softmax(self, x: Tensor) -> Tensor:
        """`e^(x − max) / Σ`."""
        raise NotImplementedError

    def softmax_grad(self, y: Tensor, g: Tensor) -> Tensor:
        """`y · (g − Σ g·y)`, given the output `y`."""
        raise NotImplementedError

    def temper(self, x: Tensor, temperature: float) -> Tensor:
        """`max((x − max) / T, −3·10³⁸)`: logits at a temperature T ≥ 10⁻³⁷, but for a shift."""
        raise NotImplementedError

    def masked_softmax(self, x: Tensor, mask: Tensor) -> Tensor:
        """Softmax over the entries where the boolean `mask` (last axis) is set, else 0; `softmax_grad` fits it."""
        raise NotImplementedError

    def sparsemax(self, x: Tensor) -> Tensor:
        """`max(x − τ, 0)`, projection onto the simplex (Martins & Astudillo 2016); gradient: `entmax_grad`, α = 2."""
        raise NotImplementedError

    def entmax(self, x: Tensor, alpha: float) -> Tensor:
        """`p_i = max((α−1) x_i − τ, 0)^(1/(α−1))` with τ such that Σ p = 1, α ≥ 1 (Peters et al. 2019)."""
        raise NotImplementedError

    def entmax_grad(self, y: Tensor, g: Tensor, alpha: float) -> Tensor:
        """`s ⊙ (g − Σ s·g / Σ s)` with s = y^(2−α) on the support, 0 off it."""
        raise NotImplementedError

    def tree_softmax(self, x: Tensor, tree: Tree) -> Tensor:
        """Products of sibling softmaxes down a tree (Morin & Bengio 2005): x (B, N) or (B, F) → (B, F), sums to 1."""
        raise NotImplementedError

    def tree_softmax_grad(self, x: Tensor, y: Tensor, g: Tensor, tree: Tree) -> Tensor:
        """→ gx: the chain rule back through the product and the group softmaxes."""
        raise NotImplementedError

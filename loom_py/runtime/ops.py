"""The kernel vocabulary: everything a layer or a model may ask of a device.

A layer's `forward` and `backward` call these and nothing else, so the same code runs eagerly on NumPy and can be
recorded once and replayed elsewhere. What that asks of a caller:

- shapes and dtypes are known from the arguments; no Python branch looks at a value;
- every function returns new tensors, except those marked *in place*, which change their first operand: parameters,
  optimiser state, caches;
- floating tensors keep their dtype (float32, or float64 for gradient checks); sums accumulate at least in float32.

`B` is the batch, `T` time steps, `I`/`O`/`H` input, output and hidden width. `numpy_ops.py` is the oracle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

Tensor: TypeAlias = Any
"""Whatever the ops in use hand out; an `ndarray` on NumPy. Has `.shape`, `.dtype` and `.ndim`."""


class Ops(Protocol):
    """One device's kernels."""

    # --- linear algebra -------------------------------------------------------------------------------------------
    def matmul(
        self, a: Tensor, b: Tensor, bias: Tensor | None = None, *, transpose_a: bool = False, transpose_b: bool = False
    ) -> Tensor:
        """`op(a) @ op(b) + bias` for matrices; `bias` has the width of the result."""
        ...

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """`x @ weightᵀ + bias`: x (…, I), weight (O, I) in any storage the device knows, bias (O,) → (…, O)."""
        ...

    # --- elementwise ----------------------------------------------------------------------------------------------
    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """`a + b`, equal shapes."""
        ...

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """`a · b`, equal shapes."""
        ...

    def scale(self, x: Tensor, factor: float) -> Tensor:
        """`factor · x`."""
        ...

    def activate(self, name: str, z: Tensor) -> Tensor:
        """`f(z)` for an activation of `nn.activation`."""
        ...

    def activate_grad(self, name: str, z: Tensor, g: Tensor) -> Tensor:
        """`g · f′(z)`."""
        ...

    def softmax(self, x: Tensor) -> Tensor:
        """`e^(x − max) / Σ` over the last axis."""
        ...

    def softmax_grad(self, y: Tensor, g: Tensor) -> Tensor:
        """`y · (g − Σ g·y)` over the last axis, given the output `y`."""
        ...

    def silu_mul(self, gate: Tensor, up: Tensor) -> Tensor:
        """`gate · sigmoid(gate) · up` (SwiGLU, Shazeer 2020)."""
        ...

    def silu_mul_grad(self, gate: Tensor, up: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """→ (ggate, gup)."""
        ...

    # --- the softmax family, over the last axis ---------------------------------------------------------------------
    def masked_softmax(self, x: Tensor, mask: Tensor) -> Tensor:
        """Softmax over the entries where the boolean `mask` (last axis) is set, 0 elsewhere; `softmax_grad` fits it."""
        ...

    def sparsemax(self, x: Tensor) -> Tensor:
        """Projection onto the simplex (Martins & Astudillo 2016); its gradient is `entmax_grad` with α = 2."""
        ...

    def entmax(self, x: Tensor, alpha: float) -> Tensor:
        """α-entmax (Peters et al. 2019), α ≥ 1."""
        ...

    def entmax_grad(self, y: Tensor, g: Tensor, alpha: float) -> Tensor: ...

    def tree_softmax(self, x: Tensor, tree: Any) -> Tensor:
        """Products of sibling softmaxes down a tree: x (B, nodes) or (B, leaves) → (B, leaves)."""
        ...

    def tree_softmax_grad(self, x: Tensor, y: Tensor, g: Tensor, tree: Any) -> Tensor: ...

    def gumbel(self, shape: Sequence[int], seed: int, step: int, like: Tensor) -> Tensor:
        """Standard Gumbel noise from the counter-based generator; `step` is *dynamic*."""
        ...

    def mix(self, weights: Tensor, parts: Tensor) -> Tensor:
        """`Σ_k w_k part_k`: weights (B, K), parts (B, K, F) → (B, F)."""
        ...

    def mix_grad(self, weights: Tensor, parts: Tensor, g: Tensor) -> tuple[Tensor, Tensor]: ...

    # --- shape ----------------------------------------------------------------------------------------------------
    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The same elements in row-major order under another shape; no copy."""
        ...

    def zeros(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Zeros of the dtype of `like`."""
        ...

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor: ...

    def narrow(self, x: Tensor, axis: int, start: int, length: int) -> Tensor:
        """Elements `start … start+length` along `axis`."""
        ...

    def pad(self, x: Tensor, axis: int, length: int) -> Tensor:
        """Zeros appended along `axis` up to `length`."""
        ...

    def assign(self, state: Tensor, x: Tensor) -> None:
        """*In place*: `state ← x`."""
        ...

    def sum(self, x: Tensor, axis: int) -> Tensor:
        """Sum over one axis, which disappears."""
        ...

    # --- recurrent (one kernel runs all time steps) -----------------------------------------------------------------
    def rnn_sequence(self, zx: Tensor, w_hh: Tensor, h0: Tensor) -> Tensor:
        """h_t = tanh(zx_t + W_hh h_{t-1}): zx (B, T, H), w_hh (H, H), h0 (B, H) → h (B, T, H)."""
        ...

    def rnn_sequence_grad(self, h: Tensor, w_hh: Tensor, h0: Tensor, gh: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Backpropagation through time → (gzx (B, T, H), gw_hh (H, H), gh0 (B, H))."""
        ...

    def lstm_sequence(self, zx: Tensor, w_hh: Tensor, h0: Tensor, c0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """LSTM with gates i, f, g, o: zx (B, T, 4H), w_hh (4H, H) → h (B, T, H), c (B, T, H), gates (B, T, 4H)."""
        ...

    def lstm_sequence_grad(
        self, h: Tensor, c: Tensor, gates: Tensor, w_hh: Tensor, h0: Tensor, c0: Tensor, gh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """→ (gzx (B, T, 4H), gw_hh (4H, H), gh0 (B, H), gc0 (B, H))."""
        ...

    # --- convolution ------------------------------------------------------------------------------------------------
    def conv2d(
        self, x: Tensor, kernel: Tensor, bias: Tensor, *, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        """Cross-correlation: x (B, C, H, W), kernel (F, C, KH, KW), bias (F,) → (B, F, OH, OW)."""
        ...

    def conv2d_grad(
        self, x: Tensor, kernel: Tensor, gy: Tensor, *, stride: tuple[int, int], padding: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, gkernel, gbias)."""
        ...

    # --- transformers -----------------------------------------------------------------------------------------------
    def embedding(self, ids: Tensor, table: Tensor) -> Tensor:
        """Rows of `table` (V, D), in any storage, at integer `ids` (…,) → (…, D)."""
        ...

    def embedding_grad(self, ids: Tensor, vocab_size: int, gy: Tensor) -> Tensor:
        """Rows of gy (…, D) added up by id → (V, D)."""
        ...

    def token_ids(self, x: Tensor, vocab_size: int) -> Tensor:
        """Floats that are whole numbers below `vocab_size` → integer ids."""
        ...

    def rms_norm(self, x: Tensor, gamma: Tensor, eps: float) -> Tensor:
        """`x / sqrt(mean(x²) + eps) · gamma` over the last axis (Zhang & Sennrich 2019)."""
        ...

    def rms_norm_grad(self, x: Tensor, gamma: Tensor, eps: float, gy: Tensor) -> tuple[Tensor, Tensor]:
        """→ (gx, ggamma)."""
        ...

    def layer_norm(self, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        """`(x − mean) / sqrt(var + eps) · gamma + beta` over the last axis (Ba et al. 2016)."""
        ...

    def layer_norm_grad(self, x: Tensor, gamma: Tensor, eps: float, gy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, ggamma, gbeta)."""
        ...

    def rope(self, x: Tensor, position: int, inverse_frequencies: Tensor, *, inverse: bool = False) -> Tensor:
        """Rotary embedding, half-split pairs: x (…, T, heads, D), the first row at `position` (*dynamic*)."""
        ...

    def cache_write(self, cache: Tensor, x: Tensor, position: int) -> None:
        """*In place*: rows `position …` of cache (C, heads, D) become x (T, heads, D)."""
        ...

    def attention(self, q: Tensor, keys: Tensor, values: Tensor, position: int) -> Tensor:
        """Causal grouped-query attention over a cache: q (T, heads, D), keys/values (C, kv_heads, D) → (T, heads, D).

        Row t attends to cache rows 0 … position+t; scale 1/√D.
        """
        ...

    def attend(self, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
        """Attention inside each sequence: q (B, T, heads, D), k, v (B, T, kv, D) → y like q, and probabilities."""
        ...

    def attend_grad(
        self, q: Tensor, k: Tensor, v: Tensor, probabilities: Tensor, gy: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gq, gk, gv)."""
        ...

    # --- sampling -------------------------------------------------------------------------------------------------
    def mark(self, seen: Tensor, ids: Tensor) -> None:
        """*In place*: flags seen (V,) at integer ids (T,) become 1."""
        ...

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
        """logits (V,), seen (V,) flags → the next token (1,); every number is *dynamic*, `seed` has 32 bits."""
        ...

    # --- several at once: what `fuse.py` makes of the above ---------------------------------------------------------
    def norm_linear(
        self, x: Tensor, gamma: Tensor, eps: float, weights: Sequence[Tensor], biases: Sequence[Tensor | None]
    ) -> tuple[Tensor, ...]:
        """`linear(rms_norm(x), weight, bias)` for each of several weights."""
        ...

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
        ...

    def linear_add(self, x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor) -> Tensor:
        """`residual + linear(x, weight, bias)`."""
        ...

    def rope_cache(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        keys: Tensor,
        values: Tensor,
        position: int,
        inverse_frequencies: Tensor,
    ) -> Tensor:
        """*In place*: rotated `k` and `v` go to the caches (`rope`, `cache_write`) → rotated `q`."""
        ...

    # --- losses and optimisers ----------------------------------------------------------------------------------------
    def loss(self, name: str, y: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
        """A loss of `training.losses` → scalar; `delta` is Huber's."""
        ...

    def loss_grad(self, name: str, y: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
        """Its gradient with respect to `y`."""
        ...

    def accumulate(self, total: Tensor, g: Tensor, factor: float) -> None:
        """*In place*: `total ← total + factor · g`."""
        ...

    def clip_by_norm(self, grads: Sequence[Tensor], max_norm: float) -> Tensor:
        """*In place*: scale all by `min(1, max_norm / ‖grads‖₂)` (one global norm) → the norm before."""
        ...

    def clip_by_value(self, grads: Sequence[Tensor], limit: float) -> None:
        """*In place*: every value into `−limit … limit`."""
        ...

    # In the steps below `learning_rate` and `step` (counted from 1) are *dynamic*; the state tensors start at zero.
    def sgd_step(self, w: Tensor, g: Tensor, learning_rate: float) -> None:
        """*In place*: `w ← w − lr · g`."""
        ...

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
        """*In place*: `v ← μ v + (1 − dampening) g`, `w ← w − lr · v`, with Nesterov `w ← w − lr · (g + μ v)`."""
        ...

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
        """*In place*: `w ← w − lr · (m̂ / (√v̂ + ε) + decay · w)` after updating both moments."""
        ...

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
        """*In place*: `v ← α v + (1 − α) g²`, `u = g / √(v + ε)`, `b ← μ b + u` if given, `w ← w − lr · (b or u)`."""
        ...

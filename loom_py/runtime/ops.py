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

    # --- transformers -----------------------------------------------------------------------------------------------
    def embedding(self, ids: Tensor, table: Tensor) -> Tensor:
        """Rows of `table` (V, D), in any storage, at integer `ids` (…,) → (…, D)."""
        ...

    def rms_norm(self, x: Tensor, gamma: Tensor, eps: float) -> Tensor:
        """`x / sqrt(mean(x²) + eps) · gamma` over the last axis (Zhang & Sennrich 2019)."""
        ...

    def rope(self, x: Tensor, position: int, inverse_frequencies: Tensor) -> Tensor:
        """Rotary embedding, half-split pairs: x (T, heads, D), the first row at `position` (*dynamic*)."""
        ...

    def cache_write(self, cache: Tensor, x: Tensor, position: int) -> None:
        """*In place*: rows `position …` of cache (C, heads, D) become x (T, heads, D)."""
        ...

    def attention(self, q: Tensor, keys: Tensor, values: Tensor, position: int) -> Tensor:
        """Causal grouped-query attention over a cache: q (T, heads, D), keys/values (C, kv_heads, D) → (T, heads, D).

        Row t attends to cache rows 0 … position+t; scale 1/√D.
        """
        ...

    # --- losses and optimisers ----------------------------------------------------------------------------------------
    def mse(self, y: Tensor, target: Tensor) -> Tensor:
        """`mean((y − target)²)` → scalar."""
        ...

    def mse_grad(self, y: Tensor, target: Tensor) -> Tensor:
        """`2 (y − target) / n`."""
        ...

    def clip_by_norm(self, grads: Sequence[Tensor], max_norm: float) -> Tensor:
        """*In place*: scale all by `min(1, max_norm / ‖grads‖₂)` (one global norm) → the norm before."""
        ...

    def sgd_step(self, w: Tensor, g: Tensor, learning_rate: float) -> None:
        """*In place*: `w ← w − lr · g`; `learning_rate` is *dynamic*."""
        ...

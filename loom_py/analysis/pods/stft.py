"""Short-time Fourier transform of a mono signal, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ...values import whole
from ..checks import numbers


@dataclass(frozen=True)
class Spectrogram:
    """`values` (frames, window // 2 + 1) complex128: frame t begins at sample t · hop, bin f is f · rate / window."""

    values: NDArray[np.complex128]
    window: int
    hop: int
    length: int

    @property
    def magnitude(self) -> NDArray[np.float64]:
        return np.abs(self.values)


def hann(size: int) -> NDArray[np.float64]:
    """The periodic Hann window ½ (1 − cos 2πn/N)."""
    n = np.arange(whole(size, "size", 1))
    return 0.5 - 0.5 * np.cos(2 * np.pi * n / size)


def stft(signal: ArrayLike, window: int = 1024, hop: int | None = None) -> Spectrogram:
    """X[t, f] = Σ_n w[n] x[t·hop + n] e^(−2πi fn/N), with a periodic Hann window and a real FFT.

    **Arguments:**

    - `signal`: mono (n,), or (n, channels), whose first channel is used.
    - `hop`: samples from frame to frame, a quarter of the window if None.

    Frames lie fully inside the signal; a signal shorter than the window is padded with zeros to one frame.
    """
    x = numbers(signal, "signal")
    if x.ndim == 2:
        x = x[:, 0]
    if x.ndim != 1 or x.size == 0:
        raise InputError(f"expected (n,) or (n, channels), got shape {x.shape}", where="signal")
    size = whole(window, "window", 2, 1 << 24)
    step = whole(max(1, size // 4) if hop is None else hop, "hop", 1)
    length = x.size
    if length < size:
        x = np.pad(x, (0, size - length))
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::step]
    return Spectrogram(np.fft.rfft(frames * hann(size), axis=1), size, step, length)


def istft(spectrogram: Spectrogram) -> NDArray[Any]:
    """The signal of least squares error (Griffin & Lim 1984): Σ_t w·frame_t / Σ_t w², (length,) float64.

    Samples of weight 0 (the first, where the window is 0, and a tail shorter than a hop) are 0.
    """
    s = spectrogram
    frames = np.fft.irfft(s.values, n=s.window, axis=1)
    if len(frames) == 0:
        raise InputError("has no frames", where="spectrogram")
    w = hann(s.window)
    total = (len(frames) - 1) * s.hop + s.window
    index = np.arange(len(frames))[:, None] * s.hop + np.arange(s.window)
    signal = np.bincount(index.ravel(), (frames * w).ravel(), total)
    weight = np.bincount(index.ravel(), np.broadcast_to(w * w, frames.shape).ravel(), total)
    signal = np.divide(signal, weight, out=np.zeros(total), where=weight > 1e-12)
    return np.pad(signal, (0, max(0, s.length - total)))[: s.length]

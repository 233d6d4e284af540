"""What kernels take and give."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""Whatever the ops in use hand out; an `ndarray` on NumPy. Has `.shape`, `.dtype` and `.ndim`."""

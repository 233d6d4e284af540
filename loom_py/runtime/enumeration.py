"""Enumerations that Python shares with C and WGSL: activations, losses, storages of weights.

They have one numbering, the order in which their members are declared beside the kernels. `tools/simd.py` compiles it
into the kernels in C, which return it by name; `webgpu/shaders.py` writes it into shaders. Both refuse code that
omits a member.
"""

from __future__ import annotations

from collections.abc import Iterable

ENUMERATIONS: dict[str, tuple[str, ...]] = {}
"""Name → members in the order of their numbers, filled as the files of `kernels/` are imported."""


def enumeration(name: str, members: Iterable[str]) -> tuple[str, ...]:
    """Declare an enumeration."""
    ENUMERATIONS[name] = tuple(members)
    return ENUMERATIONS[name]

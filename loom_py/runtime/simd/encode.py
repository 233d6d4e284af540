"""From a `Program` to the words that `simd/program.c` walks: [kernel, length, words…] for each dispatch.

Every kernel's layout of words stands above its function in C; the functions registered here write it. Parameters that
may be dynamic are given by the address of a float64 *slot*, whether they are or not.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DeviceError
from ..program import Dispatch, Dyn, Program, Ref

Encode = Callable[["Encoder", Dispatch], None]
KERNELS: dict[str, Encode] = {}
"""Kernel of the vocabulary → what writes its words."""


def encodes(*names: str) -> Callable[[Encode], Encode]:
    """Register the encoder of one or several kernels."""

    def add(function: Encode) -> Encode:
        for name in names:
            KERNELS[name] = function
        return function

    return add


class Encoder:
    """Collects words. Device memory is asked for through `allocate(nbytes)` and `constant(array)`."""

    def __init__(
        self,
        program: Program,
        codes: dict[str, int],
        addresses: dict[int, int],
        slots: dict[str, int],
        constant: Callable[[NDArray[Any]], int],
        storage: dict[int, str],
        allocate: Callable[[int], int],
        *,
        activations: str = "f32",
        relaxed: bool = True,
    ) -> None:
        self.program = program
        self.allocate = allocate
        """Memory that lives as long as the compiled program: bytes → address."""
        self.activations, self.relaxed = activations, relaxed
        self.shared: dict[Any, int] = {}
        """Addresses of what several dispatches use and the first of them makes."""
        self.words = array("I")
        self.storage = storage
        """Buffer index → how its elements are stored, where that is not its dtype."""
        self.scratch_bytes = 0
        self._codes = codes
        self._addresses = addresses
        self._slots = slots
        self._constant = constant
        self._numbers: dict[float, int] = {}
        self._converted: dict[tuple[int, str], int] = {}
        self._scratch_at: list[tuple[int, int]] = []  # (index of the word, offset) to be filled in with the address

    def encode(self) -> None:
        """All dispatches, in order."""
        for d in self.program.dispatches:
            KERNELS[d.kernel](self, d)

    # --- operands -----------------------------------------------------------------------------------------------
    def at(self, operand: Any) -> int:
        """Address of a tensor; 0 for None."""
        if operand is None:
            return 0
        index = operand.index if isinstance(operand, Ref) else int(operand)
        return self._addresses[index]

    def shape(self, operand: Any) -> tuple[int, ...]:
        return self.program.buffers[operand.index if isinstance(operand, Ref) else int(operand)].shape

    def size(self, operand: Any) -> int:
        """Number of elements."""
        return int(np.prod(self.shape(operand), dtype=np.int64))

    def stored(self, operand: Ref) -> str:
        """`float32`, `int32`, or a storage such as `Q4_1`."""
        return self.storage.get(operand.index, self.program.buffers[operand.index].dtype)

    def slot(self, value: Any) -> int:
        """Address of the slot of a number, dynamic or not."""
        if isinstance(value, Dyn):
            return self._slots[value.name]
        number = float(value)
        if number not in self._numbers:
            self._numbers[number] = self._constant(np.array([number], np.float64))
        return self._numbers[number]

    def constant(self, operand: Ref, dtype: str) -> int:
        """Address of a constant's copy in a dtype of one's choice. Raises `DeviceError` if it is no constant."""
        key = operand.index, dtype
        if key not in self._converted:
            if operand.index not in self.program.constants:
                raise DeviceError(f"{dtype} is for constants only", where=f"%{operand.index}")
            self._converted[key] = self._constant(np.ascontiguousarray(self.program.constants[operand.index], dtype))
        return self._converted[key]

    def table(self, values: NDArray[Any]) -> int:
        """Address of a constant made here."""
        return self._constant(values)

    # --- words --------------------------------------------------------------------------------------------------
    @staticmethod
    def f32(value: float) -> int:
        """A float immediate."""
        return struct.unpack("<I", struct.pack("<f", value))[0]

    def emit(self, kernel: str, *words: int) -> None:
        """One instruction. A word may be `Scratch(offset)`."""
        self.words.append(self._codes[kernel])
        self.words.append(len(words) + 2)
        for word in words:
            if isinstance(word, Scratch):
                self._scratch_at.append((len(self.words), word.offset))
            self.words.append(int(word) & 0xFFFFFFFF)

    def scratch(self, nbytes: int, offset: int = 0) -> Scratch:
        """Memory for the instructions of this dispatch only, `offset` bytes into it."""
        self.scratch_bytes = max(self.scratch_bytes, offset + nbytes)
        return Scratch(offset)

    def place_scratch(self, address: int) -> None:
        """Fill in where the scratch memory is."""
        for at, offset in self._scratch_at:
            self.words[at] = address + offset


class Scratch(int):
    """An offset into the memory that dispatches use one after another."""

    @property
    def offset(self) -> int:
        return int(self)

"""From a `Program` to the words that `simd/program.c` walks: [kernel, length, words…] for each dispatch.

The comment above each kernel in C describes its words; the functions registered here write them. Parameters that may
be dynamic are always given by the address of a float64 *slot*.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DeviceError
from ..program import Dispatch, Dyn, Program, Ref
from .digits import Form

Encode = Callable[["Encoder", Dispatch], None]
EncodeRun = Callable[["Encoder", Sequence[Dispatch]], None]
KERNELS: dict[str, EncodeRun] = {}
"""Kernel of the vocabulary → the function that writes the words of one or more calls in a row."""
MERGED: set[str] = set()
"""Kernels whose calls in a row become one instruction if they differ only in their tensors."""


def encodes(*names: str) -> Callable[[Encode], Encode]:
    """Register the encoder of one or several kernels."""

    def add(function: Encode) -> Encode:
        @wraps(function)
        def each(e: Encoder, run: Sequence[Dispatch]) -> None:
            for d in run:
                function(e, d)

        KERNELS.update(dict.fromkeys(names, each))
        return function

    return add


def encodes_runs(name: str) -> Callable[[EncodeRun], EncodeRun]:
    """Register the encoder of a kernel whose calls in a row become one instruction; they change different tensors."""

    def add(function: EncodeRun) -> EncodeRun:
        KERNELS[name] = function
        MERGED.add(name)
        return function

    return add


class Encoder:
    """Collects words. `allocate(nbytes)` and `constant(array)` reserve device memory."""

    def __init__(
        self,
        program: Program,
        codes: Mapping[str, int],
        addresses: dict[int, int],
        slots: dict[str, int],
        constant: Callable[[NDArray[Any]], int],
        storage: dict[int, str],
        allocate: Callable[[int], int],
        *,
        activations: str = "f32",
        digits: Form = "words",
    ) -> None:
        self.program = program
        self.allocate = allocate
        """Memory that lives as long as the compiled program: bytes → address."""
        self.activations = activations
        """`f32`, or `q16`: what quantised weights are multiplied with (simd/linear.h)."""
        self.digits: Form = digits
        """In which form."""
        self.shared: dict[Any, int] = {}
        """Addresses of data that several dispatches use and the first of them makes."""
        self.words = array("I")
        self.storage = storage
        """Buffer index → how its elements are stored, where that is not its dtype."""
        self.parts: list[tuple[int, Sequence[Dispatch]]] = []
        """Where the words of each run of dispatches begin."""
        self.scratch_bytes = 0
        self._codes = codes
        self._addresses = addresses
        self._slots = slots
        self._constant = constant
        self._numbers: dict[float, int] = {}
        self._converted: dict[tuple[int, str], int] = {}
        self._scratch_at: list[tuple[int, int]] = []  # (index of the word, offset) to be filled in with the address
        self._report = 0
        read = {i for d in program.dispatches for i in d.reads} | set(program.outputs.values())
        self._read = {program.root(i) for i in read}

    def encode(self) -> None:
        """All dispatches, in order."""
        for run in self._runs():
            self.parts.append((len(self.words), run))
            KERNELS[run[0].kernel](self, run)

    def _runs(self) -> Iterator[list[Dispatch]]:
        """Dispatches, singly or as runs that one instruction can do."""
        run: list[Dispatch] = []
        for d in self.program.dispatches:
            if run and not (d.kernel in MERGED and self._alike(run, d)):
                yield run
                run = []
            run.append(d)
        if run:
            yield run

    @staticmethod
    def _alike(run: list[Dispatch], d: Dispatch) -> bool:
        """Whether a call has a run's kernel and numbers, and uses none of the tensors that the run changes."""

        def numbers(of: Dispatch) -> dict[str, Any]:
            return {name: value for name, value in of.arguments.items() if not isinstance(value, Ref)}

        changed = {i for other in run for i in other.changes}
        return d.kernel == run[0].kernel and numbers(d) == numbers(run[0]) and changed.isdisjoint(d.reads)

    # --- operands -----------------------------------------------------------------------------------------------
    def member(self, enumeration: str, name: str) -> int:
        """Number of a member of an enumeration in the compiled kernels. Raises `DeviceError` for one they lack."""
        line = self._codes.get(f"{enumeration}:{name}")
        if line is None:
            raise DeviceError(
                f"the compiled kernels have no {enumeration} {name}",
                where="simd",
                remedy="Run ./build_pyodide.sh build.",
            )
        return line - self._codes[f"{enumeration}:"] - 1

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

    def wanted(self, output: int) -> bool:
        """Whether a result is read."""
        return self.program.root(output) in self._read

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
        """Address of a constant's copy in `dtype`. Raises `DeviceError` if it is no constant."""
        key = operand.index, dtype
        if key not in self._converted:
            if operand.index not in self.program.constants:
                raise DeviceError(f"{dtype} is for constants only", where=f"%{operand.index}")
            self._converted[key] = self._constant(np.ascontiguousarray(self.program.constants[operand.index], dtype))
        return self._converted[key]

    def table(self, values: NDArray[Any]) -> int:
        """Address of a constant with these values."""
        return self._constant(values)

    def report(self) -> int:
        """Address of four words in which a kernel reports an invalid input; all 0 otherwise."""
        if not self._report:
            self._report = self._constant(np.zeros(4, np.uint32))
        return self._report

    @property
    def report_at(self) -> int:
        """Address of the report; 0 if no kernel uses it."""
        return self._report

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
        """Fill in the address of the scratch memory."""
        for at, offset in self._scratch_at:
            self.words[at] = address + offset


class Scratch(int):
    """An offset into the memory that dispatches use one after another."""

    @property
    def offset(self) -> int:
        return int(self)

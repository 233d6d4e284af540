"""Ctrl-C that waits until the work is in a state worth keeping."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Interrupt:
    """`with Interrupt() as interrupt:` the first Ctrl-C sets `asked`; the second is a `KeyboardInterrupt` as ever.

    Where signals cannot be caught (another thread) or Ctrl-C is ignored already, nothing changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self._caught = False

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._caught = True
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._caught:
            signal.signal(signal.SIGINT, signal.default_int_handler)

"""Output of the build: steps, details, a progress line, and failures of one sentence."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import TracebackType

from tools import paths


class Failure(Exception):
    """The build cannot continue. The message is one sentence: what was missing and what to do."""


class Skipped(Exception):
    """A source does not work here; the message says why, and the next source is tried."""


def step(text: str) -> None:
    print(f"==> {text}", flush=True)


def detail(text: str) -> None:
    print(f"    {text}", flush=True)


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


class Progress:
    """Bytes done out of a total, redrawn in place on a terminal and every ten percent elsewhere."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._live = sys.stdout.isatty()
        self._drawn = -1.0 if self._live else 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            print(flush=True)

    def advance(self, count: int) -> None:
        self.done += count
        if self._live:
            now = time.monotonic()
            if now - self._drawn > 0.1 or self.done == self.total:
                self._drawn = now
                print(f"\r    {self._text()}\x1b[K", end="", flush=True)
        elif self.total and self.total > 5_000_000 and self.done >= (self._drawn + 0.1) * self.total:
            self._drawn = self.done / self.total
            detail(self._text())

    def _text(self) -> str:
        if not self.total:
            return f"{self.label}  {megabytes(self.done)}"
        return f"{self.label}  {megabytes(self.done)} of {megabytes(self.total)}  {100 * self.done // self.total} %"


def run(main: Callable[[], int | None]) -> int:
    """Call ``main`` and turn any failure into one last sentence and an exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that incomplete files are removed
    try:
        return main() or 0
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: stopped by the keyboard; run the same command again to go on from here.", file=sys.stderr)
        return 130
    except OSError as error:
        name = f" ({error.filename})" if error.filename else ""
        print(
            f"error: the system said {os.strerror(error.errno) if error.errno else error}{name}; "
            "make room or give access there and run the same command again.",
            file=sys.stderr,
        )
    except Exception:
        log = paths.cache("logs", "traceback.txt")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        print(f"error: the build ran into a fault of its own, please report it with the file {log}.", file=sys.stderr)
    return 1

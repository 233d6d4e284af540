"""Send events to a web server from a separate thread, so that the network never waits."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import urllib.parse

from ..errors import InputError
from ..values import number
from .events import LayerEvent
from .observers import QueueObserver


class HTTPObserver(QueueObserver):
    """POSTs every event as JSON to `url`.

    Events wait in a bounded queue; while it is full they are dropped (`dropped`). A failed request,
    or one without an answer within `timeout` seconds, counts in `errors` and is not repeated; `sent` counts the others.
    `last_error` describes the latest failure.

    Needs threads: in a page use a `CallbackObserver` that calls `fetch`.
    """

    def __init__(self, url: str, *, size: int = 1024, values: bool = False, timeout: float = 5.0) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise InputError(f"expected an http or https address, got {url!r}", where="url")
        number(timeout, "timeout", above=0)
        if sys.platform == "emscripten":
            raise InputError(
                "needs threads, which a page does not have", where="HTTPObserver", remedy="Use a CallbackObserver."
            )
        super().__init__(size, values=values)
        self.url = url
        self.timeout = timeout
        self.sent = 0
        self.errors = 0
        self.last_error = ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def on_event(self, event: LayerEvent) -> None:
        if self._closing.is_set():
            self.dropped += 1
            return
        super().on_event(event)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="loom-http-observer", daemon=True)
            self._thread.start()

    def close(self, timeout: float = 5.0) -> None:
        """Send waiting events for at most `timeout` seconds, then stop; the rest counts as dropped."""
        deadline = time.monotonic() + timeout
        while self._thread is not None and self.queue.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)
        self._closing.set()
        self.dropped += len(self.drain())
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()) + 0.2)

    def _run(self) -> None:
        from http.client import HTTPException  # imported here so that pages do not load it

        while not self._closing.is_set():
            try:
                record = self.queue.get(timeout=0.05)
            except queue.Empty:
                continue
            try:
                self._post(json.dumps(record).encode())
                self.sent += 1
            except (OSError, ValueError, HTTPException) as error:  # URLError and time-outs are OSErrors
                self.errors += 1
                self.last_error = str(error) or type(error).__name__
            finally:
                self.queue.task_done()

    def _post(self, body: bytes) -> None:
        import urllib.request

        request = urllib.request.Request(
            self.url, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:
            answer.read()

"""Downloads that are checked before they are kept, and resume where they stopped."""

from __future__ import annotations

import functools
import hashlib
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tools import console, files

AGENT = {"User-Agent": "loom-build"}


class Refused(console.Skipped):
    """The server answered with an error status."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        super().__init__(f"{url} answered {status} {reason}")
        self.status = status


@functools.cache
def _context() -> ssl.SSLContext:
    """The machine's certificates, with those configured for pip or requests."""
    context = ssl.create_default_context()
    for variable in ("PIP_CERT", "REQUESTS_CA_BUNDLE"):
        bundle = os.environ.get(variable)
        if bundle and Path(bundle).is_file():
            context.load_verify_locations(bundle)
    return context


def open_url(url: str, *, timeout: float, headers: dict[str, str] | None = None) -> Any:
    """Open ``url``. Raises `console.Skipped` with the reason when it cannot be reached."""
    request = urllib.request.Request(url, headers=AGENT | (headers or {}))
    try:
        return urllib.request.urlopen(
            request, timeout=timeout, context=_context() if url.startswith("https:") else None
        )
    except urllib.error.HTTPError as error:
        error.close()
        raise Refused(url, error.code, error.reason) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise console.Skipped(f"{url} could not be reached ({reason})") from error


def fetch(url: str, target: Path, *, sha256: str, timeout: float = 60, label: str | None = None) -> Path:
    """Download ``url`` to ``target`` and check its SHA-256 before it gets that name.

    A part of an earlier attempt is kept beside the target, named by the hash it must have, and continued with a range
    request. Raises `console.Skipped` when the server cannot be reached or the bytes are not the expected ones.
    """
    if target.is_file() and files.sha256(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{sha256[:16]}.part")
    offset, digest = 0, hashlib.sha256()
    if part.is_file():
        offset, digest = part.stat().st_size, hashlib.sha256(part.read_bytes())
        if digest.hexdigest() == sha256:  # stopped between the last byte and the name
            part.replace(target)
            return target
    try:
        response = open_url(url, timeout=timeout, headers={"Range": f"bytes={offset}-"} if offset else None)
    except Refused as refused:
        if not offset or refused.status != 416:
            raise
        part.unlink()  # longer than the file itself: not a part of it
        response = open_url(url, timeout=timeout)
    with response:
        if offset and response.status != 206:  # the server sends the whole file again
            offset, digest = 0, hashlib.sha256()
        length = response.headers.get("Content-Length")
        total = offset + int(length) if length and not response.headers.get("Content-Encoding") else None
        try:
            with part.open("ab" if offset else "wb") as file, console.Progress(label or target.name, total) as progress:
                progress.advance(offset)
                while chunk := response.read(files.CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    progress.advance(len(chunk))
        except (TimeoutError, ConnectionError) as error:
            raise console.Skipped(f"{url} broke off ({error}); what came is kept and continued next time") from error
    if total is not None and part.stat().st_size < total:
        raise console.Skipped(
            f"{url} broke off at {part.stat().st_size} of {total} bytes; what came is kept and continued next time"
        )
    if digest.hexdigest() != sha256:
        part.unlink()
        raise console.Skipped(
            f"{url} gave a file with SHA-256 {digest.hexdigest()[:16]}… where {sha256[:16]}… was expected"
        )
    part.chmod(0o644)
    part.replace(target)
    return target

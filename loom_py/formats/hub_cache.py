"""Models that Hugging Face's own tools have fetched to this machine, in their cache.

Layout: `models--owner--name/refs/<revision>` holds a commit, `models--owner--name/snapshots/<commit>/` its files.
"""

from __future__ import annotations

import os
from pathlib import Path

from .hub_address import HubAddress


def cache_folder() -> Path:
    """Where the cache lies, by the environment variables that `huggingface_hub` reads."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return Path(os.environ[variable])
    if os.environ.get("HF_HOME"):
        return Path(os.environ["HF_HOME"]) / "hub"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "huggingface" / "hub"


def cached_snapshot(address: HubAddress) -> Path | None:
    """The folder of a model's files at its revision, if it was fetched."""
    folder = cache_folder() / f"models--{address.repository.replace('/', '--')}"
    revision = address.revision or "main"
    try:
        commit = (folder / "refs" / revision).read_text().strip()
    except OSError:
        commit = revision
    snapshot = folder / "snapshots" / commit
    return snapshot if commit and "/" not in commit and snapshot.is_dir() else None


def download_command(address: HubAddress) -> str:
    """The command line that fetches a model into the cache."""
    words = ["hf download", address.repository]
    if address.file:
        words.append(f'"{address.file}"' if " " in address.file else address.file)
    elif address.tag:
        words.append(f'--include "*{address.tag}*"')
    if address.revision:
        words.append(f"--revision {address.revision}")
    return " ".join(words)

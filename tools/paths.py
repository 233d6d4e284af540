"""Paths: the repository, the site, and the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SITE = REPOSITORY / "dist"
NODE_MODULES = REPOSITORY / "node_modules"


def cache(*parts: str) -> Path:
    """A path in the user's cache directory (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "loom", *parts)

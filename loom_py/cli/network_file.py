"""The network in a JSON file that a command is given."""

from __future__ import annotations

from typing import Any

from ..network.loading import build_network_from_json
from ..network.network import Network
from .places import within


def built(value: Any, path: str) -> Network:
    """From the file's JSON: a configuration, or a training job's with one as `network`. Errors name the file."""
    wrapped = isinstance(value, dict) and "network" in value
    with within(path, "network" if wrapped else ""):
        return build_network_from_json(value["network"] if wrapped else value)

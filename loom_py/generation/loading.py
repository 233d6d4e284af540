"""From files to a `LanguageModel` or a `TextEncoder`, tensor by tensor, so that a caller can show progress and stop."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..formats.files import checked_path
from ..formats.source import Source
from ..models.weights import CheckpointWeights
from ..progress import to_end
from ..runtime.device import Activations, Device
from ..runtime.stored import StoredWeight
from .encoder_runner import EncoderOnDevice, EncoderOnNumpy
from .language_model import LanguageModel
from .on_device import ACTIVATIONS, OnDevice
from .on_numpy import OnNumpy
from .opening import OpenedEncoder, OpenedModel, load_tokenizer, model_files, open_decoder, open_model
from .text_encoder import TextEncoder

__all__ = ["LoadProgress", "load_any", "load_any_model", "load_model", "load_steps", "load_tokenizer", "model_files"]


R = TypeVar("R")


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
    """Read a model that continues texts; yields after each tensor and returns the `LanguageModel`.

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
    return _load_decoder(open_decoder(files, name, tokenizer=tokenizer), device, precision)


def load_any(
    files: Mapping[str, Source],
    name: str = "model",
    *,
    device: Device | None = None,
    activations: str = "q16",
    tokenizer: bool = True,
) -> Generator[LoadProgress, None, LanguageModel | TextEncoder]:
    """As `load_steps`, for encoders too."""
    precision = _checked(activations)
    opened = open_model(files, name, tokenizer=tokenizer)
    if isinstance(opened, OpenedEncoder):
        return _load_encoder(opened, device, precision)
    return _load_decoder(opened, device, precision)


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

    It need not have a tokenizer: then it takes and gives token ids. Raises `ModelError` for an encoder.
    """
    name = checked_path(path).name
    steps = load_steps(model_files(path), name, device=device, activations=activations, tokenizer=False)
    return to_end(steps, progress)


def load_any_model(
    path: str | os.PathLike[str],
    progress: Callable[[LoadProgress], None] | None = None,
    *,
    device: Device | None = None,
    activations: str = "q16",
) -> LanguageModel | TextEncoder:
    """As `load_model`, for encoders too."""
    name = checked_path(path).name
    steps = load_any(model_files(path), name, device=device, activations=activations, tokenizer=False)
    return to_end(steps, progress)


def _load_decoder(
    opened: OpenedModel, device: Device | None, activations: Activations
) -> Generator[LoadProgress, None, LanguageModel]:
    decoder, weights, notices = opened.decoder, opened.weights, opened.notices
    if opened.own_head is not None and opened.own_head.differs():
        decoder, weights = opened.own_head.decoder, opened.own_head.weights
        what = f"tie_word_embeddings is set, but {opened.own_head.head} differs from the embeddings; it is used"
        notices = (*notices, f"config.json: {what}.")

    def on_device(stored: dict[str, StoredWeight], device: Device) -> OnDevice:
        return OnDevice(decoder, stored, device, activations)

    if device is None:
        runner = OnNumpy(decoder, (yield from _numbers(weights)))
    else:
        runner = yield from _uploaded(weights, device, on_device)
    return LanguageModel(opened.name, runner, opened.tokenizer, opened.texts, notices, opened.sentences)


def _load_encoder(
    opened: OpenedEncoder, device: Device | None, activations: Activations
) -> Generator[LoadProgress, None, TextEncoder]:
    def on_device(stored: dict[str, StoredWeight], device: Device) -> EncoderOnDevice:
        return EncoderOnDevice(opened.encoder, stored, device, activations)

    if device is None:
        runner = EncoderOnNumpy(opened.encoder, (yield from _numbers(opened.weights)))
    else:
        runner = yield from _uploaded(opened.weights, device, on_device)
    return TextEncoder(opened.name, runner, opened.tokenizer, opened.sentences, opened.notices)


def _numbers(source: CheckpointWeights) -> Generator[LoadProgress, None, dict[str, NDArray[np.float32]]]:
    weights: dict[str, NDArray[np.float32]] = {}
    for name, progress in _with_progress(source):
        weights[name] = source.numbers(name)
        yield progress
    return weights


def _uploaded(
    source: CheckpointWeights, device: Device, runner: Callable[[dict[str, StoredWeight], Device], R]
) -> Generator[LoadProgress, None, R]:
    """What `runner` makes of the weights on the device; they are freed where it does not come to that."""
    weights: dict[str, StoredWeight] = {}
    try:
        for name, progress in _with_progress(source):
            weights[name] = source.upload(name, device)
            yield progress
        return runner(weights, device)
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

"""Loading a model to the best device that has room for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

from ..errors import DeviceError
from ..formats.source import Source
from ..runtime.choice import devices
from ..runtime.device import Device
from .language_model import LanguageModel
from .loading import LoadProgress, load_any, load_steps
from .text_encoder import TextEncoder

OPERATIONS = 1e8
"""Multiply-adds of one token, about: a small model's."""


M = TypeVar("M")


def load_to_device(
    files: Mapping[str, Source],
    name: str = "model",
    *,
    activations: str = "q16",
    preference: str | None = None,
    tokenizer: bool = True,
) -> Generator[LoadProgress, None, tuple[LanguageModel, str]]:
    """As `load_steps`, to the device of the `preference`, or that `devices` prefer → the model, and why it is there.

    A device that is too small is passed over for the next one, but not for NumPy, which needs more memory than any. The
    error of the last one passes through.
    """

    def load(device: Device | None) -> Generator[LoadProgress, None, LanguageModel]:
        return load_steps(files, name, device=device, activations=activations, tokenizer=tokenizer)

    return _placed(load, preference)


def load_any_to_device(
    files: Mapping[str, Source],
    name: str = "model",
    *,
    activations: str = "q16",
    preference: str | None = None,
    tokenizer: bool = True,
) -> Generator[LoadProgress, None, tuple[LanguageModel | TextEncoder, str]]:
    """As `load_to_device`, for encoders too."""

    def load(device: Device | None) -> Generator[LoadProgress, None, LanguageModel | TextEncoder]:
        return load_any(files, name, device=device, activations=activations, tokenizer=tokenizer)

    return _placed(load, preference)


def _placed(
    load: Callable[[Device | None], Generator[LoadProgress, None, M]], preference: str | None
) -> Generator[LoadProgress, None, tuple[M, str]]:
    candidates = list(devices.candidates(OPERATIONS, preference))
    choices = [c for c in candidates if c.device] or candidates
    reasons: list[str] = []
    for choice in choices:
        try:
            model = yield from load(choice.device)
        except DeviceError as error:
            if choice is choices[-1]:
                raise
            reasons.append(f"{choice.name}: {error.message}")
        else:
            return model, "; ".join([*reasons, choice.reason])
    raise AssertionError("there is always a candidate")

"""Loading a model to the best device that has room for it."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from ..errors import DeviceError
from ..formats.source import Source
from ..runtime.choice import devices
from .language_model import LanguageModel
from .loading import LoadProgress, load_steps

OPERATIONS = 1e8
"""Multiply-adds of one token, about: a small model's."""


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
    candidates = list(devices.candidates(OPERATIONS, preference))
    choices = [c for c in candidates if c.device] or candidates
    reasons: list[str] = []
    for choice in choices:
        try:
            model = yield from load_steps(
                files, name, device=choice.device, activations=activations, tokenizer=tokenizer
            )
        except DeviceError as error:
            if choice is choices[-1]:
                raise
            reasons.append(f"{choice.name}: {error.message}")
        else:
            return model, "; ".join([*reasons, choice.reason])
    raise AssertionError("there is always a candidate")

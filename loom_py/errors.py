"""Typed errors. Every one says what was wrong, where, and what to do about it."""

from __future__ import annotations

import sys
import traceback


def install_remedy(package: str, in_page: str) -> str:
    """How to get an optional dependency: by pip natively, else `in_page`, for nobody can run pip there."""
    return in_page if sys.platform == "emscripten" else f"Install it: pip install {package}."


def clear_exception(error: BaseException) -> None:
    """Let go of everything that an exception, and those behind it, hold through their frames."""
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None:
            continue
        chain += (link.__cause__, link.__context__)
        if isinstance(link, BaseExceptionGroup):
            chain += link.exceptions
        traceback.clear_frames(link.__traceback__)
        link.__cause__ = link.__context__ = link.__traceback__ = None


class LoomError(Exception):
    """Base of everything this package raises on purpose.

    **Arguments:**

    - `message`: what was wrong, in one sentence without a full stop.
    - `where`: the place: a file, a file with a byte offset, or a JSON path such as `layers[1].branches[0].type`.
    - `remedy`: what the user can do, in one sentence; may be empty.
    """

    def __init__(self, message: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(message, where, remedy)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}. {self.remedy}" if self.remedy else text


class InputError(LoomError, ValueError):
    """A value handed to a public function has the wrong type, shape or range."""


class ConfigError(LoomError, ValueError):
    """A network configuration is wrong; `where` is the JSON path."""


class FormatError(LoomError, ValueError):
    """A file (safetensors, GGUF, LOOM bundle, JSON) is malformed; `where` is the file and offset or JSON path."""


class TokenizerError(FormatError):
    """A tokenizer definition is malformed or uses a feature this package does not have."""


class TemplateError(LoomError, ValueError):
    """A chat template is malformed, unsafe, or refused its messages."""


class ModelError(LoomError, ValueError):
    """A checkpoint is readable but does not describe a model this package can run."""


class DeviceError(LoomError, RuntimeError):
    """A device is missing, has no memory left, or cannot run what it was asked to."""


class DeviceLost(DeviceError):
    """A device went away with everything in its memory; what the host kept is enough to go on with another."""


class Cancelled(LoomError):
    """The user stopped the work; everything done so far is whole and kept."""

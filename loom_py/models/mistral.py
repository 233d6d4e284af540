"""Mistral (Jiang et al. 2023): a Llama whose attention may look back over a window only."""

from __future__ import annotations

from ..schema.fields import Fields
from .config import refuse_window
from .llama import Llama
from .registry import Family


def _read(fields: Fields) -> Llama:
    refuse_window(fields, default=4096 * 32)
    return Llama.read(fields)


FAMILY = Family(model_types=("mistral",), decoder=_read)

"""Mistral (Jiang et al. 2023): a Llama whose attention may look back over a window only."""

from __future__ import annotations

from ..schema.fields import Fields
from .config import unsupported
from .llama import Llama
from .registry import Family


def _read(fields: Fields) -> Llama:
    if fields.has("sliding_window"):
        window = fields.integer("sliding_window")
        if window < fields.integer("max_position_embeddings", default=4096 * 32):
            message = f"sliding-window attention over {window} positions is not supported"
            raise unsupported(fields, "sliding_window", message)
    return Llama.read(fields)


FAMILY = Family(model_types=("mistral",), decoder=_read)

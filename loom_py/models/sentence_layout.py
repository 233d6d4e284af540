"""The files by which sentence-transformers knows how a model embeds texts."""

from __future__ import annotations

from typing import Any

_FLAGS = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens", "lasttoken": "pooling_mode_lasttoken"}
"""How hidden states become a vector → the flag that says so."""


def sentence_files(pooling: str, width: int) -> dict[str, Any]:
    """By their paths, for vectors of `width` numbers that are normalised, as GGUF's readers give them."""
    steps = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(steps.items())
    ]
    flags = {flag: mode == pooling for mode, flag in _FLAGS.items()}
    return {"modules.json": modules, "1_Pooling/config.json": {"word_embedding_dimension": width, **flags}}

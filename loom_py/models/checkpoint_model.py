"""Which model a checkpoint holds: what its configuration describes, with the head that it has weights for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..formats.checkpoint import Checkpoint
from .protocols import Decoder, Encoder, HeadKind
from .registry import configured_head, is_encoder, read_decoder, read_encoder
from .weights import Layout, has_weight


@dataclass(frozen=True)
class ModelChoice:
    """The model, and what is to be said about its head, in sentences."""

    model: Decoder | Encoder
    notices: tuple[str, ...] = ()


def choose_model(config: Any, where: str, checkpoint: Checkpoint, layout: Layout) -> ModelChoice:
    """What a configuration describes; an encoder gets the head that it names, or that the checkpoint has."""
    if not is_encoder(config, where):
        return ModelChoice(read_decoder(config, where))
    body = read_encoder(config, where)
    names = [weight.name for weight in body.weights()]
    prefix = names[0].partition(".")[0]
    named = configured_head(config, where)
    kinds: tuple[HeadKind, ...] = ("words", "texts")
    for kind in (named,) if named else kinds:
        encoder = read_encoder(config, where, kind)
        head = [weight for weight in encoder.weights() if weight.name not in names]
        if named:  # bodies alone may have a pooler, which is no sign of a head
            head = [weight for weight in head if not weight.name.startswith(f"{prefix}.")]
        present = [has_weight(checkpoint, weight, layout) for weight in head]
        if any(present) if named else all(present):
            return ModelChoice(encoder)
    notice = f"{where}: the checkpoint has no weights for the head that architectures names; it has none."
    return ModelChoice(body, (notice,) if named else ())

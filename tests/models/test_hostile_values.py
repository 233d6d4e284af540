"""Every family's configuration with one value changed to a hostile one: it is read, or a typed error says why not."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import pytest

from loom_py.errors import LoomError, ModelError
from loom_py.models.protocols import Decoder, Encoder
from loom_py.models.registry import Family, families, gguf_config, read_encoder, read_model

from .families import SHAPE

HOSTILE = [
    0, 1, 2, 3, 65, -1, 10**5, 2**31, 2**63, 10**400, 0.5, -0.5, 1e-300, 1e300, math.nan, math.inf,
    [], [1], [1, 2], [0, 0], "", "x", None, True, False, {}, {"type": "linear", "factor": 0},
]  # fmt: skip
METADATA = {
    "embedding_length": 64,
    "block_count": 2,
    "attention.head_count": 4,
    "feed_forward_length": 96,
    "vocab_size": 5,
    "context_length": 128,
}
EXPERTS = {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 32}
"""Further metadata of mixtures."""


READERS: tuple[Callable[[Any], Decoder | Encoder], ...] = (
    read_model,
    lambda config: read_encoder(config, head="words"),
    lambda config: read_encoder(config, head="texts"),
)
"""Of configurations; all but the first for encoders."""


class Asked(dict[str, Any]):
    """A configuration that keeps the names it was asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.names = set(values)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().get(name, default) if name in self else default


def each(*attributes: str) -> list[Any]:
    """(family, name) of every family, for each name in the attributes."""
    names = ((family, name) for family in families() for part in attributes for name in getattr(family, part))
    return [pytest.param(family, name, id=name) for family, name in names]


@pytest.mark.parametrize(("family", "architecture"), each("architectures"))
def test_metadata(family: Family, architecture: str) -> None:
    metadata = METADATA | (EXPERTS if architecture in ("qwen3moe", "olmoe") else {})
    base = {"general.architecture": architecture} | {f"{architecture}.{k}": v for k, v in metadata.items()}
    asked = Asked(base)
    assert list(read_model(gguf_config(asked)).weights())
    assert len(asked.names) > len(base)
    for name in sorted(asked.names):
        for value in HOSTILE:
            with contextlib.suppress(LoomError):
                list(read_model(gguf_config(base | {name: value})).weights())


@pytest.mark.parametrize(("family", "model_type"), each("model_types"))
def test_config(family: Family, model_type: str) -> None:
    base = SHAPE | {"model_type": model_type}
    asked = Asked(base)
    for read in READERS if family.encoder else READERS[:1]:
        with contextlib.suppress(LoomError):
            list(read(asked).weights())
    assert len(asked.names) > len(base)
    for name in sorted(asked.names):
        for value in HOSTILE:
            for read in READERS if family.encoder else READERS[:1]:
                with contextlib.suppress(LoomError):
                    list(read(base | {name: value}).weights())


def test_more_heads_than_width() -> None:
    metadata = {"general.architecture": "llama"} | {f"llama.{key}": value for key, value in METADATA.items()}
    with pytest.raises(ModelError, match=r"llama\.attention\.head_count: 65 heads do not fit"):
        gguf_config(metadata | {"llama.attention.head_count": 65})

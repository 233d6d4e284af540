"""Pieces that families of encoders share, through ops only, and what their configurations say of heads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..runtime import Ops, Tensor
from ..schema.fields import Fields
from .protocols import Head, HeadKind, Weight

ARCHITECTURES: dict[str, HeadKind] = {
    "ForMaskedLM": "words",
    "ForPreTraining": "words",
    "ForSequenceClassification": "texts",
}
"""How the names of transformers' classes end → their heads."""
MAX_LABELS = 1 << 16


def span_attention(ops: Ops, q: Tensor, k: Tensor, v: Tensor, heads: int, spans: Tensor) -> Tensor:
    """Attention of each token to those of its span (Vaswani et al. 2017): q, k, v (T, width) → like q."""
    count, width = q.shape
    q, k, v = (ops.reshape(x, (count, heads, width // heads)) for x in (q, k, v))
    return ops.reshape(ops.span_attention(q, k, v, spans), (count, width))


def old_vectors(module: str, size: int, gguf: str = "") -> Iterator[Weight]:
    """The scale and the offset of `blocks.layer_norm`, which checkpoints from TensorFlow call gamma and beta."""
    for part, old in (("weight", "gamma"), ("bias", "beta")):
        yield Weight(f"{module}.{part}", (size,), aliases=(f"{module}.{old}",), gguf=gguf and f"{gguf}.{part}")


def named_head(fields: Fields) -> HeadKind | None:
    """The head that `architectures` names."""
    names = fields.array("architectures", default=())
    for name in names:
        for end, kind in ARCHITECTURES.items():
            if str(name).endswith(end):
                return kind
    return None


def read_labels(fields: Fields) -> tuple[str, ...]:
    """Names of labels by their numbers: `id2label`, or `LABEL_0` … for as many as `num_labels` says."""
    if not fields.has("id2label"):
        count = fields.integer("num_labels", default=2, maximum=MAX_LABELS)
        return tuple(f"LABEL_{i}" for i in range(count))
    names = fields.object("id2label")
    keys = {str(i) for i in range(len(names.values))}
    if set(names.values) != keys or not keys:
        raise fields.error("expected a name for each number from 0 on", "id2label")
    return tuple(names.string(str(i)) for i in range(len(keys)))


def read_text_head(fields: Fields, pooling: Literal["cls", "mean"] = "cls") -> Head:
    """A head with labels for texts, as `id2label` and `problem_type` describe it."""
    labels = read_labels(fields)
    problem = fields.string("problem_type", default="")
    if problem == "regression":
        return Head("texts", labels, pooling, "none")
    several = problem == "multi_label_classification" or len(labels) == 1
    return Head("texts", labels, pooling, "sigmoid" if several else "softmax")


def text_positions(ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """0, 1, 2, … for the tokens of a text."""
    return np.arange(len(ids), dtype=np.int64)

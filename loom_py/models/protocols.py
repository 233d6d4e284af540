"""What a model is to the rest of the package: facts, weights, what its layers keep, and a forward through ops.

A `Decoder` or an `Encoder` is a configuration with functions. It owns no weights, no cache and no device: those belong
to what runs it (`generation.on_device`, `generation.on_numpy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..nn.layer import Params
from ..runtime import Ops, Tensor
from ..schema.fields import Json

RowOrder = Callable[[NDArray[Any]], NDArray[Any]]
"""Rows in a file's order (numbers, or the stored bytes of each row) → the same rows in the model's order."""
Tensors = Mapping[str, Tensor]
Number = Any
"""A number that may be dynamic while a program is recorded."""


@dataclass(frozen=True)
class Facts:
    """What a page or a caller wants to know of any model, in the words of `config.json`.

    - `experts`: in each mixture of experts; 0 for models without.
    """

    model_type: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    max_position_embeddings: int
    bos_token_id: int | None = None
    eos_token_ids: tuple[int, ...] = ()
    longer: Longer | None = None
    experts: int = 0


@dataclass(frozen=True)
class Longer:
    """The same model for sequences of more than so many `positions`, where its computation depends on that."""

    positions: int
    decoder: Decoder


@dataclass(frozen=True)
class Weight:
    """One weight, and where checkpoints keep it.

    - `name`: Hugging Face's, which programs use too.
    - `aliases`: further names that Hugging Face's checkpoints have for it.
    - `shape`: as the forward wants it; matrices are (out, in).
    - `offset`: what is added to Hugging Face's numbers; GGUF's are the sums. Vectors only.
    - `transposed`: Hugging Face stores (in, out), as GPT-2 does.
    - `order`: how Hugging Face's rows come into the order of `shape`; None where they are in it.
    - `parts`: names of Hugging Face's tensors whose rows follow one another, where it is made of several.
    - `gguf`: its name in GGUF, empty where that format has none.
    - `gguf_parts`: as `parts`, for GGUF files without `gguf`.
    - `gguf_shape`: of `gguf`, where it has the same numbers in other axes.
    - `gguf_order`: as `order`, for GGUF's rows.
    - `gguf_first`: the first of the rows that GGUF has.
    """

    name: str
    shape: tuple[int, ...]
    transposed: bool = False
    offset: float = 0.0
    order: RowOrder | None = None
    parts: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    gguf: str = ""
    gguf_parts: tuple[str, ...] = ()
    gguf_shape: tuple[int, ...] = ()
    gguf_order: RowOrder | None = None
    gguf_first: int = 0


@dataclass(frozen=True)
class Kept:
    """A tensor that a layer keeps of each sequence: rows of `shape`.

    - `rows`: None for a row a position (keys, values), otherwise so many for good (the tail of a convolution), which
      are zero before the first position.
    - `window`: of rows a position, how many before a token it may look at, itself the last; 0 for all. A cache need
      not keep the others.
    """

    shape: tuple[int, ...]
    rows: int | None = None
    window: int = 0
    dtype: str = "float32"


CacheLayout = Sequence[Mapping[str, Kept]]
"""What each layer keeps, by name."""


def keys_and_values(heads: int, size: int, window: int = 0) -> dict[str, Kept]:
    """What an attention layer keeps: `keys` and `values`, (positions, heads, size)."""
    kept = Kept((heads, size), window=window)
    return {"keys": kept, "values": kept}


@dataclass(frozen=True)
class Segment:
    """Consecutive tokens of a chunk that continue one sequence.

    - `length`: how many.
    - `position`: of the first in its sequence; *dynamic*.
    - `cache`: what each layer keeps of that sequence, by name: (capacity or rows, *shape).
    - `rows`: for layers that keep a window, where their rows of the first token go; *dynamic*.
    """

    length: int
    position: Number
    cache: Sequence[Tensors]
    rows: Mapping[int, Number] = field(default_factory=dict[int, Number])

    def row(self, layer: int) -> Number:
        """Where the rows of the first token go in what a layer keeps."""
        return self.rows.get(layer, self.position)


@dataclass(frozen=True)
class Chunk:
    """Tokens that go through a decoder together: those of one sequence, or of several one after another.

    - `ids`: (T,) integers.
    - `segments`: one a sequence; their lengths add up to T.
    - `every`: whether an answer is wanted after every token, or only after the last of each segment.
    - `positions`: → (T,) integers, for models with a table of positions.
    """

    ids: Tensor
    segments: tuple[Segment, ...]
    every: bool
    positions: Callable[[], Tensor]

    def answered(self, ops: Ops, x: Tensor) -> Tensor:
        """The rows of x (T, …) after which an answer is wanted."""
        if self.every:
            return x
        rows: list[Tensor] = []
        end = 0
        for segment in self.segments:
            end += segment.length
            rows.append(ops.narrow(x, 0, end - 1, 1))
        return rows[0] if len(rows) == 1 else ops.concat(rows, 0)


class Decoder(Protocol):
    """A model that says which token comes next."""

    @property
    def facts(self) -> Facts: ...

    def weights(self) -> Iterable[Weight]:
        """Every weight, in the order of use."""
        ...

    def new_cache(self) -> CacheLayout:
        """What the layers keep of a sequence."""
        ...

    def trace(self, ops: Ops, weights: Tensors, chunk: Chunk) -> Tensor:
        """Hidden states after the last norm, of the rows of `chunk.answered`: (rows, hidden). Writes the caches."""
        ...

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        """The head: (rows, hidden) → (rows, vocabulary)."""
        ...


@runtime_checkable
class Layered(Protocol):
    """A model that layers of `nn` make, so that it can be a network: stepped, watched, trained."""

    def layers(self, weights: Mapping[str, NDArray[Any]], head: bool) -> Iterator[tuple[Json, Params]]:
        """Each layer's configuration and parameters, in order.

        The network takes token ids (B, T) and gives hidden states after the last norm (B, T · hidden), with `head`
        logits (B, T · vocabulary).
        """
        ...


@runtime_checkable
class WritesGGUF(Protocol):
    """A model that GGUF has metadata for; what any model has (`Facts`) is not among them."""

    def gguf_entries(self) -> Mapping[str, Any]:
        """By key, under the architecture's name unless it begins with `tokenizer.`; what the family's reader reads."""
        ...


@runtime_checkable
class GGUFTensors(Protocol):
    """A model for which GGUF files have tensors beside its weights."""

    def gguf_tensors(self) -> Mapping[str, NDArray[np.float32]]: ...


@dataclass(frozen=True)
class Pack:
    """Tokens that go through an encoder together: those of one text, or of several one after another.

    - `ids`: (T,) integers.
    - `table`: by its name in `Encoder.rows`, the row of a table that each token has: (T,) integers.
    - `spans`: how far a token sees to either side, 0 for all of its text → which of the T tokens it sees, the first and
      the one behind the last: (T, 2) integers.
    """

    ids: Tensor
    table: Callable[[str], Tensor]
    spans: Callable[[int], Tensor]


HeadKind = Literal["words", "texts"]


@dataclass(frozen=True)
class Head:
    """What an encoder says beside its hidden states.

    - `kind`: `words`, a score of every word of the vocabulary for each token (masked language models), or `texts`, a
      score of every label for a text.
    - `labels`: names of the labels.
    - `pooling`: what of a text's hidden states the labels are computed from: the first, or the mean.
    - `scores`: how scores become probabilities; `none` where they are the answer (regression).
    """

    kind: HeadKind
    labels: tuple[str, ...] = ()
    pooling: Literal["cls", "mean"] = "cls"
    scores: Literal["softmax", "sigmoid", "none"] = "softmax"


@runtime_checkable
class Encoder(Protocol):
    """A model that turns whole texts into vectors."""

    @property
    def facts(self) -> Facts: ...

    @property
    def head(self) -> Head | None:
        """What `logits` computes; None for a body alone."""
        ...

    def weights(self) -> Iterable[Weight]:
        """Every weight, in the order of use; those of the head come last."""
        ...

    def rows(self, ids: NDArray[Any], types: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """For a text's ids (T,) and types (T,): which rows of its tables they have, such as positions; (T,) each."""
        ...

    def trace(self, ops: Ops, weights: Tensors, pack: Pack) -> Tensor:
        """Hidden states after the last norm: (T, hidden)."""
        ...

    def logits(self, ops: Ops, weights: Tensors, hidden: Tensor) -> Tensor:
        """The head, for rows that its `kind` and `pooling` choose: (rows, hidden) → (rows, words or labels)."""
        ...

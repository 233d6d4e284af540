"""What language models and encoders have in common: where they run, their tokenizer, and vectors of texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..models.protocols import Facts
from ..progress import to_end
from ..text.tokenizer import Tokenizer
from .embedding import Steps
from .pooling import Pooling
from .sentence_files import SentenceSettings


class Placed(Protocol):
    """A model with its weights somewhere."""

    @property
    def device_name(self) -> str: ...

    @property
    def activations(self) -> str: ...


class EmbeddingModel(ABC):
    """A checkpoint that is ready for texts.

    **Arguments:**

    - `name`: of the file or directory it came from.
    - `placed`, `tokenizer`: the model with its weights, and its tokenizer; None for one that takes ids only.
    - `sentences`: how its files say that texts are embedded; `pooling` where they do not.
    - `notices`: what the user should know about the model's files, in sentences.
    """

    def __init__(
        self,
        name: str,
        placed: Placed,
        tokenizer: Tokenizer | None,
        sentences: SentenceSettings,
        pooling: Pooling,
        notices: tuple[str, ...],
    ) -> None:
        self.name = name
        self.notices = notices
        self.pooling = sentences.pooling or pooling
        self.sentences = replace(sentences, pooling=self.pooling)
        self._placed = placed
        self._tokenizer = tokenizer
        self._closed = False
        limit = self.facts.max_position_embeddings
        self.max_length = min(sentences.max_length or limit, limit)
        """Tokens of a text that is embedded, special ones included; longer ones are cut."""

    @property
    @abstractmethod
    def facts(self) -> Facts: ...

    @property
    def device(self) -> str:
        """Name of the device it runs on."""
        return self._placed.device_name

    @property
    def activations(self) -> str:
        """What quantised weights are multiplied with: `f32`, or `q16`."""
        return self._placed.activations

    @property
    def dimension(self) -> int:
        """Elements of a text's vector."""
        return self.pooling.width(self.facts.hidden_size)

    @property
    def tokenizer(self) -> Tokenizer:
        """Raises `InputError` for a model without one."""
        if self._tokenizer is None:
            remedy = "Give it token ids, or put its tokenizer.json beside the weights."
            raise InputError("the model has no tokenizer", where=self.name, remedy=remedy)
        return self._tokenizer

    def embed(self, texts: Iterable[str], *, prompt: str | None = None) -> NDArray[np.float32]:
        """Vectors of texts, (N, D), pooled and normalised as the model's files say; long texts are cut.

            vectors = model.embed(["A man is eating food.", "Somebody eats."])
            vectors @ vectors.T  # cosine similarities, where they are normalised

        - `prompt`: the name of one of the model's prompts to put before each text; its default unless given.
        """
        return to_end(self.embed_steps(texts, prompt=prompt))

    @abstractmethod
    def embed_steps(self, texts: Iterable[str], *, prompt: str | None = None) -> Steps:
        """`embed` in steps, between which one may stop."""

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("the model was closed", where=self.name, remedy="Load it again.")

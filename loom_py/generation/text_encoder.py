"""An encoder ready for texts: hidden states, vectors, words for gaps, labels."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..models.pack import PackedTexts
from ..models.protocols import Facts, Head
from ..progress import to_end
from ..runtime import numpy_ops
from ..runtime.pending import Waiting
from ..text.batch_options import Truncation
from ..text.encoding import Encoding
from ..text.tokenizer import Tokenizer
from ..values import whole
from .embedding import EmbedProgress, Steps, TokenizedText, check_texts, packs, tokenized, vectors_of
from .embedding_model import EmbeddingModel
from .encoder_runner import EncoderRunner
from .generate import check_ids
from .pooling import Pooling
from .sentence_files import SentenceSettings
from .token_ids import token_ids

MASKS = ("[MASK]", "<mask>")
Ids = Sequence[int] | NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Filling:
    """A word for a gap.

    - `text`: the whole text with it.
    - `token`: the word as it is read; `token_id` its number.
    - `score`: its probability.
    """

    token_id: int
    token: str
    score: float
    text: str


@dataclass(frozen=True)
class Label:
    """A label and its probability, or its value where the model was trained to give one (regression)."""

    label: str
    score: float


class TextEncoder(EmbeddingModel):
    """Texts in, vectors and scores out. What a text gets does not depend on the texts beside it.

    **Arguments:**

    - `name`: of the file or directory it came from.
    - `runner`, `tokenizer`: the encoder with its weights, and its tokenizer; None for one that takes ids only.
    - `sentences`: how the model's files say that texts are embedded; the mean of their hidden states where they do not.
    - `notices`: what the user should know about the model's files, in sentences.
    """

    def __init__(
        self,
        name: str,
        runner: EncoderRunner,
        tokenizer: Tokenizer | None,
        sentences: SentenceSettings,
        notices: tuple[str, ...] = (),
    ) -> None:
        self.runner = runner
        super().__init__(name, runner, tokenizer, sentences, Pooling(), notices)

    @property
    def facts(self) -> Facts:
        return self.runner.encoder.facts

    @property
    def head(self) -> Head | None:
        """What it scores beside its hidden states: words or labels."""
        return self.runner.encoder.head

    def hidden(self, ids: Ids, types: Ids | None = None) -> NDArray[np.float32]:
        """ids (T,) of a whole text, and which of two texts each belongs to → hidden states: (T, H)."""
        return self.hidden_batch([ids], None if types is None else [types])[0]

    def hidden_batch(self, texts: Sequence[Ids], types: Sequence[Ids] | None = None) -> list[NDArray[np.float32]]:
        """`hidden` of many texts at once, each as long as it is."""
        if types is not None and len(types) != len(texts):
            raise InputError(f"expected {len(texts)} rows, one a text, got {len(types)}", where="types")
        rows = [self._text(ids, None if types is None else types[i], i, len(texts) > 1) for i, ids in enumerate(texts)]
        return to_end(self._hidden_of(rows))

    def logits(self, ids: Ids, types: Ids | None = None) -> NDArray[np.float32]:
        """What the head makes of ids (T,): scores of words for each (T, V), or of the text's labels (L,).

        Raises `InputError` for a model without a head.
        """
        head = self._head()
        hidden = self.hidden(ids, types)
        if head.kind == "words":
            return to_end(self.runner.logits(hidden))
        return to_end(self.runner.logits(_head_row(head, hidden)))[0]

    def embed_steps(self, texts: Iterable[str], *, prompt: str | None = None) -> Steps:
        self._check_open()
        listed = check_texts(texts)
        rows: list[TokenizedText] = []
        for row in tokenized(self.tokenizer, listed, self.sentences, self.max_length, prompt):
            if row is not None:
                rows.append(row)
            yield EmbedProgress(0, len(listed))
            self._check_open()
        pooled: list[NDArray[np.float32] | None] = [None] * len(rows)
        done = 0
        for group in packs(rows):
            hidden = yield from self._run(group)
            for text, states in zip(group, hidden, strict=True):
                pooled[text.index] = self.pooling.pooled(states[text.skipped :])
            done += len(group)
            yield EmbedProgress(done, len(listed))
            self._check_open()
        return vectors_of(self.pooling, pooled, self.facts.hidden_size)

    def fill_mask(self, text: str, top_k: int = 5) -> list[list[Filling]]:
        """The likeliest words for each gap in a text (`[MASK]`, or what the model writes), the best first.

        Raises `InputError` for a model without a head for words, and for a text without a gap.
        """
        return to_end(self.fill_mask_steps(text, top_k))

    def fill_mask_steps(self, text: str, top_k: int = 5) -> Generator[Waiting, None, list[list[Filling]]]:
        """`fill_mask` for callers that can wait."""
        self._check_open()
        whole(top_k, "top_k", 1)
        self._head("words", "fills no gaps")
        ids = self._encoded(text, None)
        mask = next((i for i in map(self.tokenizer.token_to_id, MASKS) if i is not None), None)
        gaps = np.flatnonzero(ids.ids == mask)
        if mask is None or not len(gaps):
            written = self.tokenizer.id_to_token(mask) if mask is not None else MASKS[0]
            raise InputError("the text has no gap", where="text", remedy=f"Write {written} where a word is missing.")
        (hidden,) = yield from self._run([ids])
        scores = numpy_ops.softmax((yield from self.runner.logits(hidden[gaps])))
        return [self._fillings(ids.ids, int(gap), row, top_k) for gap, row in zip(gaps, scores, strict=True)]

    def classify(self, text: str, pair: str | None = None) -> list[Label]:
        """The model's labels for a text, or for two, the likeliest first.

        Raises `InputError` for a model without a head for texts.
        """
        return to_end(self.classify_steps(text, pair))

    def classify_steps(self, text: str, pair: str | None = None) -> Generator[Waiting, None, list[Label]]:
        """`classify` for callers that can wait."""
        self._check_open()
        head = self._head("texts", "classifies no texts")
        (hidden,) = yield from self._run([self._encoded(text, pair)])
        (scores,) = yield from self.runner.logits(_head_row(head, hidden))
        if head.scores == "softmax":
            scores = numpy_ops.softmax(scores)
        elif head.scores == "sigmoid":
            scores = 1 / (1 + np.exp(-scores.astype(np.float64)))
        order: list[int] = np.argsort(-scores, kind="stable").tolist()
        return [Label(head.labels[i], float(scores[i])) for i in order]

    def close(self) -> None:
        """Give a device's memory back now; the model cannot be used afterwards."""
        self._closed = True
        self.runner.close()

    def _text(self, ids: Ids, types: Ids | None, index: int, several: bool) -> TokenizedText:
        """Checked ids and types of a text that a caller gives."""
        self._check_open()
        where = f"ids[{index}]" if several else "ids"
        listed = token_ids(ids, where)
        check_ids(listed, self.facts.vocab_size, where)
        limit = self.facts.max_position_embeddings
        if len(listed) > limit:
            raise InputError(f"{len(listed)} tokens are more than the model's {limit} positions", where=where)
        kinds = [0] * len(listed) if types is None else token_ids(types, where.replace("ids", "types"))
        if len(kinds) != len(listed):
            raise InputError(f"expected {len(listed)} numbers, one a token, got {len(kinds)}", where="types")
        return TokenizedText(index, np.array(listed, np.int64), np.array(kinds, np.int64))

    def _encoded(self, text: str, pair: str | None) -> TokenizedText:
        """A text, or two, as the tokenizer frames them, cut to the model's length."""
        for value, where in ((text, "text"), (pair, "pair")):
            if not isinstance(value, str) and (value is not None or where == "text"):
                raise InputError(f"expected a text, got {type(value).__name__}", where=where)
        encoding: Encoding = to_end(self.tokenizer.row_steps((text, pair), Truncation(self.max_length)))
        return self._text(encoding.ids, encoding.type_ids, 0, False)

    def _hidden_of(self, texts: Sequence[TokenizedText]) -> Generator[Waiting, None, list[NDArray[np.float32]]]:
        """Hidden states of all texts, in packs."""
        rows: dict[int, NDArray[np.float32]] = {}
        for group in packs(texts):
            hidden = yield from self._run(group)
            rows |= {text.index: states for text, states in zip(group, hidden, strict=True)}
        return [rows[i] for i in range(len(texts))]

    def _run(self, texts: Sequence[TokenizedText]) -> Generator[Waiting, None, list[NDArray[np.float32]]]:
        """Hidden states of the texts of one pack."""
        packed = PackedTexts.of(self.runner.encoder, [(text.ids, text.types) for text in texts])
        hidden = yield from self.runner.hidden(packed)
        return np.split(hidden, packed.bounds[1:-1])

    def _fillings(self, ids: NDArray[np.int64], gap: int, scores: NDArray[Any], count: int) -> list[Filling]:
        fillings: list[Filling] = []
        for token in np.argsort(-scores, kind="stable")[:count].tolist():
            filled = ids.copy()
            filled[gap] = token
            word = self.tokenizer.decode([token], skip_special_tokens=False)
            fillings.append(Filling(token, word, float(scores[token]), self.tokenizer.decode(filled.tolist())))
        return fillings

    def _head(self, kind: str = "", lack: str = "scores neither words nor labels") -> Head:
        """The head, if it is of the wanted kind."""
        if self.head is None or (kind and self.head.kind != kind):
            remedy = "Use its hidden states or vectors, or a checkpoint with a head for this."
            raise InputError(f"the model {lack}", where=self.name, remedy=remedy)
        return self.head


def _head_row(head: Head, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
    """What labels are computed from: (1, hidden)."""
    return hidden.mean(0, keepdims=True) if head.pooling == "mean" else hidden[:1]

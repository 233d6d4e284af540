"""Weights of a model like Llama whose texts are known beforehand: what it draws depends on the last token alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class Chain:
    """Behind each token comes the one that `follows` names by id, and behind others the same again.

    The layers add nothing to the embedding, whose rows have length 1, and the head's row of a token is the embedding of
    the one before it.
    """

    def __init__(self, follows: Mapping[int, int]) -> None:
        self._follows = follows
        self._embedding = np.zeros((0, 0), np.float32)

    def weight(self, name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """What a weight is instead of `value`; the embedding has to come before the head."""
        if name == "model.embed_tokens.weight":
            self._embedding = value / np.linalg.norm(value, axis=1, keepdims=True)
            return self._embedding
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            return np.zeros_like(value)
        if name == "model.norm.weight":
            return np.ones_like(value)
        return self.head(len(value)) if name == "lm_head.weight" else value

    def head(self, rows: int) -> NDArray[np.float32]:
        """The head's weight; it may have more rows than the embedding, which are drawn where `follows` names them."""
        head = np.zeros((rows, self._embedding.shape[1]), np.float32)
        for token, row in enumerate(self._embedding):
            head[self._follows.get(token, token)] += row
        return head

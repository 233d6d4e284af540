"""The parts of a tokenizer, as the reader of its file returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .added_tokens import AddedTokens
from .bpe import BPE
from .decoders import StepFactory
from .normalize import Normalizer
from .pretokenize import PreTokenizer


@dataclass(frozen=True, slots=True)
class TokenizerParts:
    """`template` is one text's frame: fixed ids, and `None` for the text's own.

    `notices`: what the user should know about the file, in sentences.
    """

    model: BPE
    added: AddedTokens
    normalizer: Normalizer
    pre_tokenizer: Sequence[PreTokenizer]
    template: Sequence[list[int] | None]
    decoder: Sequence[StepFactory]
    notices: tuple[str, ...] = ()

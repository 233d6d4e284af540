"""The parts of a tokenizer, as the reader of its file returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .added_tokens import AddedTokens
from .batch_options import Padding, Truncation
from .decoders import StepFactory
from .normalize import Normalizer
from .postprocess import Frames
from .pretokenize import PreTokenizer
from .word_model import WordModel


@dataclass(frozen=True, slots=True)
class TokenizerParts:
    """- `frames`: what stands around one text, and around two.
    - `truncation`, `padding`: what the file says about batches.
    - `parse_special`: whether special tokens written out in a plain text become those tokens.
    - `notices`: what the user should know about the file, in sentences.
    """

    model: WordModel
    added: AddedTokens
    normalizer: Normalizer
    pre_tokenizer: Sequence[PreTokenizer]
    frames: Frames
    decoder: Sequence[StepFactory]
    truncation: Truncation | None = None
    padding: Padding | None = None
    parse_special: bool = True
    notices: tuple[str, ...] = ()

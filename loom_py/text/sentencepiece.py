"""SentencePiece vocabularies, from whichever file they come: the normaliser, the model and the decoder they ask for.

Kudo and Richardson 2018, "SentencePiece". Unlike `tokenizer.json`, which says all of it, such a file holds tokens with
scores and kinds and some switches; what they mean is written here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

from .blocks import BLOCK, TURNS, changed, listed
from .charsmap import Charsmap
from .decode_steps import ByteFallbackStep, EachStep, FusedStripStep
from .decoders import StepFactory
from .long_tokens import LongTokens
from .normalize import Normalized, Normalizer, check_growth
from .pretokenize import PreTokenizer, each_piece
from .score_bpe import ScoreBPE
from .unigram import UNKNOWN_PENALTY, Unigram, UnigramOptions
from .word_model import WordModel

SPACE = "\u2581"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


@dataclass(frozen=True)
class Spaces:
    """What becomes of spaces.

    - `prefix`: a text gets one in front (behind where `suffix`).
    - `merge`: runs become one, and those around the text go.
    - `escape`: they become `▁`.
    """

    prefix: bool = True
    merge: bool = False
    escape: bool = True
    suffix: bool = False


@dataclass(frozen=True)
class SentencePiece:
    """A vocabulary.

    - `tokens`, `scores`, `kinds`: by id; `kinds` are the numbers above.
    - `unk_id`: the token of what the vocabulary lacks.
    - `charsmap`: texts that are replaced before anything else.
    - `symbols`: user-defined tokens that the normaliser leaves alone and the model keeps whole.
    """

    tokens: Sequence[str]
    scores: Sequence[float]
    kinds: Sequence[int]
    unk_id: int
    unigram: bool
    byte_fallback: bool
    spaces: Spaces = field(default_factory=Spaces)
    charsmap: Charsmap | None = None
    symbols: frozenset[str] = frozenset()

    def ids(self, *kinds: int) -> list[int]:
        """The ids of tokens of some kinds."""
        return [i for i, kind in enumerate(self.kinds) if kind in kinds]

    def model(self, where: str) -> WordModel:
        """The model; `where` is the place of the unknown token in the file, for errors."""
        if self.unigram:
            scores = self._unigram_scores()
            normal = min((scores[i] for i in self.ids(NORMAL)), default=0.0)
            options = UnigramOptions(self.unk_id, self.byte_fallback, True, normal - UNKNOWN_PENALTY, where)
            return Unigram(self.tokens, scores, options, self.ids(NORMAL, USER_DEFINED))
        return ScoreBPE(
            self.tokens,
            self.scores,
            self.unk_id,
            matched=self.ids(NORMAL, USER_DEFINED, UNUSED),
            unused=self.ids(UNUSED),
            whole=self.symbols,
            byte_fallback=self.byte_fallback,
        )

    def _unigram_scores(self) -> list[float]:
        """User-defined tokens win over any other segmentation: their score is that of the best token for every byte."""
        scores = list(self.scores)
        best = max((scores[i] for i in self.ids(NORMAL)), default=0.0)
        for i in self.ids(USER_DEFINED):
            scores[i] = len(self.tokens[i].encode()) * best - 0.1
        return scores

    def pre_tokenizer(self) -> list[PreTokenizer]:
        """Cuts where no token can reach across, so that words can be kept. A Unigram model sums over the whole text."""
        if self.unigram:
            return []
        steps: list[PreTokenizer] = [_split_at(_Finder(self.symbols))] if self.symbols else []
        crossing = re.compile(f"[^{SPACE}]{SPACE}")
        if not any(crossing.search(self.tokens[i]) for i in self.ids(NORMAL, USER_DEFINED, UNUSED)):
            steps.append(_split_at_spaces())
        return steps

    def normalizer(self) -> Normalizer:
        """Its result is in the form of the tokens, with `▁` for spaces."""
        finder = _Finder(self.symbols) if self.symbols else None
        spaces, charsmap = self.spaces, self.charsmap
        mark = SPACE if spaces.escape else " "

        def is_space(char: str) -> bool:
            return (char if charsmap is None else charsmap.longest(char)) == " "

        def map_parts(parts: list[tuple[str, bool]]) -> Generator[None, None, list[tuple[str, bool]]]:
            mapped: list[tuple[str, bool]] = []
            for part, symbol in parts:
                if charsmap is not None and not symbol:
                    part = yield from charsmap.longest_steps(part)
                mapped.append((part, symbol))
                if not len(mapped) % TURNS:
                    yield
            return mapped

        def apply(text: str) -> Normalized:
            parts = [(text, False)] if finder is None else (yield from finder.parts(text))
            parts = yield from map_parts(parts)
            check_growth(sum(len(part) for part, _ in parts), len(text))
            mapped = (yield from _merged(parts)) if spaces.merge else "".join(part for part, _ in parts)
            mapped = mapped.replace(" ", mark)
            blank = not text or (spaces.merge and not mapped and all(map(is_space, set(text))))
            if spaces.prefix and not spaces.suffix and not blank:
                mapped = mark + mapped
            if spaces.merge:
                mapped = mapped.rstrip(mark)
            return (mapped + mark if spaces.prefix and spaces.suffix and not blank else mapped), True

        return apply

    def decoder(self) -> list[StepFactory]:
        """`▁` and the tokens of bytes back to text; a space in front goes where the normaliser makes or drops it."""
        steps: list[StepFactory] = [lambda: EachStep(lambda token: token.replace(SPACE, " ")), ByteFallbackStep]
        if self.spaces.prefix or self.spaces.merge:
            count = sys.maxsize if self.spaces.merge else 1
            steps.append(lambda: FusedStripStep(" ", count, 0))
        return steps


_WORD_END = re.compile("[^ ]")


def _merged(parts: Sequence[tuple[str, bool]]) -> Generator[None, None, str]:
    """Without spaces in front, and with one for each run; within a symbol all stay."""
    out: list[str] = []
    space = True  # whether the text so far ends in one
    for part, symbol in parts:
        part = part if symbol else (yield from changed(part, lambda text: re.sub("  +", " ", text), _WORD_END))
        part = part.lstrip(" ") if space else part
        out.append(part)
        space = part.endswith(" ") if part else space
        if not len(out) % TURNS:
            yield
    return "".join(out)


class _Finder:
    """Cuts symbols out of a text."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self._tokens = LongTokens(symbols)

    def parts(self, text: str) -> Generator[None, None, list[tuple[str, bool]]]:
        """The text in parts, and whether each is a symbol; in steps."""
        parts: list[tuple[str, bool]] = []
        at = 0
        for start, end in self._tokens.find(text):
            if start == end or not len(parts) % TURNS:
                yield
            if start == end:
                continue
            parts += [(text[at:start], False)] if at < start else []
            parts.append((text[start:end], True))
            at = end
        return [*parts, (text[at:], False)] if at < len(text) else parts


def _split_at(finder: _Finder) -> PreTokenizer:
    def parts(text: str) -> Generator[None, None, list[str]]:
        return [part for part, _ in (yield from finder.parts(text))]

    return each_piece(parts)


_WORDS = re.compile(f"{SPACE}*[^{SPACE}]+|{SPACE}+")


def _split_at_spaces() -> PreTokenizer:
    def words(text: str) -> Generator[None, None, list[str]]:
        if len(text) <= BLOCK:
            return _WORDS.findall(text)
        return (yield from listed(match[0] for match in _WORDS.finditer(text)))

    return each_piece(words)

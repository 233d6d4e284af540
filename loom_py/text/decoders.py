"""Decoders of `tokenizer.json`: tokens back to text, piece by piece; decoding a whole text is a finished stream.

Every step takes tokens as they arrive and returns the text that is final; `finish` returns what it still held back. A
step after `Fuse` or `ByteLevel` sees one long token in fragments; `fused` tells it so.
"""

from __future__ import annotations

import codecs
import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from ..schema.fields import Fields
from .byte_level import token_bytes
from .normalize import Replace, build_replace
from .pretokenize import metaspace_options
from .tokenizer_fields import MAX_ID, read_character, unsupported


class DecodeStep(ABC):
    """One decoder applied to one stream."""

    @abstractmethod
    def feed(self, tokens: list[str]) -> list[str]:
        """The text that is final after these tokens."""

    def finish(self) -> list[str]:
        """The text still held back."""
        return []


class ByteLevelStep(DecodeStep):
    """Decode the bytes of successive tokens as UTF-8; invalid bytes become U+FFFD. Holds back incomplete characters."""

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, tokens: list[str]) -> list[str]:
        return [self._utf8.decode(b"".join(map(token_bytes, tokens)))]

    def finish(self) -> list[str]:
        return [self._utf8.decode(b"", True)]


class ByteFallbackStep(DecodeStep):
    """Runs of `<0x..>` tokens become one text, or one U+FFFD a byte where the run is not UTF-8 as a whole."""

    def __init__(self) -> None:
        self._run = bytearray()

    def feed(self, tokens: list[str]) -> list[str]:
        out: list[str] = []
        for token in tokens:
            byte = _byte_token(token)
            if byte is None:
                out += self.finish()
                out.append(token)
            else:
                self._run.append(byte)
        return out

    def finish(self) -> list[str]:
        run, self._run = bytes(self._run), bytearray()
        try:
            return [run.decode()] if run else []
        except UnicodeDecodeError:
            return ["\ufffd"] * len(run)


def _byte_token(token: str) -> int | None:
    if len(token) == 6 and token.isascii() and token.startswith("<0x") and token.endswith(">"):
        digits = token[3:5].removeprefix("+")  # Rust's number parser takes a plus sign
        if digits and all(c in "0123456789abcdefABCDEF" for c in digits):
            return int(digits, 16)
    return None


class EachStep(DecodeStep):
    """A function applied to every token separately."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change

    def feed(self, tokens: list[str]) -> list[str]:
        return list(map(self._change, tokens))


class WholeStep(DecodeStep):
    """A function of the whole fused text; returns nothing before the end."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change
        self._held: list[str] = []

    def feed(self, tokens: list[str]) -> list[str]:
        self._held += tokens
        return []

    def finish(self) -> list[str]:
        return [self._change("".join(self._held))]


class FusedReplaceStep(DecodeStep):
    """A literal replacement in the fused text. Holds back what may begin a match."""

    def __init__(self, pattern: str, content: str) -> None:
        self._pattern = pattern
        self._content = content
        self._held = ""

    def feed(self, tokens: list[str]) -> list[str]:
        *done, rest = (self._held + "".join(tokens)).split(self._pattern)
        keep = min(len(rest), len(self._pattern) - 1)
        while not self._pattern.startswith(rest[len(rest) - keep :]):
            keep -= 1
        self._held = rest[len(rest) - keep :]
        return [part + self._content for part in done] + [rest[: len(rest) - keep]]

    def finish(self) -> list[str]:
        return [self._held]


class FusedStripStep(DecodeStep):
    """Removes `content` up to `start` times from the front of the fused text and up to `stop` times from its end."""

    def __init__(self, content: str, start: int, stop: int) -> None:
        self._content = content
        self._start = start
        self._stop = stop
        self._held = ""

    def feed(self, tokens: list[str]) -> list[str]:
        text = self._held + "".join(tokens)
        cut = _leading(text, self._content, self._start)
        self._start = self._start - cut if cut == len(text) else 0
        text = text[cut:]
        keep = _leading(text[::-1], self._content, len(text) if self._start else self._stop)
        self._held = text[len(text) - keep :]
        return [text[: len(text) - keep]]

    def finish(self) -> list[str]:
        return [self._held[: max(len(self._held) - self._stop, 0)]]


def _leading(text: str, char: str, limit: int) -> int:
    """How often `char` stands at the front, up to `limit`."""
    count = 0
    while count < min(limit, len(text)) and text[count] == char:
        count += 1
    return count


class MetaspaceStep(DecodeStep):
    """The space mark becomes a space; in the first token it is dropped if the encoder put it there."""

    def __init__(self, replacement: str, scheme: str, fused: bool) -> None:
        self._replacement = replacement
        self._first = "" if scheme != "never" else " "
        self._later = self._first if fused else " "

    def feed(self, tokens: list[str]) -> list[str]:
        out: list[str] = []
        for token in tokens:
            out.append(token.replace(self._replacement, self._first))
            self._first = self._later
        return out


class SuffixStep(DecodeStep):
    """`BPEDecoder`: the end-of-word suffix becomes a space; it is dropped in the last token, which is held back."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._held: list[str] = []

    def feed(self, tokens: list[str]) -> list[str]:
        *done, last = [*self._held, *tokens]
        self._held = [last]
        return [token.replace(self._suffix, " ") for token in done]

    def finish(self) -> list[str]:
        return [token.replace(self._suffix, "") for token in self._held]


class WordPieceStep(DecodeStep):
    """A continuing token loses its prefix, others get a leading space; then spaces before punctuation go."""

    _CLEAN = (
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    )  # fmt: skip

    def __init__(self, prefix: str, cleanup: bool) -> None:
        self._prefix = prefix
        self._cleanup = cleanup
        self._first = True

    def feed(self, tokens: list[str]) -> list[str]:
        out: list[str] = []
        for token in tokens:
            if not self._first:
                token = token.removeprefix(self._prefix) if token.startswith(self._prefix) else " " + token
            self._first = False
            for old, new in self._CLEAN if self._cleanup else ():
                token = token.replace(old, new)
            out.append(token)
        return out


class SpaceStep(DecodeStep):
    """Without a decoder: tokens joined by spaces."""

    def __init__(self) -> None:
        self._space = ""

    def feed(self, tokens: list[str]) -> list[str]:
        out: list[str] = []
        for token in tokens:
            out += (self._space, token)
            self._space = " "
        return out


MAX_STEPS, MAX_GROWTH = 12, 64
"""Steps of a chain, which has six at most in published tokenizers, and how much longer it may make a text."""
StepFactory = Callable[[], DecodeStep]


def build_decoder(node: Fields | None) -> list[StepFactory]:
    """Makers of the steps an object of the file describes. Raises `TokenizerError`."""
    if node is None:
        return [SpaceStep]
    steps, _ = _build(node, False)
    if len(steps) > MAX_STEPS:
        raise node.error(f"has {len(steps)} steps, more than the limit of {MAX_STEPS}")
    if _growth(node) > MAX_GROWTH:
        raise node.error(f"can make a token more than {MAX_GROWTH} times as long")
    return steps


def _growth(node: Fields) -> float:
    """How many times as long the replacements of a chain can make a text."""
    match node.string("type"):
        case "Sequence":
            return math.prod(_growth(child) for child in node.objects("decoders", required=True))
        case "Replace":
            replace = build_replace(node)
            pattern = len(replace.pattern) if replace.regex is None else 1
            return max(1.0, len(replace.content) / pattern)
    return 1.0


def _build(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    kind = node.string("type")
    match kind:
        case "ByteLevel":
            return [ByteLevelStep], True
        case "Fuse":
            return [], True
        case "ByteFallback":
            whole = lambda text: "".join(_chain([ByteFallbackStep], text))  # noqa: E731
            return [(lambda: WholeStep(whole)) if fused else ByteFallbackStep], fused
        case "Replace":
            return [_replace_step(build_replace(node), fused)], fused
        case "Strip":
            content = read_character(node, "content")
            start, stop = (node.integer(key, minimum=0, maximum=MAX_ID) for key in ("start", "stop"))
            if fused:
                return [lambda: FusedStripStep(content, start, stop)], True
            return [lambda: EachStep(lambda token: _strip(token, content, start, stop))], False
        case "Metaspace":
            replacement, scheme, _ = metaspace_options(node)
            return [lambda: MetaspaceStep(replacement, scheme, fused)], fused
        case "BPEDecoder":
            suffix = node.string("suffix")
            if fused:
                return [lambda: EachStep(lambda t: t) if not suffix else FusedReplaceStep(suffix, "")], True
            return [lambda: SuffixStep(suffix)], False
        case "WordPiece":
            prefix, cleanup = node.string("prefix"), node.boolean("cleanup", default=...)
            if fused:
                raise unsupported(node, "'WordPiece' behind a decoder that fuses tokens", "type")
            return [lambda: WordPieceStep(prefix, cleanup)], False
        case "Sequence":
            steps: list[StepFactory] = []
            for child in node.objects("decoders", required=True):
                more, fused = _build(child, fused)
                steps += more
            return steps, fused
    raise unsupported(node, f"the decoder {kind[:40]!r}", "type")


def _replace_step(replace: Replace, fused: bool) -> StepFactory:
    if not fused:
        return lambda: EachStep(replace)
    if replace.regex is not None:
        return lambda: WholeStep(replace)
    return lambda: FusedReplaceStep(replace.pattern, replace.content)


def _strip(token: str, content: str, start: int, stop: int) -> str:
    left = _leading(token, content, start)
    right = _leading(token[::-1], content, stop)
    return token[left : max(len(token) - right, left)]


def _chain(factories: list[StepFactory], *tokens: str) -> list[str]:
    steps = [make() for make in factories]
    out = list(tokens)
    for step in steps:
        out = step.feed(out) + step.finish()
    return out

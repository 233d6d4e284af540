"""Steps of decoding: tokens back to text, piece by piece; decoding a whole text is a finished stream.

Every step takes tokens as they arrive and returns the text that is final; `finish` returns what it still held back. A
step after `Fuse` or `ByteLevel` sees one long token in fragments; `fused` tells it so.
"""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable

from .byte_level import token_bytes


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
        cut = leading(text, self._content, self._start)
        self._start = self._start - cut if cut == len(text) else 0
        text = text[cut:]
        keep = leading(text[::-1], self._content, len(text) if self._start else self._stop)
        self._held = text[len(text) - keep :]
        return [text[: len(text) - keep]]

    def finish(self) -> list[str]:
        return [self._held[: max(len(self._held) - self._stop, 0)]]


def leading(text: str, char: str, limit: int) -> int:
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
            out.append(without_spaces(token) if self._cleanup else token)
        return out


_SPACES = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip


def without_spaces(text: str) -> str:
    """Without the spaces before punctuation and English contractions."""
    for old, new in _SPACES:
        text = text.replace(old, new)
    return text


class RepeatStep(DecodeStep):
    """`CTC`: a token that repeats the one before is dropped, of the others `change` is kept unless it is empty."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change
        self._last: str | None = None

    def feed(self, tokens: list[str]) -> list[str]:
        out: list[str] = []
        for token in tokens:
            if token != self._last:
                out.append(self._change(token))
            self._last = token
        return list(filter(None, out))


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

"""GPT-2's byte alphabet: every byte as one printable character, so that BPE never meets an unknown one.

Radford et al. 2019, "Language Models are Unsupervised Multitask Learners": the printable bytes of Latin-1 stand for
themselves, the other 68 for U+0100 and up, in order.
"""

from __future__ import annotations

from collections.abc import Generator

from .blocks import changed

_PRINTABLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}


def _alphabet() -> str:
    spare = iter(range(0x100, 0x200))
    return "".join(chr(byte if byte in _PRINTABLE else next(spare)) for byte in range(256))


ALPHABET = _alphabet()  # index: byte
_FROM_LATIN = str.maketrans({byte: char for byte, char in enumerate(ALPHABET) if ord(char) != byte})
_TO_LATIN = {ord(char): byte for byte, char in enumerate(ALPHABET)}


def to_byte_characters(text: str) -> str:
    """The UTF-8 bytes of `text` in the alphabet."""
    return text.encode().decode("latin-1").translate(_FROM_LATIN)


def byte_character_steps(text: str) -> Generator[None, None, str]:
    """`to_byte_characters` of a long text in steps."""
    return changed(text, to_byte_characters)


def token_bytes(token: str) -> bytes:
    """The bytes a token stands for; a token with a character outside the alphabet stands for its own UTF-8."""
    try:
        return bytes([_TO_LATIN[ord(char)] for char in token])
    except KeyError:
        return token.encode()

"""A tokenizer: text to ids and back, from `tokenizer.json` or from GGUF metadata.

Ids equal those of Hugging Face's `tokenizers`, in the same order of steps: added tokens are cut out, the rest is
normalised, split into words, encoded by BPE, and put into the post-processor's template. A file's `truncation` and
`padding` are not applied: they are up to the code that makes batches.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..formats.source import Source
from ..progress import to_end
from ..schema.fields import shown
from .byte_level import to_byte_characters
from .parts import TokenizerParts
from .pretokenize import map_bytes
from .prompt import Prompt
from .stream import StreamDecoder
from .tokenizer_fields import MAX_ID
from .tokenizer_gguf import read_tokenizer_gguf
from .tokenizer_json import read_tokenizer_json

PIECES, LONG = 512, 4096
"""Words of one step, and characters of a word that takes several."""


class Tokenizer:
    """Made by `Tokenizer.from_json` or `Tokenizer.from_gguf`; immutable, apart from a bounded cache of words.

    `notices`: what the user should know about the file, in sentences.
    """

    def __init__(self, parts: TokenizerParts) -> None:
        self._model = parts.model
        self._added = parts.added
        self._normalize = parts.normalizer
        self._template = parts.template
        self._decoder = parts.decoder
        self.notices = parts.notices
        steps = list(parts.pre_tokenizer)
        self._maps_bytes = bool(steps) and steps[-1] is map_bytes
        self._steps = steps[:-1] if self._maps_bytes else steps  # bytes are mapped word by word, after the cache
        self._words: dict[str, tuple[int, ...]] = {}
        self._tokens: dict[int, str] = {i: token for token, i in parts.model.vocab.items()}
        self._tokens.update(parts.added.decoded)
        self._skipped = frozenset(i for i, t in parts.added.decoded.items() if t in parts.added.special_contents)

    @classmethod
    def from_json(cls, source: Source | bytes | bytearray | memoryview | str | Mapping[str, Any]) -> Tokenizer:
        """From `tokenizer.json`: a source, the file's bytes or text, or the parsed object.

        Raises `TokenizerError` with the file and the JSON path.
        """
        return cls(read_tokenizer_json(source))

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, Any], where: str = "GGUF metadata") -> Tokenizer:
        """From the `tokenizer.ggml.*` entries of a GGUF file. Raises `TokenizerError` with the metadata key."""
        return cls(read_tokenizer_gguf(metadata, where))

    @property
    def vocab_size(self) -> int:
        """The number of tokens, added ones included."""
        return len(self._tokens)

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of the special tokens, which `decode` leaves out by default."""
        return self._added.special_ids

    def token_to_id(self, token: str) -> int | None:
        """The id of a token in its stored form (byte-level alphabet and all), or `None`."""
        added = self._added.ids.get(token)
        return self._model.vocab.get(token) if added is None else added

    def id_to_token(self, token_id: int) -> str | None:
        """The stored form of an id's token, or `None`."""
        return self._tokens.get(token_id)

    def special_tokens_in(self, texts: Iterable[str]) -> dict[int, str]:
        """Special tokens that are written out in some texts: id → token."""
        special = {token: i for i, token in self._added.decoded.items() if i in self._skipped}
        return {i: token for token, i in special.items() if any(token in text for text in texts)} if texts else {}

    def encode(self, text: str | Prompt, add_special_tokens: bool = True, *, parse_special: bool = True) -> list[int]:
        """The ids of `text`.

        **Arguments:**

        - `text`: any Unicode text, or a `Prompt`, of which some parts may be literal. Half surrogate pairs are an
          `InputError`: they have no UTF-8.
        - `add_special_tokens`: put what the file's post-processor asks for (such as `<s>`) around the ids.
        - `parse_special`: whether special tokens written out in the text become those tokens. Set to `False` for
          text that must not be able to end a turn.
        """
        return to_end(self.encode_steps(text, add_special_tokens, parse_special=parse_special))

    def encode_steps(
        self, text: str | Prompt, add_special_tokens: bool = True, *, parse_special: bool = True
    ) -> Generator[None, None, list[int]]:
        """`encode` in steps of some milliseconds, between which one may stop."""
        literal: bytes | None = None
        if isinstance(text, Prompt):
            literal, text = text.marks if 1 in text.marks else None, text.text
        _check_text(text)
        if not parse_special:
            literal = b"\1" * len(text)
        ids: list[int] = []
        encode = self._part_steps
        for start, end, token_id in self._added.raw.split(text, literal):
            if token_id is not None:
                ids.append(token_id)
                continue
            part, kept = self._normalize(text[start:end])
            if not self._added.cooked:
                yield from encode(part, kept and start == 0, ids)
                continue
            inner = None if literal is None else self._normalized_marks(text[start:end], part, literal[start:end])
            for left, right, inner_id in self._added.cooked.split(part, inner):
                if inner_id is not None:
                    ids.append(inner_id)
                else:
                    yield from encode(part[left:right], kept and start == 0 and left == 0, ids)
        if self._template == [None]:
            return ids
        frame = [part for part in self._template if part is None or add_special_tokens]
        return [token_id for part in frame for token_id in (ids if part is None else part)]

    def encode_prompt(self, prompt: str | Prompt, end_ids: Collection[int] = ()) -> list[int]:
        """The result of `prompt_steps`."""
        return to_end(self.prompt_steps(prompt, end_ids))

    def prompt_steps(self, prompt: str | Prompt, end_ids: Collection[int] = ()) -> Generator[None, None, list[int]]:
        """The ids of a text that is to be continued.

        What the file puts before a text (such as `<s>`) comes once, also where the prompt begins with it already. What
        it puts behind a text comes without `end_ids`: the text has not ended.
        """
        ids = yield from self.encode_steps(prompt, add_special_tokens=False)
        place = self._template.index(None) if None in self._template else len(self._template)
        before = [i for part in self._template[:place] for i in part or ()]
        behind = [i for part in self._template[place + 1 :] for i in part or () if i not in end_ids]
        return [*([] if ids[: len(before)] == before else before), *ids, *behind]

    def _normalized_marks(self, text: str, normalized: str, literal: bytes) -> bytes:
        """`literal` of a text as that of its normalised form; all of it where the two do not correspond."""
        if text == normalized or 1 not in literal:
            return literal if text == normalized else bytes(len(normalized))
        pieces = [(self._normalize(part.text)[0], part.literal) for part in Prompt.of_marks(text, literal).parts]
        if "".join(piece for piece, _ in pieces) != normalized:
            return b"\1" * len(normalized)
        return b"".join((b"\1" if marked else b"\0") * len(piece) for piece, marked in pieces)

    def _part_steps(self, text: str, at_start: bool, ids: list[int]) -> Generator[None, None, None]:
        """Append the ids of a text that holds no added tokens."""
        pieces = [text] if text else []
        for step in self._steps:
            pieces, at_start = step(pieces, at_start)
            if "" in pieces:
                pieces = [piece for piece in pieces if piece]
            yield
        words = self._words
        encode = self._encode_word if self._maps_bytes else self._model.encode
        for first in range(0, len(pieces), PIECES):
            for piece in pieces[first : first + PIECES]:
                if len(piece) > LONG:
                    mapped = to_byte_characters(piece) if self._maps_bytes else piece
                    ids.extend((yield from self._model.encode_steps(mapped)))
                else:
                    cached = words.get(piece)
                    ids.extend(cached if cached is not None else encode(piece))
            yield

    def _encode_word(self, piece: str) -> tuple[int, ...]:
        ids = self._model.encode(to_byte_characters(piece))
        if len(piece) <= 64:
            if len(self._words) >= 20_000:
                self._words.clear()
            self._words[piece] = ids
        return ids

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of `ids`. Bytes that are no UTF-8 become U+FFFD; an id without a token is no text."""
        stream = self.decoder(skip_special_tokens)
        return stream.add_all(ids) + stream.finish()

    def decoder(self, skip_special_tokens: bool = True) -> StreamDecoder:
        """A decoder for ids that come one at a time; what it returns adds up to `decode` of all of them."""
        tokens = self._tokens
        skipped = self._skipped if skip_special_tokens else frozenset()

        def token_of(token_id: int, position: int) -> str | None:
            try:
                token = tokens[token_id]
            except (KeyError, TypeError):
                if not isinstance(token_id, (int, np.integer)) or not 0 <= token_id <= MAX_ID:
                    raise InputError(
                        f"expected a token id, got {shown(token_id)}",
                        where=f"ids[{position}]",
                        remedy="Decode ids with the tokenizer that made them.",
                    ) from None
                return None  # embeddings often have more rows than there are tokens
            return None if token_id in skipped else token

        return StreamDecoder(token_of, self._decoder)


def _check_text(text: str) -> None:
    if not isinstance(text, str):
        raise InputError(f"must be a string, but is {type(text).__name__}", where="text")
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"half of a surrogate pair (U+{ord(text[error.start]):04X}) stands alone",
            where=f"text, character {error.start}",
            remedy="Decode the text properly, or replace such characters by U+FFFD.",
        ) from None

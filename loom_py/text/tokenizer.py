"""A tokenizer: text to ids and back, from `tokenizer.json` or from GGUF metadata.

Ids equal those of Hugging Face's `tokenizers`, in the same order of steps: added tokens are cut out, the rest is
normalised, split into words, encoded by the model, and framed by the post-processor. A file's `truncation` and
`padding` apply to batches only: a prompt is never cut.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..formats.source import Source
from ..progress import to_end
from ..schema.fields import shown
from .added_tokens import AddedToken
from .batch_options import Padding, Truncation
from .byte_level import byte_character_steps, to_byte_characters
from .encoding import Batch, Encoding
from .parts import TokenizerParts
from .postprocess import Frame
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

    - `truncation`, `padding`: what the file says about batches, or None.
    - `notices`: what the user should know about the file, in sentences.
    """

    def __init__(self, parts: TokenizerParts) -> None:
        self._model = parts.model
        self._added = parts.added
        self._normalize = parts.normalizer
        self._frames = parts.frames
        self._parse_special = parts.parse_special
        self._decoder = parts.decoder
        self.truncation = parts.truncation
        self.padding = parts.padding
        self.notices = parts.notices
        steps = list(parts.pre_tokenizer)
        self._maps_bytes = bool(steps) and steps[-1] is map_bytes
        self._steps = steps[:-1] if self._maps_bytes else steps  # bytes are mapped word by word, after the cache
        self._words: dict[str, tuple[int, ...]] = {}
        self._tokens: dict[int, str] = dict(parts.model.tokens)
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

    @property
    def added_tokens(self) -> Mapping[int, AddedToken]:
        """The tokens that are searched for in a text before its words, by id."""
        return self._added.by_id

    @property
    def model_tokens(self) -> Mapping[int, str]:
        """The tokens of the model alone, by id."""
        return self._model.tokens

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

    def encode(
        self, text: str | Prompt, add_special_tokens: bool = True, *, parse_special: bool | None = None
    ) -> list[int]:
        """The ids of `text`.

        **Arguments:**

        - `text`: any Unicode text, or a `Prompt`, of which some parts may be literal. Half surrogate pairs are an
          `InputError`: they have no UTF-8.
        - `add_special_tokens`: put what the file's post-processor asks for (such as `<s>`) around the ids.
        - `parse_special`: whether special tokens written out in the text become those tokens. Set to `False` for
          text that must not be able to end a turn. Unless given they do in a `Prompt`, and in other text where the
          library of the file's format does so: SentencePiece does not.
        """
        return to_end(self.encode_steps(text, add_special_tokens, parse_special=parse_special))

    def encode_steps(
        self, text: str | Prompt, add_special_tokens: bool = True, *, parse_special: bool | None = None
    ) -> Generator[None, None, list[int]]:
        """`encode` in steps of some milliseconds, between which one may stop."""
        ids = yield from self._text_steps(text, parse_special)
        frame = self._frames.frame(False, add_special_tokens)
        return ids if len(frame) == 1 and frame[0].ids is None else _framed(frame, [ids]).ids

    def encode_pair(
        self, text: str | Prompt, pair: str | Prompt | None = None, add_special_tokens: bool = True, *,
        parse_special: bool | None = None,
    ) -> Encoding:  # fmt: skip
        """The ids of one text or of two, with the type of each, in the file's frame. Nothing is cut.

        Raises `InputError` where the file cannot put two texts together; see `encode`.
        """
        return to_end(self.row_steps((text, pair), None, add_special_tokens, parse_special))

    def encode_batch(
        self,
        inputs: Sequence[str | Prompt | tuple[str | Prompt, str | Prompt]],
        add_special_tokens: bool = True,
        *,
        truncation: Truncation | None = None,
        padding: Padding | None = None,
        parse_special: bool | None = None,
    ) -> Batch:
        """Many texts, or pairs of texts, as rows of equal length. See `encode`.

        **Arguments:**

        - `truncation`, `padding`: how rows are cut and filled up; as the file says unless given. Where it says nothing,
          no row is cut, and the filling is `[PAD]` or `<pad>`, or else the token 0.
        """
        steps = self.batch_steps(
            inputs, add_special_tokens, truncation=truncation, padding=padding, parse_special=parse_special
        )
        return to_end(steps)

    def batch_steps(
        self,
        inputs: Sequence[str | Prompt | tuple[str | Prompt, str | Prompt]],
        add_special_tokens: bool = True,
        *,
        truncation: Truncation | None = None,
        padding: Padding | None = None,
        parse_special: bool | None = None,
    ) -> Generator[None, None, Batch]:
        """`encode_batch` in steps of some milliseconds, between which one may stop."""
        rows: list[Encoding] = []
        for texts in inputs:
            pair = texts if isinstance(texts, tuple) else (texts, None)
            cut = truncation or self.truncation
            rows.append((yield from self.row_steps(pair, cut, add_special_tokens, parse_special)))
        return Batch.of(rows, padding or self.padding or Padding(self._pad_id()))

    def _pad_id(self) -> int:
        ids = (self.token_to_id(token) for token in ("[PAD]", "<pad>"))
        return next((i for i in ids if i is not None), 0)

    def row_steps(
        self,
        texts: tuple[str | Prompt, str | Prompt | None],
        truncation: Truncation | None = None,
        add_special_tokens: bool = True,
        parse_special: bool | None = None,
    ) -> Generator[None, None, Encoding]:
        """`encode_pair` in steps, cut only as `truncation` says."""
        pair = texts[1] is not None
        frame = self._frames.frame(pair, add_special_tokens)
        ids: list[list[int]] = []
        for text in texts:
            if text is not None:
                ids.append((yield from self._text_steps(text, parse_special)))
        if truncation is not None:
            ids = truncation.cut(ids, self._frames.added[pair] if add_special_tokens else 0)
        return _framed(frame, ids)

    def _text_steps(
        self, text: str | Prompt, parse_special: bool | None, most: float = math.inf
    ) -> Generator[None, None, list[int]]:
        """The ids of a text without its frame; once there are more than `most`, the rest is left out."""
        literal: bytes | None = None
        if parse_special is None:
            parse_special = self._parse_special or isinstance(text, Prompt)
        if isinstance(text, Prompt):
            literal, text = text.marks if 1 in text.marks else None, text.text
        _check_text(text)
        if not parse_special:
            literal = b"\1" * len(text)
        ids: list[int] = []
        encode = self._part_steps
        for start, end, token_id in self._added.raw.split(text, literal):
            if len(ids) > most:
                break
            if start == end or not len(ids) % PIECES:
                yield
            if start == end:
                continue
            if token_id is not None:
                ids.append(token_id)
                continue
            part, kept = yield from self._normalize(text[start:end])
            if not self._added.cooked:
                yield from encode(part, kept and start == 0, ids, most)
                continue
            inner = None
            if literal is not None:
                inner = yield from self._normalized_marks(text[start:end], part, literal[start:end])
            for left, right, inner_id in self._added.cooked.split(part, inner):
                if len(ids) > most:
                    break
                if left == right or not len(ids) % PIECES:
                    yield
                if left == right:
                    continue
                if inner_id is not None:
                    ids.append(inner_id)
                else:
                    yield from encode(part[left:right], kept and start == 0 and left == 0, ids, most)
        return ids

    def encode_prompt(self, prompt: str | Prompt, end_ids: Collection[int] = ()) -> list[int]:
        """The result of `prompt_steps`."""
        return to_end(self.prompt_steps(prompt, end_ids))

    def prompt_steps(
        self, prompt: str | Prompt, end_ids: Collection[int] = (), most: float = math.inf
    ) -> Generator[None, None, list[int]]:
        """The ids of a text that is to be continued.

        What the file puts before a text (such as `<s>`) comes once: where the prompt begins with the first of it,
        nothing is added. What it puts behind a text comes without `end_ids`: the text has not ended. Of a text with
        more than `most` ids the result has more than that too, but not all: what nobody can use is not encoded.
        """
        ids = yield from self._text_steps(prompt, True, most)
        frame = self._frames.frame(False, True)
        place = next((i for i, part in enumerate(frame) if part.ids is None), len(frame))
        before = [i for part in frame[:place] for i in part.ids or ()]
        behind = [i for part in frame[place + 1 :] for i in part.ids or () if i not in end_ids]
        return [*([] if ids[:1] == before[:1] else before), *ids, *behind]

    def _normalized_marks(self, text: str, normalized: str, literal: bytes) -> Generator[None, None, bytes]:
        """`literal` of a text as that of its normalised form; all of it where the two do not correspond."""
        if text == normalized or 1 not in literal:
            return literal if text == normalized else bytes(len(normalized))
        pieces: list[tuple[str, bool]] = []
        for part in Prompt.of_marks(text, literal).parts:
            mapped, _ = yield from self._normalize(part.text)
            pieces.append((mapped, part.literal))
            yield
        if "".join(piece for piece, _ in pieces) != normalized:
            return b"\1" * len(normalized)
        return b"".join((b"\1" if marked else b"\0") * len(piece) for piece, marked in pieces)

    def _part_steps(self, text: str, at_start: bool, ids: list[int], most: float) -> Generator[None, None, None]:
        """Append the ids of a text that holds no added tokens, until there are more than `most`."""
        pieces = [text] if text else []
        for step in self._steps:
            pieces, at_start = yield from step(pieces, at_start)
            if "" in pieces:
                pieces = [piece for piece in pieces if piece]
            yield
        words = self._words
        encode = self._encode_word if self._maps_bytes else self._model.encode
        for first in range(0, len(pieces), PIECES):
            for piece in pieces[first : first + PIECES]:
                if len(piece) > LONG:
                    mapped = (yield from byte_character_steps(piece)) if self._maps_bytes else piece
                    ids.extend((yield from self._model.encode_steps(mapped)))
                else:
                    cached = words.get(piece)
                    ids.extend(cached if cached is not None else encode(piece))
            if len(ids) > most:
                return
            yield

    def _encode_word(self, piece: str) -> tuple[int, ...]:
        if len(piece) > 64:
            return self._model.encode(to_byte_characters(piece))
        ids = self._model.encode_word(to_byte_characters(piece))
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


def _framed(frame: Frame, texts: Sequence[list[int]]) -> Encoding:
    parts = [(part, texts[part.text] if part.ids is None else part.ids) for part in frame]
    ids = [token_id for _, part_ids in parts for token_id in part_ids]
    return Encoding(ids, [part.type_id for part, part_ids in parts for _ in part_ids])


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

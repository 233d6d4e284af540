"""Post-processors of `tokenizer.json`: the special tokens around one text or two, and the type of every token.

In `tokenizers` a post-processor takes a list of encodings and returns one, which the next goes on with; here the
encodings are parts of a frame, computed once: fixed ids, and the places of the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..schema.fields import Fields, is_whole
from .tokenizer_fields import MAX_ID, unsupported

MAX_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """- `ids`: fixed ids, or None where a text's own go.
    - `text`: which text, 0 or 1.
    - `type_id`: of all these tokens.
    """

    ids: tuple[int, ...] | None
    text: int = 0
    type_id: int = 0


Frame = Sequence[Part]


@dataclass(frozen=True, slots=True)
class Frames:
    """What stands around one text and around two, with special tokens and without.

    - `frames`: (two texts, special tokens) → the frame; None where the file has none.
    - `added`: how many special tokens one text and two get, by which they are truncated.
    """

    frames: Mapping[tuple[bool, bool], Frame | None]
    added: tuple[int, int]

    def frame(self, pair: bool, special: bool) -> Frame:
        """Raises `InputError` where the file cannot frame two texts."""
        frame = self.frames[pair, special]
        if frame is None:
            raise InputError(
                "the tokenizer's post-processor does not say how two texts are put together",
                where="pair",
                remedy="Encode one text, or use the tokenizer of a model for pairs of texts.",
            )
        return frame


@dataclass(frozen=True, slots=True)
class _Processor:
    """- `process`: (encodings, whether special tokens are added) → encodings; None for a number it has no rule for.
    - `added`: how many special tokens it gives one text and two.
    """

    process: Callable[[list[Frame], bool], list[Frame] | None]
    added: tuple[int, int] = field(default=(0, 0))


def framing(before: Sequence[int], behind: Sequence[int]) -> Frames:
    """Ids before and behind each text; the second is of type 1."""
    whole = [(Part(tuple(before), i, i), Part(None, i, i), Part(tuple(behind), i, i)) for i in (0, 1)]
    bare = [(Part(None, i, i),) for i in (0, 1)]
    frames: dict[tuple[bool, bool], Frame | None] = {}
    for special, each in ((True, whole), (False, bare)):
        frames[False, special] = each[0]
        frames[True, special] = each[0] + each[1]
    count = len(before) + len(behind)
    return Frames(frames, (count, 2 * count))


def bert_frames(cls: int, sep: int) -> Frames:
    """BERT's: `[CLS] A [SEP]`, then `B [SEP]` of type 1."""
    return _frames(_bert(cls, sep))


def build_post_processor(node: Fields | None) -> Frames:
    """The frames an object of the file describes (the bare texts for `null`). Raises `TokenizerError`."""
    if node is None:
        return framing((), ())
    frames = _frames(_build(node))
    if frames.frames[False, True] is None or frames.frames[False, False] is None:
        raise node.error("the processors do not fit together for one text")
    if any(len(frame or ()) > MAX_PARTS for frame in frames.frames.values()):
        raise node.error(f"makes a template of more than {MAX_PARTS} parts")
    return frames


def _frames(processor: _Processor) -> Frames:
    frames: dict[tuple[bool, bool], Frame | None] = {}
    for pair in (False, True):
        for special in (True, False):
            texts: list[Frame] = [(Part(None, i, i),) for i in range(1 + pair)]
            encodings = processor.process(texts, special)
            frames[pair, special] = None if encodings is None else [part for frame in encodings for part in frame]
    return Frames(frames, processor.added)


def _build(node: Fields) -> _Processor:
    kind = node.string("type")
    if kind not in _TYPES:
        raise unsupported(node, f"the post-processor {kind[:40]!r}", "type")
    return _TYPES[kind](node)


def _byte_level(node: Fields) -> _Processor:
    """It only trims offsets, which are not kept here."""
    return _Processor(lambda encodings, special: encodings)


def _bert(cls: int, sep: int) -> _Processor:
    def process(encodings: list[Frame], special: bool) -> list[Frame]:
        if not special:
            return encodings
        first, *others = encodings
        return [
            (Part((cls,)), *first, Part((sep,))),
            *((*frame, Part((sep,), type_id=1)) for frame in others),
        ]

    return _Processor(process, (2, 3))


def _roberta(node: Fields) -> _Processor:
    """`<s> A </s>`, then `</s> B </s>`, all of type 0."""
    cls, sep = _pair(node, "cls"), _pair(node, "sep")

    def process(encodings: list[Frame], special: bool) -> list[Frame]:
        frames = [tuple(Part(part.ids, part.text) for part in frame) for frame in encodings]
        if not special:
            return [*frames]
        return [(Part((sep if i else cls,)), *frame, Part((sep,))) for i, frame in enumerate(frames)]

    return _Processor(process, (2, 4))


def _pair(node: Fields, key: str) -> int:
    """The id of a `["<s>", 0]` field."""
    pair = node.array(key)
    if len(pair) != 2 or type(pair[0]) is not str or not is_whole(pair[1], exact=True) or not 0 <= pair[1] <= MAX_ID:
        raise node.error("expected an array of a token and its id", key)
    return pair[1]


def _template(node: Fields) -> _Processor:
    specials = node.object("special_tokens")
    single, pair = _pieces(node, "single", specials), _pieces(node, "pair", specials)
    for piece, _ in single:
        if piece.text and piece.ids is None:
            place = next(i for i, (other, _) in enumerate(single) if other is piece)
            raise node.error("the template for one text names the second text", "single", place, "Sequence", "id")

    def process(encodings: list[Frame], special: bool) -> list[Frame] | None:
        if len(encodings) not in (1, 2):
            return None
        pieces = single if len(encodings) == 1 else pair
        frames: list[Frame] = []
        for piece, fixed in pieces:
            if not fixed:
                frames.append([Part(part.ids, part.text, piece.type_id) for part in encodings[piece.text]])
            elif special:
                frames.append((piece,))
        return frames

    added = [sum(len(piece.ids or ()) for piece, _ in pieces) for pieces in (single, pair)]
    return _Processor(process, (added[0], added[1]))


def _pieces(node: Fields, key: str, specials: Fields) -> list[tuple[Part, bool]]:
    """The pieces of a template, and whether each is a special token."""
    pieces: list[tuple[Part, bool]] = []
    nodes = node.objects(key, required=key == "single")
    if len(nodes) > MAX_PARTS:
        raise node.error(f"has more than {MAX_PARTS} parts", key)
    for piece in nodes:
        if set(piece.values) == {"Sequence"}:
            inner = piece.object("Sequence")
            text = ("A", "B").index(inner.string("id", choices=("A", "B")))
            pieces.append((Part(None, text, _type_id(inner)), False))
        elif set(piece.values) == {"SpecialToken"}:
            inner = piece.object("SpecialToken")
            name = inner.string("id")
            if name not in specials.values:
                raise piece.error(f"names {name[:40]!r}, which special_tokens does not have", "SpecialToken", "id")
            ids = specials.object(name).integers("ids", maximum=MAX_ID)
            pieces.append((Part(tuple(ids), type_id=_type_id(inner)), True))
        else:
            raise piece.error("expected a 'Sequence' or a 'SpecialToken'")
    return pieces


def _type_id(node: Fields) -> int:
    return node.integer("type_id", default=0, minimum=0, maximum=MAX_ID)


def _sequence(node: Fields) -> _Processor:
    processors = [_build(child) for child in node.objects("processors", required=True)]

    def process(encodings: list[Frame], special: bool) -> list[Frame] | None:
        for i, processor in enumerate(processors):
            result = processor.process(encodings, special)
            if result is None:
                return None
            encodings = result
            if sum(map(len, encodings)) > MAX_PARTS:
                raise node.error(f"makes a template of more than {MAX_PARTS} parts", "processors", i)
        return encodings

    return _Processor(process, (sum(p.added[0] for p in processors), sum(p.added[1] for p in processors)))


_TYPES: dict[str, Callable[[Fields], _Processor]] = {
    "BertProcessing": lambda node: _bert(_pair(node, "cls"), _pair(node, "sep")),
    "ByteLevel": _byte_level,
    "RobertaProcessing": _roberta,
    "Sequence": _sequence,
    "TemplateProcessing": _template,
}

"""The decoders of `tokenizer.json`, by their `type`: tokens back to text."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..schema.fields import Fields
from .decode_steps import (
    ByteFallbackStep,
    ByteLevelStep,
    DecodeStep,
    EachStep,
    FusedReplaceStep,
    FusedStripStep,
    MetaspaceStep,
    RepeatStep,
    SpaceStep,
    SuffixStep,
    WholeStep,
    WordPieceStep,
    leading,
    without_spaces,
)
from .normalize import Replace, build_replace
from .pretokenize import metaspace_options
from .tokenizer_fields import MAX_ID, read_character, unsupported

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
    """The steps, and whether one long token comes out; `fused`: whether one goes in."""
    kind = node.string("type")
    if kind not in _TYPES:
        raise unsupported(node, f"the decoder {kind[:40]!r}", "type")
    return _TYPES[kind](node, fused)


def _byte_fallback(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    whole = lambda text: "".join(_chain([ByteFallbackStep], text))  # noqa: E731
    return [(lambda: WholeStep(whole)) if fused else ByteFallbackStep], fused


def _strip_step(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    content = read_character(node, "content")
    start, stop = (node.integer(key, minimum=0, maximum=MAX_ID) for key in ("start", "stop"))
    if fused:
        return [lambda: FusedStripStep(content, start, stop)], True
    return [lambda: EachStep(lambda token: _strip(token, content, start, stop))], False


def _metaspace(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    replacement, scheme, _ = metaspace_options(node)
    return [lambda: MetaspaceStep(replacement, scheme, fused)], fused


def _suffix(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    suffix = node.string("suffix")
    if fused:
        return [lambda: EachStep(lambda t: t) if not suffix else FusedReplaceStep(suffix, "")], True
    return [lambda: SuffixStep(suffix)], False


def _wordpiece(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    prefix, cleanup = node.string("prefix"), node.boolean("cleanup", default=...)
    if fused:
        return [lambda: WholeStep(without_spaces)] if cleanup else [], True
    return [lambda: WordPieceStep(prefix, cleanup)], False


def _ctc(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    """Connectionist temporal classification (Graves et al. 2006): repeats and the padding between them go."""
    pad, delimiter = node.string("pad_token"), node.string("word_delimiter_token")
    cleanup = node.boolean("cleanup", default=...)
    for key, text in (("pad_token", pad), ("word_delimiter_token", delimiter)):
        if not text:
            raise node.error("is empty", key)

    def change(token: str) -> str:
        token = token.replace(pad, "")
        return without_spaces(token).replace(delimiter, " ") if cleanup else token

    return [(lambda: WholeStep(change)) if fused else (lambda: RepeatStep(change))], fused


def _sequence(node: Fields, fused: bool) -> tuple[list[StepFactory], bool]:
    steps: list[StepFactory] = []
    for child in node.objects("decoders", required=True):
        more, fused = _build(child, fused)
        steps += more
    return steps, fused


def _replace_step(replace: Replace, fused: bool) -> StepFactory:
    if not fused:
        return lambda: EachStep(replace)
    if replace.regex is not None:
        return lambda: WholeStep(replace)
    return lambda: FusedReplaceStep(replace.pattern, replace.content)


def _strip(token: str, content: str, start: int, stop: int) -> str:
    left = leading(token, content, start)
    right = leading(token[::-1], content, stop)
    return token[left : max(len(token) - right, left)]


def _chain(factories: list[StepFactory], *tokens: str) -> list[str]:
    steps = [make() for make in factories]
    out = list(tokens)
    for step in steps:
        out = step.feed(out) + step.finish()
    return out


_TYPES: dict[str, Callable[[Fields, bool], tuple[list[StepFactory], bool]]] = {
    "BPEDecoder": _suffix,
    "ByteFallback": _byte_fallback,
    "ByteLevel": lambda node, fused: ([ByteLevelStep], True),
    "CTC": _ctc,
    "Fuse": lambda node, fused: ([], True),
    "Metaspace": _metaspace,
    "Replace": lambda node, fused: ([_replace_step(build_replace(node), fused)], fused),
    "Sequence": _sequence,
    "Strip": _strip_step,
    "WordPiece": _wordpiece,
}

"""The models of `tokenizer.json`, by their `type`: words to ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..schema.fields import Fields, is_number, json_type, range_fault, shown
from .bpe import BPE, BPEOptions
from .tokenizer_fields import MAX_ID, unsupported
from .unigram import Unigram, UnigramOptions
from .word_level import WordLevel
from .word_model import WordModel
from .wordpiece import WordPiece


def build_model(node: Fields) -> WordModel:
    """The model an object of the file describes. Raises `TokenizerError`."""
    kind = node.string("type", default=_unnamed(node))
    if kind not in _TYPES:
        raise unsupported(node, f"the model {kind[:40]!r}", "type")
    return _TYPES[kind](node)


def _unnamed(node: Fields) -> str:
    """The type of a model in a file from before there were types."""
    if node.has("merges"):
        return "BPE"
    if isinstance(node.values.get("vocab"), (list, tuple)):
        return "Unigram"
    return "WordPiece" if node.has("continuing_subword_prefix") else "BPE"


def _bpe(node: Fields) -> BPE:
    if node.has("dropout") and node.values["dropout"] != 0:
        raise unsupported(node, "dropout", "dropout")
    vocab = _vocab(node)
    options = BPEOptions(
        unk_token=node.string("unk_token", default=None),
        continuing_subword_prefix=node.string("continuing_subword_prefix", default=""),
        end_of_word_suffix=node.string("end_of_word_suffix", default=""),
        fuse_unk=node.boolean("fuse_unk"),
        byte_fallback=node.boolean("byte_fallback"),
        ignore_merges=node.boolean("ignore_merges"),
    )
    merges, places = _merges(node)
    return BPE(vocab, merges, options, lambda rank: node.at("merges", places[rank]))


def _vocab(node: Fields) -> Mapping[str, int]:
    vocab = node.object("vocab").values
    if set(map(type, vocab.values())) - {int} or set(map(type, vocab)) - {str}:
        token, value = next((t, v) for t, v in vocab.items() if type(v) is not int or type(t) is not str)
        raise node.error(f"expected a whole number, got {json_type(value)}", "vocab", str(token)[:80])
    if vocab and (min(vocab.values()) < 0 or max(vocab.values()) > MAX_ID):
        token = next(t for t, v in vocab.items() if not 0 <= v <= MAX_ID)
        raise node.error(range_fault(vocab[token], minimum=0, maximum=MAX_ID), "vocab", token[:80])
    if len(set(vocab.values())) != len(vocab):
        seen: dict[int, str] = {}
        for token, token_id in vocab.items():
            if token_id in seen:
                raise node.error(f"the id {token_id} is already that of {seen[token_id][:40]!r}", "vocab", token[:80])
            seen[token_id] = token
    return vocab


def _merges(node: Fields) -> tuple[list[tuple[str, str]], range | list[int]]:
    """The merges as pairs, and the index of each in the file."""
    items = node.array("merges")
    if all(type(item) is str for item in items):
        kept = [i for i, item in enumerate(items) if not item.startswith("#version")]
        merges = [tuple(items[i].split(" ")) for i in kept]
        if set(map(len, merges)) - {2}:
            bad = next(i for i, merge in zip(kept, merges, strict=True) if len(merge) != 2)
            raise node.error("expected two tokens with one space between", "merges", bad)
        return merges, kept  # type: ignore[return-value]  # all of length 2, as checked above
    for i, item in enumerate(items):
        if not isinstance(item, (list, tuple)) or len(item) != 2 or not type(item[0]) is type(item[1]) is str:
            raise node.error("expected an array of two tokens (as all the others, or none)", "merges", i)
    return items, range(len(items))  # type: ignore[return-value]  # pairs of strings, as checked above


def _wordpiece(node: Fields) -> WordPiece:
    return WordPiece(
        _vocab(node),
        node.string("unk_token"),
        node.string("continuing_subword_prefix"),
        node.integer("max_input_chars_per_word", minimum=0, maximum=MAX_ID),
        node.at("unk_token"),
    )


def _word_level(node: Fields) -> WordLevel:
    return WordLevel(_vocab(node), node.string("unk_token"), node.at("unk_token"))


def _unigram(node: Fields) -> Unigram:
    entries = node.array("vocab")
    tokens: list[str] = []
    scores: list[float] = []
    for i, entry in enumerate(entries):
        if not isinstance(entry, (list, tuple)) or len(entry) != 2 or type(entry[0]) is not str:
            raise node.error("expected an array of a token and its score", "vocab", i)
        if not is_number(entry[1]) or not abs(entry[1]) < _MAX_SCORE:
            got = shown(entry[1]) if is_number(entry[1]) else json_type(entry[1])
            raise node.error(f"expected a finite number, got {got}", "vocab", i, 1)
        tokens.append(entry[0])
        scores.append(float(entry[1]))
    unk_id = node.integer("unk_id", default=None, minimum=0, maximum=MAX_ID)
    if unk_id is not None and unk_id >= len(tokens):
        raise node.error(f"{unk_id} is not the place of one of the {len(tokens)} tokens", "unk_id")
    return Unigram(tokens, scores, UnigramOptions(unk_id, node.boolean("byte_fallback"), where=node.at("unk_id")))


_MAX_SCORE = 1e30
_TYPES: dict[str, Callable[[Fields], WordModel]] = {
    "BPE": _bpe,
    "Unigram": _unigram,
    "WordLevel": _word_level,
    "WordPiece": _wordpiece,
}

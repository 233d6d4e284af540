"""WordPiece, Unigram and WordLevel, and the parts that go with them, against `tokenizers` on nasty and random texts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

from loom_py.errors import TokenizerError
from loom_py.progress import to_end
from loom_py.text.tokenizer import Tokenizer
from loom_py.text.unicode_tables import named_set
from loom_py.text.unigram import Unigram, UnigramOptions
from loom_py.text.wordpiece import WordPiece
from tools.charsmap import charsmap

from .oracle import NASTY_STRINGS, SURROGATE_FREE, TEXTS, Pair
from .test_tokenizer_fixtures import unpacked
from .test_tokenizer_trained import BYTES, CORPUS

Options = dict[str, Any]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ENDS = [("[CLS]", 2), ("[SEP]", 3)]


@cache
def real_charsmap() -> bytes:
    """SentencePiece's nmt_nfkc."""
    document = json.loads(unpacked("unigram-precompiled.json"))
    return base64.b64decode(document["normalizer"]["normalizers"][0]["precompiled_charsmap"])


def own_charsmap() -> bytes:
    entries = {char: "xyz"[i % 3] * (i % 3) for i, char in enumerate("ae©®ⅷक\u0301\u200d\r\u0600漢가\u1100😀")}
    return charsmap(entries | {"a\u0301": "á", "abc": "Q", "a\u0301\u0301": "AA", "가\u0301": "g"})


def template() -> Any:
    return processors.TemplateProcessing(
        single="[CLS]:3 $A:2 [SEP]:1", pair="[CLS] $A [SEP]:4 $B:1 [SEP]:1 $A:6", special_tokens=ENDS
    )


def metaspace(scheme: str, split: bool = True) -> Options:
    return {
        "pre": pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split),
        "decode": decoders.Metaspace(prepend_scheme=scheme, split=split),
    }


BERT = {"pre": pre_tokenizers.BertPreTokenizer(), "decode": decoders.WordPiece(), "post": template()}
BUILDS: dict[str, Callable[[], Options]] = {
    "bert uncased": lambda: {"model": "WordPiece", "norm": normalizers.BertNormalizer(), **BERT},
    "bert cased": lambda: {
        "model": "WordPiece",
        "norm": normalizers.BertNormalizer(lowercase=False, clean_text=False),
        **BERT,
        "post": processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
    },
    "bert with accents": lambda: {
        "model": "WordPiece",
        "norm": normalizers.BertNormalizer(strip_accents=False, handle_chinese_chars=False),
        **BERT,
        "decode": decoders.WordPiece("##", False),
    },
    "wordpiece of whole texts": lambda: {"model": "WordPiece", "post": processors.Sequence([template()])},
    "word level": lambda: {
        "model": "WordLevel",
        "pre": pre_tokenizers.Whitespace(),
        "post": processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)),
    },
    "unigram always": lambda: {
        "model": "Unigram",
        "norm": normalizers.Precompiled(real_charsmap()),
        **metaspace("always"),
    },
    "unigram first": lambda: {
        "model": "Unigram",
        "norm": normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()]),
        **metaspace("first"),
        "post": processors.Sequence([processors.ByteLevel(), template()]),
    },
    "unigram never": lambda: {"model": "Unigram", "norm": normalizers.Nmt(), **metaspace("never")},
    "unigram unsplit": lambda: {"model": "Unigram", **metaspace("first", False), "bytes": True},
    "unigram of bytes": lambda: {
        "model": "Unigram",
        "norm": normalizers.Precompiled(own_charsmap()),
        **metaspace("always"),
        "decode": decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()]),
        "bytes": True,
    },
    "unigram of scripts": lambda: {
        "model": "Unigram",
        "norm": normalizers.Nmt(),
        "pre": pre_tokenizers.Sequence(
            [pre_tokenizers.UnicodeScripts(), pre_tokenizers.Metaspace(prepend_scheme="first")]
        ),
        "decode": decoders.CTC(pad_token="th", word_delimiter_token="e"),
    },
    "ctc without cleaning": lambda: {
        "model": "WordLevel",
        "pre": pre_tokenizers.UnicodeScripts(),
        "decode": decoders.CTC(cleanup=False),
    },
    "fused wordpiece": lambda: {
        "model": "WordPiece",
        "pre": pre_tokenizers.BertPreTokenizer(),
        "decode": decoders.Sequence([decoders.Fuse(), decoders.WordPiece()]),
    },
    "fused ctc": lambda: {
        "model": "WordPiece",
        "pre": pre_tokenizers.BertPreTokenizer(),
        "decode": decoders.Sequence([decoders.Fuse(), decoders.CTC(pad_token="e", word_delimiter_token="#")]),
    },
}


@cache
def build(name: str) -> Pair:
    parts = BUILDS[name]()
    kind = parts["model"]
    special = [*SPECIAL, *(BYTES if parts.get("bytes") else [])]
    trainer: Any
    match kind:
        case "WordPiece":
            model, trainer = models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer
        case "WordLevel":
            model, trainer = models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer
        case _:
            model, trainer = models.Unigram(), trainers.UnigramTrainer
    more = {"unk_token": "[UNK]"} if kind == "Unigram" else {}
    tokenizer = tokenizers.Tokenizer(model)
    if "norm" in parts:
        tokenizer.normalizer = parts["norm"]
    if "pre" in parts:
        tokenizer.pre_tokenizer = parts["pre"]
    trained = trainer(vocab_size=700, special_tokens=special, show_progress=False, **more)
    tokenizer.train_from_iterator(CORPUS, trained)
    if "post" in parts:
        tokenizer.post_processor = parts["post"]
    if "decode" in parts:
        tokenizer.decoder = parts["decode"]
    tokenizer.add_tokens([AddedToken("[A]", special=True), AddedToken("né", single_word=True, normalized=True)])
    # Reading JSON, `tokenizers` rounds some scores to a neighbouring double; once read, they stay as they are.
    document = json.loads(tokenizers.Tokenizer.from_str(tokenizer.to_str()).to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if t["content"] not in BYTES]
    document["model"]["byte_fallback"] = bool(parts.get("bytes"))
    return Pair(document)


@pytest.mark.parametrize("name", BUILDS)
def test_nasty_strings(name: str) -> None:
    pair = build(name)
    for text in NASTY_STRINGS:
        pair.check(text)
        pair.check_pair(text, " The [A] second")


CLUSTERS = "aeक©®ⅷ\u0301\u0301\u200d\u0600\r\n가\u1100\u1161\u094d\u0903漢\ufeff\u2581Aß"
ATTACHED = [chr(c) for c in named_set("grapheme_attached")] + [chr(c) for c in named_set("bert_space")]
NEAR = st.one_of(
    TEXTS,
    st.text(st.one_of(st.sampled_from(CLUSTERS), st.sampled_from(ATTACHED), SURROGATE_FREE), max_size=12),
)


@pytest.mark.parametrize("name", BUILDS)
def test_random_texts(name: str) -> None:
    pair = build(name)

    @settings(max_examples=60, deadline=None)
    @given(NEAR, NEAR)
    def check(text: str, other: str) -> None:
        pair.check(text)
        pair.check_pair(text, other)

    check()


@pytest.mark.parametrize("name", BUILDS)
def test_random_ids(name: str) -> None:
    build(name).check_random_ids()


def test_lookups_agree() -> None:
    pair = build("unigram of bytes")
    vocab = pair.theirs.get_vocab(with_added_tokens=True)
    assert pair.ours.vocab_size == len(vocab)
    for token, token_id in vocab.items():
        assert pair.ours.token_to_id(token) == token_id
        assert pair.ours.id_to_token(token_id) == token


SCORES = st.sampled_from([0.0, -0.5, -1.0, -1.5, -2.25, -7.0, 2.0, 30.0, -1e3])


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.text("abc", min_size=1, max_size=4), SCORES), max_size=14),
    st.lists(st.text("abcdé<unk>", max_size=30), max_size=3),
    st.booleans(),
)
def test_any_scores(entries: list[tuple[str, float]], texts: list[str], bytes_too: bool) -> None:
    """Equal, positive and repeated scores, tokens that stand twice, the unknown token in the text."""
    vocab = [("<unk>", -3.0), *entries, *((byte, -9.0) for byte in BYTES if bytes_too)]
    theirs = models.Unigram(vocab, 0, bytes_too)
    ours = Unigram([token for token, _ in vocab], [score for _, score in vocab], UnigramOptions(0, bytes_too))
    for text in texts:
        assert list(ours.encode(text)) == [token.id for token in theirs.tokenize(text)]


@settings(max_examples=100, deadline=None)
@given(
    st.sets(st.text("ab", min_size=20, max_size=40), max_size=8),
    st.lists(st.integers(0, 7), max_size=6),
    st.text("ab", max_size=60),
)
def test_long_tokens_of_a_unigram(long: set[str], chosen: list[int], rest: str) -> None:
    tokens = ["<unk>", "a", "b", "aa", "ab", *sorted(long)]
    scores = [0.0, -5.0, -5.5, -8.0, -9.0, *(-20.0 - i for i in range(len(long)))]
    text = "".join(sorted(long)[i % len(long)] for i in chosen if long) + rest
    theirs = models.Unigram(list(zip(tokens, scores, strict=True)), 0, False)
    ours = Unigram(tokens, scores, UnigramOptions(0))
    assert list(ours.encode(text)) == [token.id for token in theirs.tokenize(text)] if text else True


@settings(max_examples=300, deadline=None)
@given(
    st.sets(st.text("ab", min_size=1, max_size=5), max_size=10),
    st.sets(st.text("ab", min_size=1, max_size=5), max_size=10),
    st.text("abc", min_size=1, max_size=200),
    st.sampled_from([0, 5, 100, 1000]),
)
def test_both_ways_of_wordpiece_agree(first: set[str], later: set[str], word: str, longest: int) -> None:
    vocab = {token: i for i, token in enumerate(["[UNK]", *sorted(first), *("##" + token for token in sorted(later))])}
    theirs = models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=longest)
    expected = [token.id for token in theirs.tokenize(word)]
    ours = WordPiece(vocab, max_length=longest)
    assert list(ours.encode(word)) == list(to_end(ours.encode_steps(word))) == expected
    if len(word) <= longest:
        assert (to_end(ours._by_automaton(word)) or (0,)) == tuple(expected)


def test_a_text_that_cannot_be_encoded_is_refused() -> None:
    model = Unigram(["a"], [0.0], UnigramOptions(None))
    assert model.encode("aa") == (0, 0)
    with pytest.raises(TokenizerError, match="no unknown token"):
        model.encode("ab")
    document = json.loads(json.dumps(build("bert cased").document))
    document["model"]["unk_token"] = "<nothing>"
    with pytest.raises(TokenizerError, match="<nothing>"):
        Tokenizer.from_json(document).encode("ꙮ")

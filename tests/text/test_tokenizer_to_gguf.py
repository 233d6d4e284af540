"""Tokenizers written as GGUF's entries give the same ids, and what those cannot hold is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers

from loom_py.errors import TokenizerError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.source import BytesSource, FileSource
from loom_py.text.gguf_splitting import SPLITTINGS
from loom_py.text.gguf_to_json import splitting_steps, tokenizer_json
from loom_py.text.tokenizer import Tokenizer
from loom_py.text.tokenizer_files import open_tokenizer
from loom_py.text.tokenizer_to_gguf import gguf_tokenizer

from ..formats.conftest import real_gguf  # noqa: F401 (fixture)
from .oracle import NASTY_STRINGS, smollm2_json
from .sentencepiece_files import gguf_metadata, kept, kept_models, model_of
from .test_tokenizer_fixtures import expected, unpacked


def written(files: dict[str, bytes], size: int = 0, **roles: int) -> tuple[Tokenizer, Tokenizer, dict[str, Any]]:
    """The tokenizer of the files, that of the entries, and those."""
    sources = {name: BytesSource(raw, name) for name, raw in files.items()}
    tokenizer = open_tokenizer(sources, "model")
    entries = gguf_tokenizer(sources, tokenizer, size, roles)
    read = {key: list(value) if isinstance(value, bytes) else value for key, value in entries.items()}
    return tokenizer, Tokenizer.from_gguf(read), entries


def test_smollm2() -> None:
    tokenizer, again, entries = written({"tokenizer.json": smollm2_json()}, 49200, bos=1, eos=2)
    for text in NASTY_STRINGS:
        assert again.encode(text) == tokenizer.encode(text)
    assert entries["tokenizer.ggml.pre"] == "smollm"
    assert (entries["tokenizer.ggml.bos_token_id"], entries["tokenizer.ggml.add_bos_token"]) == (1, False)
    assert len(entries["tokenizer.ggml.tokens"]) == 49200
    assert (entries["tokenizer.ggml.tokens"][-1], entries["tokenizer.ggml.token_type"][-1]) == ("[PAD49199]", 5)


@pytest.mark.model
def test_smollm2_has_the_entries_of_llama_cpp(real_gguf: Path) -> None:  # noqa: F811
    theirs = GGUFFile(FileSource(real_gguf)).metadata
    _, _, entries = written({"tokenizer.json": smollm2_json()}, 49152)
    for key in ("model", "pre", "tokens", "token_type", "merges", "add_bos_token"):
        assert entries[f"tokenizer.ggml.{key}"] == theirs[f"tokenizer.ggml.{key}"], key


def byte_level(**parts: Any) -> bytes:
    """A `tokenizer.json` with a token for each byte."""
    model = {"type": "BPE", "vocab": {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}}
    tokenizer = json.loads(tokenizers.Tokenizer(models.BPE(vocab=model["vocab"], merges=[])).to_str())
    tokenizer["model"] |= parts.pop("model", {})
    return json.dumps({**tokenizer, "decoder": splitting_steps(SPLITTINGS["gpt-2"])[0], **parts}).encode()


@pytest.mark.parametrize("name", SPLITTINGS)
def test_every_splitting_has_its_name(name: str) -> None:
    splitting = SPLITTINGS[name]
    document = byte_level(
        pre_tokenizer={"type": "Sequence", "pretokenizers": splitting_steps(splitting)},
        normalizer={"type": "NFC"} if splitting.nfc else None,
        model={"ignore_merges": splitting.ignore_merges},
    )
    chosen = SPLITTINGS[written({"tokenizer.json": document})[2]["tokenizer.ggml.pre"]]
    assert (chosen.patterns, chosen.nfc) == (splitting.patterns, splitting.nfc)
    assert chosen.ignore_merges is splitting.ignore_merges


@pytest.mark.parametrize("name", ["sentencepiece-bpe", "sentencepiece-unigram"])
def test_sentencepiece_by_way_of_json(name: str) -> None:
    metadata = gguf_metadata(name)
    document = json.dumps(tokenizer_json(metadata, name)).encode()
    _, again, entries = written({"tokenizer.json": document}, bos=1, eos=2)
    original = Tokenizer.from_gguf(metadata)
    for row in expected(name):
        assert again.encode(row["text"]) == original.encode(row["text"])
    for key in ("model", "tokens", "token_type", "unknown_token_id", "bos_token_id"):
        assert entries[f"tokenizer.ggml.{key}"] == metadata[f"tokenizer.ggml.{key}"], key


@pytest.mark.parametrize("name", ["sentencepiece-bpe", "sentencepiece-unigram"])
def test_sentencepiece_files(name: str) -> None:
    tokenizer, again, entries = written({"tokenizer.model": model_of(gguf_metadata(name))})
    for row in expected(name):
        assert again.encode(row["text"]) == tokenizer.encode(row["text"])
    assert entries["tokenizer.ggml.scores"] == pytest.approx(gguf_metadata(name)["tokenizer.ggml.scores"])


@pytest.mark.parametrize("name", ["unigram-suffix", "unigram-bytes"])
def test_switches_of_sentencepiece(name: str) -> None:
    tokenizer, again, _ = written({"tokenizer.model": kept(name)})
    for row in kept_models()[name]["rows"]:
        assert again.encode(row["text"]) == tokenizer.encode(row["text"])


@pytest.mark.parametrize("name", ["unigram", "bpe", "bpe-across"])
def test_switches_that_gguf_does_not_have(name: str) -> None:
    """Symbols with a space in them, or runs of spaces that become one before a BPE."""
    with pytest.raises(TokenizerError, match=r"tokenizer\.model: GGUF cannot hold it: .* would become other tokens"):
        written({"tokenizer.model": kept(name)})


@pytest.mark.parametrize("name", ["wordpiece-cased", "wordpiece-uncased"])
def test_wordpiece(name: str) -> None:
    tokenizer, again, entries = written({"tokenizer.json": unpacked(f"{name}.json")})
    assert entries["tokenizer.ggml.model"] == "bert"
    for row in expected(name):
        assert again.encode(row["text"]) == tokenizer.encode(row["text"]) == row["ids"]


def test_vocab_txt() -> None:
    vocab = b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\nhello\n,\n!\n"
    tokenizer, again, entries = written({"vocab.txt": vocab}, 20)
    assert entries["tokenizer.ggml.tokens"][4:9] == ["[MASK]", "\u2581a", "\u2581b", "a", "b"]
    for text in ("ab ba HELLO, abab!", "[MASK] a", "zz"):
        assert again.encode(text) == tokenizer.encode(text)


def changed(name: str, **parts: Any) -> bytes:
    return json.dumps({**json.loads(unpacked(f"{name}.json")), **parts}).encode()


def test_unigram_with_a_map_of_texts() -> None:
    words = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    split = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, words]}
    tokenizer, again, entries = written({"tokenizer.json": changed("unigram-precompiled", pre_tokenizer=split)})
    assert (entries["tokenizer.ggml.model"], entries["tokenizer.ggml.remove_extra_whitespaces"]) == ("t5", True)
    assert len(entries["tokenizer.ggml.precompiled_charsmap"]) > 1000
    for text in ("Hello  world", "ﬁne ① Crème", " 日本 "):
        assert again.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            unpacked("bpe-byte-fallback.json"),
            r"at model\.merges: GGUF cannot hold the merges that make '.*': it has one",
        ),
        (unpacked("unigram.json"), r"tokenizer\.json: GGUF cannot hold it: .* would become other tokens"),
        (changed("wordpiece-uncased", normalizer={"type": "Lowercase"}), "would become other tokens"),
        (changed("wordpiece-uncased", post_processor=None), "has a token on either side"),
    ],
)
def test_refused(document: bytes, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        written({"tokenizer.json": document})


def test_a_splitting_without_a_name() -> None:
    step = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    with pytest.raises(TokenizerError, match=r"at pre_tokenizer: GGUF has no name for how texts are split"):
        written({"tokenizer.json": byte_level(pre_tokenizer=step)})

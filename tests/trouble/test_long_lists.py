"""Long lists of names: the work grows with their length, not with its square."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from loom_py.formats.folder import choose_files
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.safetensors import SafetensorsFile, SafetensorsIndex
from loom_py.formats.source import BytesSource
from loom_py.models.inspect_checkpoint import inspect_checkpoint
from loom_py.text.added_tokens import AddedToken, AddedTokens
from tests.cost import check_cost, timed
from tests.formats.builders import entry, gguf_bytes, safetensors_bytes, tensor

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


def names(count: int) -> list[str]:
    return [f"model.layers.{i // 4}.attn.{PROJECTIONS[i % 4]}.weight" for i in range(count)]


def shard(count: int) -> BytesSource:
    header = {name: entry("U8", (1, 1), (i, i + 1)) for i, name in enumerate(names(count))}
    return BytesSource(safetensors_bytes(header, bytes(count)), "m.safetensors")


def index(count: int) -> BytesSource:
    return BytesSource(json.dumps({"weight_map": dict.fromkeys(names(count), "m.safetensors")}).encode(), "index")


def many_gguf_tensors(count: int) -> BytesSource:
    infos = [tensor(name, [8], 0, 32 * i) for i, name in enumerate(names(count))]
    return BytesSource(gguf_bytes((), infos, bytes(32 * count)), "m.gguf")


def prepared(kind: str, count: int) -> Callable[[], object]:
    """The work of a kind on so many names; making its input does not count."""
    if kind == "gguf":
        source = many_gguf_tensors(count)
        return lambda: GGUFFile(source)
    if kind == "folder":
        paths = [f"m{i}.safetensors" for i in range(count)] + [f"n{i}-lora.gguf" for i in range(count)]
        files = ["config.json", "tokenizer.json", "model.safetensors", *paths]
        return lambda: choose_files(files)
    file = shard(count)
    if kind == "safetensors":
        return lambda: SafetensorsFile(file)
    if kind == "index":
        listing = index(count)
        return lambda: SafetensorsIndex(listing, {"m.safetensors": file})
    opened = SafetensorsFile(file)
    return lambda: inspect_checkpoint(opened)


# The trouble table: 200,000 tensor names. Found by attack.
@pytest.mark.parametrize("kind", ["gguf", "safetensors", "index", "inspect", "folder"])
def test_eight_times_as_many_names_take_about_eight_times_as_long(kind: str) -> None:
    small, large = (min(timed(prepared(kind, count))[1] for _ in range(3)) for count in (2_000, 16_000))
    assert large < 24 * small + 0.05


# The trouble table, added tokens; found by attack: few or many tokens, one of them very long.
@pytest.mark.parametrize("count", [1, 3_000])
def test_a_very_long_added_token_does_not_slow_a_text_down(count: int) -> None:
    tokens = [AddedToken("a" * 20_000 + "b"), *(AddedToken(f"<{i}>") for i in range(count))]
    added = AddedTokens(tokens, lambda content: None, 0, lambda text: text)
    text = "a" * 100_000 + "<0>"
    check_cost(3, lambda: list(added.raw.split(text)))
    pieces = [piece for piece in added.raw.split(text) if piece[0] < piece[1]]  # empty ones let a stop through
    assert pieces == [(0, 100_000, None), (100_000, 100_003, 1)]

"""Longrope: a sequence that grows beyond the original context is computed anew with the factors of long ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from loom_py.generation.generate import GeneratedToken, generate
from loom_py.generation.on_device import OnDevice
from loom_py.generation.on_numpy import OnNumpy
from loom_py.generation.runner import Runner
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.registry import read_decoder
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice

from .families import SHAPE, open_gguf, random_weights, uploaded

ORIGINAL = 16
SHORT, LONG = [1.0, 1.25, 1.5, 2.0, 2.5, 3.0], [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
CONFIG: dict[str, Any] = SHAPE | {
    "model_type": "phi3",
    "original_max_position_embeddings": ORIGINAL,
    "rope_scaling": {"type": "longrope", "short_factor": SHORT, "long_factor": LONG},
}
PROMPT = [5, 17, 80, 3, 41, 9, 66, 23, 12, 7]


class Text:
    """A `TokenDecoder` without texts."""

    def add(self, token_id: int, /) -> str:
        return ""

    def finish(self) -> str:
        return ""


@pytest.fixture(params=["numpy", "simd"])
def model(request: pytest.FixtureRequest) -> Iterator[Runner[Any]]:
    decoder = read_decoder(CONFIG)
    weights = random_weights(decoder)
    if request.param == "numpy":
        yield OnNumpy(decoder, weights)
        return
    device: Device = SimdDevice()
    yield OnDevice(decoder, uploaded(weights, device), device, "f32")
    device.close()


def continued(model: Runner[Any], ids: list[int], count: int, cache: Any) -> list[int]:
    events = generate(
        model, ids, GenerationOptions(max_tokens=count, temperature=0.0).filled(GenerationOptions()),
        cache=cache, decoder=Text(), eos_ids=frozenset(),
    )  # fmt: skip
    return [event.id for event in events if isinstance(event, GeneratedToken)]


def anew(model: Runner[Any], ids: list[int]) -> Any:
    """Logits after the last token, from an empty cache."""
    return model.forward(np.array(ids), model.new_cache())


def test_growing_beyond_the_original_context(model: Runner[Any]) -> None:
    """Each token is the one that the whole sequence so far gives at once."""
    tokens = continued(model, PROMPT, 12, model.new_cache())
    for i, token in enumerate(tokens):
        assert token == int(np.argmax(anew(model, PROMPT + tokens[:i]))), i
    cache = model.new_cache()
    model.forward(np.array(PROMPT), cache)
    logits = model.forward(np.array(tokens), cache)
    np.testing.assert_allclose(logits, anew(model, PROMPT + tokens), rtol=1e-3, atol=1e-3)
    assert cache.length == len(PROMPT) + len(tokens) > ORIGINAL


def test_a_shorter_sequence_afterwards(model: Runner[Any]) -> None:
    cache = model.new_cache()
    model.forward(np.array(PROMPT * 2), cache)
    cache.truncate(len(PROMPT))
    assert cache.length == 0
    logits = model.forward(np.array(PROMPT), cache)
    np.testing.assert_allclose(logits, anew(model, PROMPT), rtol=1e-4, atol=1e-4)
    whole = model.forward(np.array(PROMPT * 2), model.new_cache(), every=True)[len(PROMPT) - 1]
    assert np.linalg.norm(whole - logits) > 0.01 * np.linalg.norm(logits)


def test_from_gguf(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "phi3")
    writer.add_embedding_length(SHAPE["hidden_size"])
    writer.add_block_count(SHAPE["num_hidden_layers"])
    writer.add_head_count(SHAPE["num_attention_heads"])
    writer.add_head_count_kv(SHAPE["num_key_value_heads"])
    writer.add_feed_forward_length(SHAPE["intermediate_size"])
    writer.add_context_length(SHAPE["max_position_embeddings"])
    writer.add_vocab_size(SHAPE["vocab_size"])
    writer.add_rope_scaling_orig_ctx_len(ORIGINAL)
    for name, factors in (("rope_factors_short.weight", SHORT), ("rope_factors_long.weight", LONG)):
        writer.add_tensor(name, np.array(factors, np.float32))
    writer.add_tensor("output.weight", np.zeros((96, 48), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    decoder, _ = open_gguf(path)
    expected = read_decoder(CONFIG)
    for ours, theirs in ((decoder, expected), (longer(decoder), longer(expected))):
        np.testing.assert_array_equal(vars(ours)["frequencies"], vars(theirs)["frequencies"])
        assert vars(ours)["query_factor"] == pytest.approx(vars(theirs)["query_factor"])


def longer(decoder: Any) -> Any:
    variant = decoder.facts.longer
    assert variant is not None
    assert variant.positions == ORIGINAL
    return variant.decoder

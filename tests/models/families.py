"""Tiny random checkpoints that transformers saved and ran, one a family, and the same as GGUF."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from loom_py.formats.checkpoint import Checkpoint
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.safetensors import SafetensorsFile
from loom_py.formats.source import FileSource
from loom_py.generation.on_device import OnDevice
from loom_py.generation.on_numpy import OnNumpy
from loom_py.models.protocols import Decoder, Weight
from loom_py.models.registry import gguf_decoder, read_decoder_file
from loom_py.models.weights import CheckpointWeights, Layout
from loom_py.runtime.device import Activations, Device
from loom_py.runtime.stored import StoredWeight

FOLDER = Path(__file__).parent.parent / "data" / "models"
CASES = sorted(path.name for path in FOLDER.iterdir())
ARCHITECTURES = {
    "llama-gqa": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "phi3": "phi3",
    "gemma3": "gemma3",
    "gpt2": "gpt2",
    "gpt-neox": "gptneox",
    "lfm2": "lfm2",
    "mixtral": "llama",
}
"""The cases whose configuration GGUF can hold."""

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
"""A small configuration that most families understand."""


@dataclass(frozen=True)
class Case:
    """One checkpoint and what transformers computed with it.

    - `ids`: two prompts.
    - `logits`: of every position of both.
    - `greedy`: tokens after the first.
    """

    name: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @cached_property
    def config(self) -> dict[str, Any]:
        return json.loads((self.folder / "config.json").read_text())

    @cached_property
    def _expected(self) -> dict[str, Any]:
        return json.loads((self.folder / "expected.json").read_text())

    def _first(self, *keys: str) -> Any:
        """The configuration's value under the first of the keys that it has."""
        return next(self.config[key] for key in keys if key in self.config)

    @property
    def ids(self) -> list[list[int]]:
        return self._expected["ids"]

    @property
    def logits(self) -> list[NDArray[np.float64]]:
        return [np.array(logits) for logits in self._expected["logits"]]

    @property
    def greedy(self) -> list[int]:
        return self._expected["greedy"]

    def decoder(self) -> Decoder:
        return read_decoder_file(FileSource(self.folder / "config.json"))

    def checkpoint(self) -> Checkpoint:
        return SafetensorsFile(FileSource(self.folder / "model.safetensors"))

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """By name, in the model's order."""
        stored = CheckpointWeights(self.checkpoint(), self.decoder().weights(), "hugging_face")
        return {name: stored.numbers(name) for name in stored}

    def write_gguf(
        self, path: Path, *kinds: gguf.GGMLQuantizationType, apart: bool = False
    ) -> Path:  # fmt: skip
        """The same model by PyPI's `gguf`.

        - `kinds`: of matrices whose rows are whole blocks; the parts of one matrix have them in turn.
        - `apart`: whether each expert has tensors of its own, as files before April 2024.
        """
        c, architecture = self.config, ARCHITECTURES[self.name]
        writer = gguf.GGUFWriter(path, architecture)
        heads, width = self._first("num_attention_heads", "n_head"), self._first("hidden_size", "n_embd")
        rope = c.get("rope_parameters", {})
        writer.add_context_length(self._first("max_position_embeddings", "n_positions"))
        writer.add_embedding_length(width)
        writer.add_block_count(self._first("num_hidden_layers", "n_layer"))
        writer.add_feed_forward_length(c.get("intermediate_size", 4 * width))
        writer.add_head_count(heads)
        if "num_key_value_heads" in c:
            count = c["num_key_value_heads"]
            layers = c.get("layer_types", ())
            writer.add_head_count_kv([0 if kind == "conv" else count for kind in layers] if "conv" in layers else count)
        if "conv_L_cache" in c:
            writer.add_shortconv_l_cache(c["conv_L_cache"])
        if "num_experts_per_tok" in c:
            writer.add_expert_count(c["num_local_experts"])
            writer.add_expert_used_count(c["num_experts_per_tok"])
        if c.get("head_dim"):
            writer.add_key_length(c["head_dim"])
            writer.add_value_length(c["head_dim"])
        if "rms_norm_eps" in c or "norm_eps" in c:
            writer.add_layer_norm_rms_eps(self._first("rms_norm_eps", "norm_eps"))
        else:
            writer.add_layer_norm_eps(self._first("layer_norm_epsilon", "layer_norm_eps"))
        if rope:
            writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
            size = c.get("head_dim") or width // heads
            writer.add_rope_dimension_count(int(size * rope.get("partial_rotary_factor", 1.0)))
        if c.get("sliding_window"):
            writer.add_sliding_window(c["sliding_window"])
            writer.add_sliding_window_pattern(c["sliding_window_pattern"])
        if "use_parallel_residual" in c:
            writer.add_parallel_residual(c["use_parallel_residual"])
        writer.add_vocab_size(c["vocab_size"])
        numbers = self.weights()
        for weight in self.decoder().weights():
            data = numbers[weight.name][_as_gguf(weight)].reshape(weight.gguf_shape or weight.shape)
            blocks = data.ndim > 1 and data.shape[-1] % 32 == 0
            split = zip(weight.gguf_parts, data, strict=True) if apart and weight.gguf_parts else [(weight.gguf, data)]
            for i, (name, part) in enumerate(split):
                stored = kinds[i % len(kinds)] if blocks else gguf.GGMLQuantizationType.F32
                writer.add_tensor(name, gguf.quantize(part, stored), raw_dtype=stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


def _as_gguf(weight: Weight) -> NDArray[np.intp]:
    """Where GGUF's rows are among the model's."""
    rows = np.arange(weight.shape[0])
    return rows if weight.gguf_order is None else np.argsort(weight.gguf_order(rows))


def on_numpy(decoder: Decoder, checkpoint: Checkpoint, layout: Layout) -> OnNumpy:
    stored = CheckpointWeights(checkpoint, decoder.weights(), layout)
    return OnNumpy(decoder, {name: stored.numbers(name) for name in stored})


def on_device(
    decoder: Decoder, checkpoint: Checkpoint, layout: Layout, device: Device, activations: Activations = "f32"
) -> OnDevice:
    stored = CheckpointWeights(checkpoint, decoder.weights(), layout)
    return OnDevice(decoder, {name: stored.upload(name, device) for name in stored}, device, activations)


def open_gguf(path: Path) -> tuple[Decoder, Checkpoint]:
    file = GGUFFile(FileSource(path))
    return gguf_decoder(file), file


def random_weights(decoder: Decoder, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """So large that leaving out any part of a block shows."""
    rng = np.random.default_rng(seed)
    return {
        weight.name: rng.normal(1 if len(weight.shape) == 1 else 0, 0.3, weight.shape).astype(np.float32)
        for weight in decoder.weights()
    }


def uploaded(weights: dict[str, NDArray[np.float32]], device: Device) -> dict[str, StoredWeight]:
    """Numbers in a device's memory, matrices as F32."""

    def upload(weight: NDArray[np.float32]) -> StoredWeight:
        if weight.ndim != 2:
            return StoredWeight(device.upload(weight))
        return StoredWeight(device.upload_stored(weight.view(np.uint8).reshape(len(weight), -1), "F32", weight.shape))

    return {name: upload(weight) for name, weight in weights.items()}

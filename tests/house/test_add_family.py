"""A family of models is one file: added to a copy of the package, it loads from both formats and runs on every device.

The file is the example of docs/models.md.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from .copy import ROOT, Copy

Array = NDArray[np.float64]
VOCABULARY, WIDTH, HEADS, LAYERS, POSITIONS, EPS = 260, 24, 4, 2, 96, 1e-5
PROMPTS = ("Once upon a time", "Once upon", "Once upon a time there was a cloud")
TOKENS = 24
USE = """
import json
import numpy as np
from loom_py.formats.source import FileSource
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.convert import convert_gguf
from loom_py.runtime.choice import devices, use_device

convert_gguf(FileSource(places[1]), places[2])
answers = {}
for name in ("numpy", "simd", "webgpu"):
    use_device(name)
    device = devices.get(name)
    for place in places:
        model = load_model(place, device=device, activations="f32")
        assert model.device == name
        ids = [model.tokenizer.encode(prompt) for prompt in prompts]
        logits = [model.model.forward(np.array(i), model.model.new_cache(), every=True).tolist() for i in ids]
        options = GenerationOptions(max_tokens=tokens)
        texts = []
        for prompt in prompts:  # they share a cache
            texts.append([])
            for token in model.generate(prompt, options):
                texts[-1].append(token.id)
                if name == "webgpu" and len(texts[-1]) == 9:
                    device.host.lose("unknown")
        answers[f"{name} {place}"] = {"ids": ids, "logits": logits, "tokens": texts}
        model.close()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The package with one file more."""
    copy = Copy(tmp_path_factory.mktemp("copy"), compiled=True)
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    example = re.search(r'```python\n("""Nimbus.*?)```', text, re.DOTALL)
    assert example is not None
    copy.write("loom_py/models/nimbus.py", example[1])
    assert copy.changed() == {"loom_py/models/nimbus.py"}
    return copy


@pytest.fixture(scope="module")
def weights() -> dict[str, NDArray[np.float32]]:
    """Weights as in the files: matrices (in, out)."""
    rng = np.random.default_rng(7)
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (VOCABULARY, WIDTH), "wpe.weight": (POSITIONS, WIDTH)}
    for i in range(LAYERS):
        for name in ("ln_1", "ln_2"):
            shapes |= {f"h.{i}.{name}.weight": (WIDTH,), f"h.{i}.{name}.bias": (WIDTH,)}
        for name, rows, columns in (
            ("attn.c_attn", WIDTH, 3 * WIDTH),
            ("attn.c_proj", WIDTH, WIDTH),
            ("mlp.c_fc", WIDTH, 4 * WIDTH),
            ("mlp.c_proj", 4 * WIDTH, WIDTH),
        ):
            shapes |= {f"h.{i}.{name}.weight": (rows, columns), f"h.{i}.{name}.bias": (columns,)}
    shapes |= {"ln_f.weight": (WIDTH,), "ln_f.bias": (WIDTH,)}
    deviations = {"wpe.weight": 2.0, "ln_f.weight": 1.0, "ln_f.bias": 0.1}  # so that the tokens do not repeat
    return {n: rng.normal(0, deviations.get(n, 0.4), shape).astype(np.float32) for n, shape in shapes.items()}


def expected_logits(w: dict[str, NDArray[np.float32]], ids: list[int]) -> Array:
    """The formulas in float64, one token and one head after the other, without a cache: (T, V)."""
    p = {name: value.astype(np.float64) for name, value in w.items()}
    size = WIDTH // HEADS
    erf = np.vectorize(math.erf)

    def norm(x: Array, name: str) -> Array:
        centred = x - x.mean()
        return centred / np.sqrt((centred**2).mean() + EPS) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def affine(x: Array, name: str) -> Array:
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    rows = [p["wte.weight"][token] + p["wpe.weight"][t] for t, token in enumerate(ids)]
    for i in range(LAYERS):
        qkv = [np.split(affine(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3) for x in rows]
        for t in range(len(rows)):
            mixed: list[Array] = []
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                scores = np.array([qkv[t][0][part] @ qkv[u][1][part] for u in range(t + 1)]) / np.sqrt(size)
                share = np.exp(scores - scores.max())
                share /= share.sum()
                mixed.append(sum((share[u] * qkv[u][2][part] for u in range(t + 1)), np.zeros(size)))
            rows[t] = rows[t] + affine(np.concatenate(mixed), f"h.{i}.attn.c_proj")
        normed = [norm(x, f"h.{i}.ln_2") for x in rows]
        for t in range(len(rows)):
            h = affine(normed[t] + (normed[t - 1] / 2 if t else 0.0), f"h.{i}.mlp.c_fc")
            rows[t] = rows[t] + affine(h * (1 + erf(h / np.sqrt(2))) / 2, f"h.{i}.mlp.c_proj")
    return np.stack([p["wte.weight"] @ norm(x, "ln_f") for x in rows])


def write_directory(folder: Path, weights: dict[str, NDArray[np.float32]]) -> Path:
    """`config.json`, `tokenizer.json` of bytes, `model.safetensors`; names as of a model with a head."""
    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*alphabet, "he"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("h", "e")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    tokenizer.add_special_tokens(["<a>", "<b>", "<c>"])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    config = {"model_type": "nimbus", "vocab_size": VOCABULARY, "n_embd": WIDTH, "n_head": HEADS, "n_layer": LAYERS}
    config |= {"n_positions": POSITIONS, "layer_norm_epsilon": EPS}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({f"transformer.{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    return folder


def write_gguf(path: Path, weights: dict[str, NDArray[np.float32]], directory: Path) -> Path:
    """The same model with the names and the order of axes of GGUF."""
    vocabulary: dict[str, int] = json.loads((directory / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    tokens = [*sorted(vocabulary, key=vocabulary.__getitem__), "<a>", "<b>", "<c>"]
    writer = gguf.GGUFWriter(path, "nimbus")
    writer.add_block_count(LAYERS)
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(EPS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.CONTROL] * 3)
    writer.add_token_merges(["h e"])
    parts = {
        "wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm", "ln_1": "attn_norm", "ln_2": "ffn_norm",
        "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    }  # fmt: skip
    for name, value in weights.items():
        block = re.match(r"h\.(\d+)\.", name)
        stem, _, kind = name.removeprefix(block[0] if block else "").rpartition(".")
        stored = value.T if block and value.ndim == 2 else value
        writer.add_tensor(f"{f'blk.{block[1]}.' if block else ''}{parts[stem]}.{kind}", np.ascontiguousarray(stored))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_one_file_adds_a_family(copy: Copy, weights: dict[str, NDArray[np.float32]], tmp_path: Path) -> None:
    directory = write_directory(tmp_path / "nimbus", weights)
    file = write_gguf(tmp_path / "nimbus.gguf", weights, directory)
    places = [str(directory), str(file), str(tmp_path / "converted")]
    header = f"places, prompts, tokens = {places!r}, {PROMPTS!r}, {TOKENS}\n"
    answers: dict[str, dict[str, Any]] = json.loads(copy.run(header + USE))
    assert len(answers) == 9
    ids = answers[f"numpy {directory}"]["ids"]
    logits = [expected_logits(weights, prompt) for prompt in ids]
    tokens: list[list[int]] = []
    for prompt in ids:
        whole = list(prompt)
        for _ in range(TOKENS):
            whole.append(int(expected_logits(weights, whole)[-1].argmax()))
        tokens.append(whole[len(prompt) :])
    assert all(len(set(text)) > 5 for text in tokens)
    for place, answer in answers.items():
        assert answer["ids"] == ids, place
        for ours, exact in zip(answer["logits"], logits, strict=True):
            assert np.linalg.norm(ours - exact) < 1e-5 * np.linalg.norm(exact), place
        assert answer["tokens"] == tokens, place


def test_an_unknown_family_lists_the_new_one_too(copy: Copy) -> None:
    error = copy.run(
        "from loom_py.errors import ModelError\n"
        "from loom_py.models.registry import read_decoder\n"
        "try:\n    read_decoder({'model_type': 'cirrus'})\n"
        "except ModelError as error:\n    print(error)"
    )
    assert "config.json at model_type: the family 'cirrus' is not supported" in error
    assert ", nanochat, nimbus, " in error


def test_every_family_has_its_row_in_the_docs() -> None:
    from loom_py.models.registry import families

    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.count(" | ") > 2]
    for name, first in ((name, family.model_types[0]) for family in families() for name in family.model_types):
        module = f"{first.replace('-', '_')}.py"
        row = next((row for row in rows if f"`{name}`" in row.split(" | ")[2]), "")
        assert f"(../loom_py/models/{module})" in row, name

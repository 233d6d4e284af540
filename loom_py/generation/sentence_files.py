"""How a model embeds texts: what sentence-transformers and GGUF files say of pooling, prompts and lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ModelError
from ..formats.files import read_json_file
from ..formats.folder import MODULES, SENTENCE_CONFIGS
from ..formats.safetensors import SafetensorsFile
from ..formats.source import Source
from ..models.gguf_config import POOLING
from ..schema.fields import FILE, Fields, shown, suggest
from .pooling import MODES, Dense, Pooling

MAX_BYTES = 4 * 1024 * 1024
DENSE_ACTIVATIONS = {
    "Identity": "linear", "Tanh": "tanh", "ReLU": "plain_relu", "GELU": "gelu", "Sigmoid": "sigmoid", "SiLU": "silu",
}  # fmt: skip
"""Names of torch's modules → the kernel `activate`'s."""
_TRANSFORMER, _POOLING, _NORMALIZE, _DENSE = "Transformer", "Pooling", "Normalize", "Dense"


@dataclass(frozen=True)
class SentenceSettings:
    """What the files say.

    - `pooling`: None where they say nothing.
    - `prompts`: texts to put before texts, by their names; `default_prompt` is the one used unless a caller chooses.
    - `max_length`: the most tokens of a text; None for the model's.
    - `lower_case`: whether texts are written small before anything else.
    """

    pooling: Pooling | None = None
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])
    default_prompt: str | None = None
    max_length: int | None = None
    lower_case: bool = False


PLAIN = SentenceSettings()
"""Of files that say nothing."""


def gguf_sentences(metadata: Mapping[str, Any]) -> SentenceSettings:
    """`<architecture>.pooling_type`; vectors are normalised, as llama.cpp gives them."""
    kind = metadata.get(f"{metadata.get('general.architecture')}.pooling_type")
    mode = None if kind is None or isinstance(kind, str) else POOLING.get(int(kind))
    return SentenceSettings(None if mode is None else Pooling((mode,), normalised=True))


def sentence_settings(files: Mapping[str, Source]) -> SentenceSettings:
    """From the files of a directory, by their paths in it. Raises `FormatError` or `ModelError`."""
    bert = next((_json(files[name], name) for name in SENTENCE_CONFIGS if name in files), None)
    prompts = _json(files[PROMPTS], PROMPTS) if PROMPTS in files else None
    limits = (
        _json(files["tokenizer_config.json"], "tokenizer_config.json") if "tokenizer_config.json" in files else None
    )
    length = bert.integer("max_seq_length", default=None) if bert is not None else None
    if length is None and limits is not None:
        # Files without a limit have 1e30 there, as a number with a fraction or a whole one.
        given = limits.any("model_max_length")
        whole = isinstance(given, int) and not isinstance(given, bool) and 0 < given < 1 << 30
        length = given if whole else None
    named = prompts.object("prompts") if prompts is not None and prompts.has("prompts") else None
    texts = {key: named.string(key, default="") for key in named.values} if named is not None else {}
    default = prompts.string("default_prompt_name", default=None) if prompts is not None else None
    if prompts is not None and default is not None and default not in texts:
        raise prompts.error(
            f"no prompt is named {shown(default)}", "default_prompt_name", remedy=suggest(default, texts)
        )
    lower = bert is not None and bert.boolean("do_lower_case")
    return SentenceSettings(_pooling(files), texts, default, length, lower)


PROMPTS = "config_sentence_transformers.json"


def _pooling(files: Mapping[str, Source]) -> Pooling | None:
    """What `modules.json` lists behind the transformer."""
    if MODULES not in files:
        return None
    listed = read_json_file(files[MODULES], max_bytes=MAX_BYTES)
    modules = Fields({"modules": listed}, file=MODULES, rules=FILE).objects("modules")
    kinds = [module.string("type").rpartition(".")[2] for module in modules]
    pooling: Pooling | None = None
    layers: list[Dense] = []
    for kind, module in zip(kinds, modules, strict=True):
        path = module.string("path", default="")
        if kind == _POOLING:
            pooling = _read_pooling(_config(files, path, module))
        elif kind == _DENSE and pooling is not None:
            layers.append(_read_dense(files, path, _config(files, path, module)))
        elif kind not in (_TRANSFORMER, _NORMALIZE):
            remedy = "Supported are Transformer, Pooling, Dense and Normalize, in this order."
            raise ModelError(f"the module {shown(kind)} is not supported", where=module.at("type"), remedy=remedy)
    if pooling is None:
        return None
    return Pooling(pooling.modes, tuple(layers), _NORMALIZE in kinds, pooling.with_prompt)


def _read_pooling(config: Fields) -> Pooling:
    """`pooling_mode`, or a flag for each mode, as older files have them."""
    with_prompt = config.boolean("include_prompt", default=True)
    if config.has("pooling_mode"):
        value = config.any("pooling_mode")
        names = config.array("pooling_mode") if isinstance(value, list) else [config.string("pooling_mode")]
        for name in names:
            if name not in MODES:
                message = f"the pooling {shown(name)} is not supported"
                raise ModelError(message, where=config.at("pooling_mode"), remedy=f"Supported are {', '.join(MODES)}.")
        return Pooling(tuple(names), with_prompt=with_prompt)
    flags = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "weightedmean": "weightedmean_tokens"}
    chosen = [mode for mode in MODES if config.boolean(f"pooling_mode_{flags.get(mode, mode)}")]
    return Pooling(tuple(chosen) or ("mean",), with_prompt=with_prompt)


def _read_dense(files: Mapping[str, Source], path: str, config: Fields) -> Dense:
    name = config.string("activation_function", default="torch.nn.modules.activation.Tanh").rpartition(".")[2]
    if name not in DENSE_ACTIVATIONS:
        message, remedy = (
            f"the activation {shown(name)} is not supported",
            f"Supported are {', '.join(DENSE_ACTIVATIONS)}.",
        )
        raise ModelError(message, where=config.at("activation_function"), remedy=remedy)
    file = f"{path}/model.safetensors"
    if file not in files:
        raise ModelError(f"{file} is missing", where=MODULES, remedy="Give all files of the model's directory.")
    checkpoint = SafetensorsFile(files[file])
    sizes = config.integer("out_features"), config.integer("in_features")
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": sizes}
    if config.boolean("bias", default=True):
        shapes["linear.bias"] = shapes["linear.weight"][:1]
    numbers: dict[str, Any] = {}
    for key, shape in shapes.items():
        if key not in checkpoint:
            raise ModelError(f"the weight {key} is missing", where=file)
        if tuple(checkpoint.info(key).shape) != shape:
            got = list(checkpoint.info(key).shape)
            raise ModelError(f"the weight {key} has shape {got}, the configuration needs {list(shape)}", where=file)
        numbers[key] = np.asarray(checkpoint.load(key), np.float32)
    return Dense(numbers["linear.weight"], numbers.get("linear.bias"), DENSE_ACTIVATIONS[name])


def _config(files: Mapping[str, Source], path: str, module: Fields) -> Fields:
    name = f"{path}/config.json"
    if name not in files:
        message = f"{name} is missing"
        raise ModelError(message, where=module.at("path"), remedy="Give all files of the model's directory.")
    return _json(files[name], name)


def _json(source: Source, name: str) -> Fields:
    return Fields(read_json_file(source, max_bytes=MAX_BYTES), file=name, rules=FILE)

"""A GGUF file as a directory in the Hugging Face layout, which transformers, `safetensors` and this package read.

Tensors are widened, their rows put into Hugging Face's order, and written by the `safetensors` package. Everything goes
to a directory beside the target, which then takes its place in one rename.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, get_args

from numpy.typing import NDArray

from ..errors import InputError, LoomError, ModelError, install_remedy
from ..formats.checkpoint import Checkpoint
from ..formats.gguf_split import open_gguf
from ..formats.narrow import FloatType, narrowed
from ..formats.source import Source
from ..schema.fields import Fields
from ..schema.strict import parse_json
from ..text.gguf_to_json import tokenizer_config, tokenizer_json
from .checkpoint_model import choose_model
from .gguf_config import GGUFConfig
from .gguf_rope import GGUF_DIVISORS, GGUF_LONG, GGUF_SHORT
from .registry import gguf_config
from .sentence_layout import sentence_files
from .weights import CheckpointWeights, as_hugging_face

Progress = Callable[[int, int, str], None]
"""Called with bytes written, bytes in all, and what was written last."""

MARKER = "conversion.json"
INDEX = "model.safetensors.index.json"
MAX_SHARD_BYTES = 2_000_000_000
_WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion wrote: `files` by name with their sizes in bytes, `tensors`, `parameters`, and the dtype."""

    directory: str
    files: dict[str, int]
    tensors: int
    parameters: int
    dtype: str


def convert_gguf(
    source: Source | Sequence[Source],
    directory: str | os.PathLike[str],
    *,
    dtype: FloatType = "float32",
    max_shard_bytes: int = MAX_SHARD_BYTES,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ConvertReport:
    """Writes `config.json`, `generation_config.json`, `tokenizer.json`, `tokenizer_config.json` and `*.safetensors`.

    **Arguments:**

    - `source`: a GGUF file of a family in this folder, or all parts of one.
    - `directory`: where to write; created if it does not exist. An earlier conversion is replaced, other contents only
      with `overwrite` (and never a directory that holds directories).
    - `dtype`: of the weights; float32 holds exactly the numbers of the file.
    - `max_shard_bytes`: weights beyond this go into several files with an index; also about the memory needed.
    - `progress`: called after each tensor.

    Raises `FormatError`, `TokenizerError` or `ModelError` for a file that cannot be converted and `InputError` for a
    directory that cannot be written; then nothing is left behind, and earlier contents are untouched.
    """
    if dtype not in get_args(FloatType) or max_shard_bytes < 1:
        raise InputError(f"dtype {dtype!r} or max_shard_bytes {max_shard_bytes} is not possible", where="convert_gguf")
    write = _safetensors_writer()
    target = Path(directory).absolute()
    _check_target(target, overwrite)
    file = open_gguf([source] if isinstance(source, Source) else source)
    config = gguf_config(file.metadata, file)
    model = choose_model(config, file.name, file, "gguf").model
    plan = list(model.weights())
    weights = CheckpointWeights(file, plan, "gguf")
    _refuse_others(file, weights, config)
    documents = _documents(file, config, dtype)
    by_name = {weight.name: weight for weight in plan}
    sizes = {weight.name: prod(weight.shape) * _WIDTH[dtype] for weight in plan}
    total = sum(sizes.values())
    shards = _shards(sizes, max_shard_bytes)

    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if free < total:
        raise InputError(f"needs {total} bytes but {free} are free", where=str(target.parent), remedy="Make room.")
    part = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    try:
        part.mkdir()
        done = 0
        for shard, names in shards.items():
            tensors: dict[str, NDArray[Any]] = {}
            for name in names:
                info = weights.infos(name)[0]
                for stored, numbers in as_hugging_face(by_name[name], weights.widened(name)).items():
                    tensors[stored] = narrowed(numbers, dtype, info)
                done += sizes[name]
                if progress:
                    progress(done, total, name)
            write(tensors, part / shard, dtype)
        if len(shards) > 1:
            places = {
                stored: shard
                for shard, names in shards.items()
                for name in names
                for stored in by_name[name].parts or (name,)
            }
            documents[INDEX] = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        documents[MARKER] = {"converter": "loom_py", "source": file.name, "dtype": dtype, "files": []}
        documents[MARKER]["files"] = sorted([*documents, *shards])
        for name, value in documents.items():
            text = json.dumps(value, ensure_ascii=False, indent=2)
            (part / name).parent.mkdir(exist_ok=True)
            (part / name).write_text(text + "\n", encoding="utf-8")
        files = {name: (part / name).stat().st_size for name in sorted(_file_names(part))}
        _replace(part, target, overwrite)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror or error})", where=str(target)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    parameters = sum(prod(weight.shape) for weight in plan)
    return ConvertReport(str(target), files, len(plan), parameters, dtype)


def _refuse_others(file: Checkpoint, weights: CheckpointWeights, config: dict[str, Any]) -> None:
    """Raises `ModelError` for a tensor that the conversion would leave out."""
    expected = {info.name for name in weights for info in weights.infos(name)} | {GGUF_DIVISORS, GGUF_LONG, GGUF_SHORT}
    for name in file.names():
        if name not in expected:
            message = f"the tensor {name} has no place in a {config['model_type']} model"
            raise ModelError(message, where=file.info(name).where)


def _documents(file: Checkpoint, config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The JSON files, by name."""
    ids = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id") if config.get(key) is not None}
    pooling = GGUFConfig(file.metadata, file).pooling()
    return {
        **(sentence_files(pooling, config["hidden_size"]) if pooling else {}),
        "config.json": {k: v for k, v in config.items() if v is not None} | {"torch_dtype": dtype},
        "generation_config.json": {"_from_model_config": True, **ids},
        "tokenizer.json": tokenizer_json(file.metadata, file.name),
        "tokenizer_config.json": tokenizer_config(file.metadata),
    }


def _shards(sizes: dict[str, int], limit: int) -> dict[str, list[str]]:
    """File name → tensors, in order, each file up to `limit` bytes (or one tensor)."""
    groups: list[list[str]] = [[]]
    used = 0
    for name, size in sizes.items():
        if groups[-1] and used + size > limit:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += size
    if len(groups) == 1:
        return {"model.safetensors": groups[0]}
    return {f"model-{i:05}-of-{len(groups):05}.safetensors": names for i, names in enumerate(groups, 1)}


def _safetensors_writer() -> Callable[[dict[str, NDArray[Any]], Path, str], None]:
    """The `safetensors` package's writer, for arrays that NumPy may have no type for."""
    try:
        import safetensors
    except ImportError:
        raise InputError(
            "the package safetensors, which writes the weights, is not installed",
            where="convert_gguf",
            remedy=install_remedy("safetensors", "Convert on the command line: python -m loom_py convert."),
        ) from None
    spec: Any = getattr(safetensors, "TensorSpec", None)  # since 0.8 by address, before that by bytes

    def write(tensors: dict[str, NDArray[Any]], path: Path, dtype: str) -> None:
        entries: dict[str, Any] = {}
        for name, array in tensors.items():
            if spec is None:
                entries[name] = {"dtype": dtype, "shape": array.shape, "data": array.tobytes()}
            else:
                pointer, size = array.ctypes.data, array.nbytes
                entries[name] = spec(dtype=dtype, shape=array.shape, data_ptr=pointer, data_len=size)
        safetensors.serialize_file(entries, str(path), metadata={"format": "pt"})

    return write


def _file_names(directory: Path) -> set[str]:
    """Paths of all files below a directory, from there."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        yield from entries


def _check_target(target: Path, overwrite: bool) -> None:
    """Raises `InputError` unless `target` is absent, empty, an earlier conversion, or may be overwritten."""
    if not target.exists() and not target.is_symlink():
        return
    if target.is_symlink() or not target.is_dir():
        raise InputError("is not a directory", where=str(target), remedy="Choose another name.")
    names, written = _file_names(target), _written_before(target)
    folders = {name.partition("/")[0] for name in written}
    if names <= written and all(entry.name in folders for entry in _entries(target)):
        return
    if not overwrite:
        remedy = "Choose another directory, or ask for it to be overwritten."
        raise InputError("is a directory with other files in it", where=str(target), remedy=remedy)
    if any(entry.is_dir(follow_symlinks=False) for entry in _entries(target)):
        remedy = "Choose another directory."
        raise InputError("holds directories, which a conversion never replaces", where=str(target), remedy=remedy)


def _written_before(target: Path) -> set[str]:
    """The files that an earlier conversion lists in its marker."""
    try:
        marker = Fields(parse_json((target / MARKER).read_bytes(), where=MARKER, max_bytes=1 << 20), MARKER)
        if marker.any("converter") != "loom_py":
            return set()
        return {name for name in marker.array("files", default=()) if isinstance(name, str)}
    except (OSError, LoomError):
        return set()


def _replace(part: Path, target: Path, overwrite: bool) -> None:
    """Puts `part` in the place of `target`, or leaves `target` as it was."""
    _check_target(target, overwrite)
    if not target.exists():
        part.rename(target)
        return
    old = part.with_suffix(".old")
    target.rename(old)
    try:
        part.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)

"""Which files of a folder, a repository or a selection make a model: one rule for Python, command line and page.

1. The shallowest folder with a model is taken, and only files in it. Hidden files do not count.
2. `config.json` and a tokenizer's file with safetensors weights are a model in the Hugging Face layout. It goes before
   a `.gguf` beside it, which is the same model as a rule; whoever wants the `.gguf` names it.
3. Its weights are `model.safetensors`, else what `model.safetensors.index.json` holds together, else the one
   `.safetensors` file that is left. Adapters (LoRA), training state, and copies in another layout (`consolidated`) or
   of another precision (`model.fp16.safetensors`) beside those are left alone.
4. Else the one `.gguf` is the model, or the one set of parts of a split GGUF. Adapters, image projectors (`mmproj`)
   and importance matrices are not models.
5. Several candidates are an error that lists them. What was left alone is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ..errors import ModelError
from .gguf_split import part_names

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
CONFIGURATION = (
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.json",
    "chat_template.jinja",
)
"""What is read beside the weights, where it is there."""
MODULES = "modules.json"
SENTENCE_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""What sentence-transformers says of lengths, by the family of its older versions."""
SENTENCES = (MODULES, "config_sentence_transformers.json", *SENTENCE_CONFIGS)
"""What says how a model embeds texts, where it is there."""
MODULE_FILES = ("config.json", "model.safetensors")
"""Of the folders of its modules, such as `1_Pooling`, beside `modules.json`."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.txt")
"""What says which tokens a text has; the first that is there is read."""
NAMED_TEMPLATES = "additional_chat_templates"
"""A folder beside them with a chat template a file, as transformers saves several."""

_ADAPTER = re.compile(r"(^|[-_.])(adapters?|lora|dora)([-_.]|\d|$)", re.IGNORECASE)
_STATE = re.compile(r"^(optimizer|scheduler|rng_state|training)", re.IGNORECASE)
_COPY = re.compile(r"^consolidated([-_.]|$)", re.IGNORECASE)
_NO_MODEL = (
    (re.compile(r"(^|[-_.])mmproj([-_.]|\d|$)", re.IGNORECASE), "projects images and is no model by itself"),
    (re.compile(r"(^|[-_.])i-?matrix([-_.]|$)", re.IGNORECASE), "is an importance matrix"),
    (re.compile(r"^ggml-vocab-", re.IGNORECASE), "holds a vocabulary only"),
    (_ADAPTER, "is an adapter and is not applied"),
)
_PIECE = re.compile(r"\.gguf[-.](split|part)", re.IGNORECASE)
_UNFINISHED = re.compile(r"\.(safetensors|gguf)\.(part|partial|crdownload|download|incomplete|aria2)$", re.IGNORECASE)
_OTHERS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".onnx", ".msgpack", ".npz", ".tflite", ".mlmodel")
_REMEDY = "Give a .gguf, or config.json, tokenizer.json and the .safetensors files together."
_SHOWN = 8


@dataclass(frozen=True)
class Choice:
    """The files of a model.

    - `files`: their paths as they were given, weights last.
    - `index`: the path of the index that says which further files are needed, while it has not been read.
    - `notices`: what was left alone, in sentences.
    """

    files: tuple[str, ...]
    index: str = ""
    notices: tuple[str, ...] = ()


def choose_files(
    paths: Collection[str],
    *,
    named: str = "",
    tag: str = "",
    folder: str = "",
    indexed: Sequence[str] = (),
    place: str = "model",
) -> Choice:
    """The files that make a model, by the rule above.

    **Arguments:**

    - `paths`: all there are, with `/` between folders.
    - `named`: the path that was asked for: a `.gguf`, or the weights of the Hugging Face layout.
    - `tag`: a word in the name of the `.gguf`, such as `Q4_K_M`.
    - `folder`: only files in it and below count.
    - `indexed`: the names in the index, once it has been read; before, all weights beside it are taken.
    - `place`: the folder's name, for errors.

    Raises `ModelError` where there is no model, or more than one.
    """
    seen = sorted({path for path in paths if not _hidden(path)}, key=lambda path: (path.count("/"), path))
    if named:
        beside = named.rpartition("/")[0]
        seen = [path for path in seen if path.rpartition("/")[0] == beside]
    elif folder:
        seen = [path for path in seen if path.startswith(f"{folder}/")]
    if named.lower().endswith(".gguf"):
        return Choice(tuple(_parts(named, set(seen))))
    if tag:
        return _tagged(seen, tag, place)
    folders: dict[str, list[str]] = {}
    for path in seen:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    asked = named if named.lower().endswith(".safetensors") else ""
    for inside in folders.values():
        choice = _in_folder(inside, asked, indexed, place)
        if choice is not None:
            beside = f"{inside[0].rpartition('/')[0]}/{NAMED_TEMPLATES}/".lstrip("/")
            if _name(choice.files[0]).lower().endswith(".gguf"):
                return choice
            templates = [p for p in paths if p.startswith(beside) and p.lower().endswith(".jinja")]
            return replace(choice, files=(*sorted(templates), *_module_files(inside, seen), *choice.files))
    raise _no_model(seen, place)


def _module_files(inside: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Files of sentence-transformers' modules, which lie in folders of their own."""
    modules = next((path for path in inside if _name(path) == MODULES), None)
    if modules is None:
        return []
    root = modules.removesuffix(MODULES)
    parts = ((path, path.removeprefix(root).split("/")) for path in paths if path.startswith(root))
    chosen = [path for path, part in parts if len(part) == 2 and part[0][:1].isdigit() and part[1] in MODULE_FILES]
    return sorted(chosen, key=lambda path: (path.endswith(".safetensors"), path))


def _in_folder(paths: Sequence[str], asked: str, indexed: Sequence[str], place: str) -> Choice | None:
    names = {_name(path): path for path in paths}
    notices: list[str] = []
    has_config = "config.json" in names
    weights = _weights(names, asked, indexed, place if has_config else "", notices)
    ggufs = _ggufs(paths, notices)
    tokenizer = next(([names[name]] for name in TOKENIZERS if name in names), [])
    if has_config and weights and (tokenizer or not ggufs):
        if ggufs:
            beside = ", ".join(_name(group[0]) for group in ggufs)
            notices.append(f"{beside} is left alone beside {_name(weights[0])}. Name the .gguf to load it.")
        index = names[INDEX] if INDEX in names and not indexed and SINGLE not in names and not asked else ""
        first, *others = CONFIGURATION
        files = [names[first], *tokenizer, *(names[name] for name in (*others, *SENTENCES) if name in names)]
        files += [names[INDEX]] if INDEX in names and (index or indexed) else []
        return Choice(tuple(dict.fromkeys([*files, *weights])), index, tuple(notices))
    if len(ggufs) == 1:
        return Choice(tuple(ggufs[0]), notices=tuple(notices))
    if ggufs:
        raise _several([group[0] for group in ggufs], place)
    return None


def _weights(names: dict[str, str], asked: str, indexed: Sequence[str], place: str, notices: list[str]) -> list[str]:
    """The weight files of the Hugging Face layout in a folder; without `place`, only whether there are any."""
    candidates = [name for name in names if name.lower().endswith(".safetensors")]
    for pattern, what in ((_ADAPTER, "is an adapter and is not applied"), (_STATE, "is the state of a training")):
        left = dict.fromkeys(name for name in candidates if pattern.search(_stem(name)) and names[name] != asked)
        notices += [f"{name} {what}." for name in left]
        candidates = [name for name in candidates if name not in left]
    if asked:
        return [asked]
    if SINGLE in candidates:
        chosen = [SINGLE]
    elif INDEX in names:
        listed = frozenset(indexed)
        chosen = [name for name in candidates if (name in listed if listed else not _COPY.match(name))]
        if indexed and place and (missing := [name for name in indexed if name not in names]):
            raise ModelError(
                f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing, which {INDEX} names",
                where=place,
                remedy="Give all files of the model.",
            )
    else:
        chosen = [name for name in candidates if not _COPY.match(name)] or candidates
        if len(chosen) > 1 and place:
            raise ModelError(
                f"{len(chosen)} .safetensors files without {INDEX}",
                where=place,
                remedy=f"Add the index, or name the one to load: {_listed(chosen)}.",
            )
    used = set(chosen)
    notices += [f"{name} is left alone beside {chosen[0]}." for name in candidates if chosen and name not in used]
    return [names[name] for name in chosen]


def _ggufs(paths: Sequence[str], notices: list[str]) -> list[list[str]]:
    """The GGUF models in a folder, each as its parts."""
    models: list[list[str]] = []
    present, taken = set(paths), set[str]()
    for path in paths:
        if not path.lower().endswith(".gguf") or path in taken:
            continue
        why = next((what for pattern, what in _NO_MODEL if pattern.search(_stem(path))), "")
        if why:
            notices.append(f"{_name(path)} {why}.")
        else:
            models.append(_parts(path, present))
            taken.update(models[-1])
    return models


def _parts(path: str, paths: Collection[str]) -> list[str]:
    """A `.gguf` with the other parts of it that are there; which are missing is said when they are opened."""
    folder = path[: len(path) - len(_name(path))]
    parts = [folder + name for name in part_names(_name(path))]
    return [part for part in parts if part in paths] or [path]


def _tagged(paths: Sequence[str], tag: str, place: str) -> Choice:
    word = re.compile(rf"(^|[-_.]){re.escape(tag)}([-_.]|$)", re.IGNORECASE)
    notices: list[str] = []
    ggufs = _ggufs(paths, notices)
    candidates = [group for group in ggufs if _name(group[0]) == tag or word.search(_stem(part_stem(group[0])))]
    if len(candidates) == 1:
        return Choice(tuple(candidates[0]))
    if candidates:
        raise _several([group[0] for group in candidates], place)
    raise ModelError(
        f"no .gguf file is tagged {tag!r}",
        where=place,
        remedy=f"There are {_listed([group[0] for group in ggufs])}." if ggufs else _REMEDY,
    )


def part_stem(path: str) -> str:
    """The name of a `.gguf` without the number of its part."""
    return re.sub(r"-\d{5}-of-\d{5}(\.gguf)$", r"\1", _name(path), flags=re.IGNORECASE)


def _several(paths: Sequence[str], place: str) -> ModelError:
    return ModelError(f"{len(paths)} GGUF files at once", where=place, remedy=f"Name one of them: {_listed(paths)}.")


def _no_model(paths: Sequence[str], place: str) -> ModelError:
    names = {_name(path): path for path in paths}
    safetensors = [name for name in names if name.lower().endswith(".safetensors")]
    if safetensors and all(_ADAPTER.search(_stem(name)) for name in safetensors):
        message = f"{_listed(safetensors)} is an adapter, and the model that it changes is not there"
        remedy = "Give the model itself; adapter_config.json names it as base_model_name_or_path."
        return ModelError(message, where=place, remedy=remedy)
    if safetensors:
        return ModelError("config.json is missing", where=place, remedy=_REMEDY)
    unfinished = [name for name in names if _UNFINISHED.search(name)]
    if unfinished:
        message = (
            f"{_listed(unfinished)} {'is a download' if len(unfinished) == 1 else 'are downloads'} that did not finish"
        )
        return ModelError(message, where=place, remedy="Fetch the file to its end.")
    pieces = [name for name in names if _PIECE.search(name)]
    if pieces:
        message = f"{_listed(pieces)} {'is a piece' if len(pieces) == 1 else 'are pieces'} of a .gguf"
        remedy = "Join all pieces in order (cat m.gguf.part1of2 m.gguf.part2of2 > m.gguf) and load the result."
        return ModelError(message, where=place, remedy=remedy)
    others = [name for name in names if name.lower().endswith(_OTHERS)]
    if others:
        message = f"no .safetensors file among the files, and {_listed(others)} cannot be read"
        return ModelError(message, where=place, remedy="Choose a copy of the model in safetensors or GGUF.")
    if "config.json" in names:
        return ModelError("no .safetensors file among the files", where=place, remedy=f"Add {SINGLE}.")
    return ModelError("holds no model files", where=place, remedy=_REMEDY)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    return _name(path).rpartition(".")[0]


def _hidden(path: str) -> bool:
    """Whether a file or a folder above it is hidden, as `.git`, `.cache` and macOS's `._model.gguf` are."""
    return any(part.startswith(".") for part in path.split("/"))

"""What a model is and needs, before it is loaded: family, size, memory, whether it fits here, what is missing.

Headers and small files are read, no weights. What keeps a model from loading is part of the report, not raised.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from ..errors import LoomError
from ..formats.checkpoint import Checkpoint
from ..formats.files import read_json_file
from ..formats.folder import INDEX, choose_files
from ..formats.gguf_split import open_gguf
from ..formats.safetensors import SafetensorsFile, SafetensorsIndex
from ..formats.source import Source
from ..models.gguf_config import ARCHITECTURE
from ..models.protocols import Decoder, Facts
from ..models.registry import MAX_CONFIG_BYTES
from ..models.trace import kept_shape, kept_tensors
from ..models.weights import CheckpointWeights
from ..runtime.choice import NUMPY, Choice, devices
from ..schema.fields import FILE, Fields, Json
from .embedding import PACK
from .opening import OpenedEncoder, OpenedModel, open_model
from .placing import OPERATIONS

TOKENS = 2048
"""Length of the conversation that memory is reckoned for, where the model takes as many."""
WASM_BYTES = 1 << 32
"""What WebAssembly can address: all that Python has in a page."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a model needs on a device.

    - `weights`: as the device keeps them.
    - `cache`: what its layers keep of `tokens` tokens; an encoder's keep nothing.
    """

    weights: int
    cache: int
    tokens: int


@dataclass
class ModelReport:
    """What the files of a model say.

    - `format`: `GGUF` or `safetensors`; empty where no model was recognised.
    - `kind`: `decoder` for a model that continues texts, `encoder` for one that embeds them; empty for neither.
    - `family`: `model_type` of `config.json`, `general.architecture` of GGUF.
    - `parameters`: of the model, or in the files where they make none.
    - `nbytes`: of all tensors in the files; `storages`: tensors of each storage.
    - `facts`: None where the model cannot be loaded.
    - `chat`: whether it has a chat template.
    - `device`, `memory`: the device that would get it, and what it needs there.
    - `lack`: why it does not fit here; empty where it does, as far as that can be said.
    - `problem`: what keeps it from loading otherwise.
    - `notices`: what else should be known, in sentences.
    """

    name: str
    format: str = ""
    kind: str = ""
    family: str = ""
    parameters: int = 0
    nbytes: int = 0
    storages: dict[str, int] = field(default_factory=dict[str, int])
    facts: Facts | None = None
    tokenizer: bool = False
    chat: bool = False
    device: str = ""
    memory: Memory | None = None
    lack: str = ""
    problem: LoomError | None = None
    notices: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether there is room for it."""
        return self.memory is not None and not self.lack

    def to_json(self) -> Json:
        facts = self.facts
        return {
            "name": self.name,
            "format": self.format,
            "kind": self.kind,
            "family": self.family,
            "parameters": self.parameters,
            "bytes": self.nbytes,
            "storages": self.storages,
            "hidden_size": facts.hidden_size if facts else None,
            "num_hidden_layers": facts.num_hidden_layers if facts else None,
            "vocab_size": facts.vocab_size if facts else None,
            "max_position_embeddings": facts.max_position_embeddings if facts else None,
            "tokenizer": self.tokenizer,
            "chat": self.chat,
            "experts": facts.experts if facts else None,
            "device": self.device,
            "memory": vars(self.memory) | {"total": self.memory.weights + self.memory.cache} if self.memory else None,
            "fits": self.fits,
            "lack": self.lack,
            "problem": str(self.problem or ""),
            "notices": list(self.notices),
        }


def inspect_model(
    files: Mapping[str, Source], name: str = "model", *, preference: str | None = None, machine: int = 0
) -> ModelReport:
    """The report on some files, of which `formats.folder` says which are used.

    **Arguments:**

    - `files`, `name`: as for `open_model`; `preference`: as for `load_to_device`.
    - `machine`: bytes of memory that this machine has; 0 where that is not said.
    """
    report = ModelReport(name)
    opened: OpenedModel | OpenedEncoder | None = None
    try:
        opened = open_model(files, name)
    except LoomError as error:
        report.problem = error
    if opened is None:
        try:
            opened = open_model(files, name, tokenizer=False)
        except LoomError:
            _headers(report, files)
            return report
    weights = opened.weights
    _tensors(report, weights.checkpoint)
    report.parameters = sum(info.numel for weight in weights for info in weights.infos(weight))
    report.name = opened.name
    report.format = "GGUF" if weights.layout == "gguf" else "safetensors"
    decoder = opened.decoder if isinstance(opened, OpenedModel) else None
    report.kind = "decoder" if decoder else "encoder"
    report.facts = opened.decoder.facts if isinstance(opened, OpenedModel) else opened.encoder.facts
    report.family = report.facts.model_type
    report.tokenizer = opened.tokenizer is not None
    report.chat = isinstance(opened, OpenedModel) and opened.texts.template is not None
    report.notices = opened.notices
    _room(report, decoder, weights, list(devices.candidates(OPERATIONS, preference)), machine)
    return report


def _room(
    report: ModelReport, decoder: Decoder | None, weights: CheckpointWeights, candidates: Sequence[Choice], machine: int
) -> None:
    """The first device that has room, of those that loading would try; otherwise why the last one has none."""
    for choice in [c for c in candidates if c.device] or candidates:
        sizes = [weights.device_bytes(n) if choice.device else weights.numpy_bytes(n) for n in weights]
        positions = report.facts.max_position_embeddings if report.facts else TOKENS
        tokens = min(TOKENS if decoder else PACK, positions)
        kept = list(_cache_sizes(decoder, tokens)) if decoder else []
        report.device, report.memory = choice.name, Memory(sum(sizes), sum(kept), tokens)
        total = sum(sizes) + sum(kept)
        report.lack = ""
        if choice.device:
            report.lack = choice.device.lacks_room([*sizes, *kept]) or ""
        elif choice.name == NUMPY and sys.platform == "emscripten" and total > WASM_BYTES:
            report.lack = f"WebAssembly can address {WASM_BYTES:,} bytes"
        if not report.lack and machine and total > machine:
            report.lack = f"this machine has {machine:,} bytes of memory"
        if not report.lack:
            return


def _cache_sizes(decoder: Decoder, tokens: int) -> Iterator[int]:
    for kept in kept_tensors(decoder.new_cache()).values():
        yield prod(kept_shape(kept, tokens)) * min(np.dtype(kept.dtype).itemsize, 4)  # integers are narrowed


def _headers(report: ModelReport, files: Mapping[str, Source]) -> None:
    """What can be said of files that make no model."""
    by_path = {path.replace("\\", "/"): source for path, source in files.items()}
    try:
        chosen = {path.rpartition("/")[2]: by_path[path] for path in choose_files(by_path).files}
        if all(file.lower().endswith(".gguf") for file in chosen):
            report.format = "GGUF"
            gguf = open_gguf(list(chosen.values()))
            report.family = str(gguf.metadata.get(ARCHITECTURE, ""))
            _tensors(report, gguf)
            return
        report.format = "safetensors"
        config = read_json_file(chosen["config.json"], max_bytes=MAX_CONFIG_BYTES)
        report.family = Fields(config, file="config.json", rules=FILE).string("model_type", default="")
        shards = {n: s for n, s in chosen.items() if n.lower().endswith(".safetensors")}
        index = chosen.get(INDEX)
        _tensors(report, SafetensorsIndex(index, shards) if index else SafetensorsFile(next(iter(shards.values()))))
    except LoomError:  # it is `report.problem`, or another consequence of the same
        return


def _tensors(report: ModelReport, checkpoint: Checkpoint) -> None:
    infos = [checkpoint.info(name) for name in checkpoint.names()]
    report.parameters = sum(info.numel for info in infos)
    report.nbytes = sum(info.nbytes for info in infos)
    report.storages = dict(Counter(info.dtype for info in infos).most_common())

"""What layers a checkpoint holds, guessed from the names and shapes of its tensors.

A checkpoint stores tensors, not layers: kinds are guesses, and each says what it rests on. What leaves no tensors
(activations, softmax, residual connections, the number of attention heads, the order of computation) cannot be seen.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from ..formats.checkpoint import Checkpoint, TensorInfo
from ..schema.fields import Json
from .layer_rules import GROUPS, Guess, group_role, guess_module

Confidence = Literal["high", "medium", "low"]
_BLOCK = re.compile(r"(?:^|[./])(layers?|blk|blocks?|h)[._](\d+)(?=[./]|$)")


@dataclass(frozen=True)
class LayerGuess:
    """A layer that the tensors look like.

    - `kind`: one of this package's kinds, or "gru", "batch_norm", "tensor" (nothing better to say).
    - `confidence`: "high" where name and shape agree, "medium" where the name decides, "low" for the shape alone.
    - `reason`: what it rests on; `details`: sizes that follow from the shapes; `alternatives`: what else fits.
    """

    name: str
    kind: str
    confidence: Confidence
    reason: str
    parameters: int
    details: Json
    alternatives: tuple[str, ...]
    tensors: tuple[str, ...]

    def to_json(self) -> Json:
        return {**vars(self), "alternatives": list(self.alternatives), "tensors": list(self.tensors)}


@dataclass(frozen=True)
class CheckpointReport:
    """All layers of a checkpoint in the order of its tensors, and sums over them."""

    name: str
    layers: list[LayerGuess]
    dtypes: dict[str, int]
    parameters: int
    nbytes: int
    blocks: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def kinds(self) -> dict[str, int]:
        """How many layers of each kind."""
        return dict(Counter(layer.kind for layer in self.layers))

    def to_json(self) -> Json:
        head = {"name": self.name, "parameters": self.parameters, "bytes": self.nbytes, "dtypes": self.dtypes}
        return head | {"blocks": self.blocks, "kinds": self.kinds, "layers": [x.to_json() for x in self.layers]}


def inspect_checkpoint(checkpoint: Checkpoint) -> CheckpointReport:
    """Guess the layers of a safetensors or GGUF file; reads names, shapes and types only, never the numbers."""
    infos = [checkpoint.info(name) for name in checkpoint.names()]
    modules: dict[str, dict[str, TensorInfo]] = {}
    for info in infos:
        module, parameter = _split(info.name)
        modules.setdefault(module, {})[parameter] = info
    layers: list[LayerGuess] = []
    taken: set[str] = set()
    grouped = _groups(modules)
    groups: dict[tuple[str, str], list[str]] = {}
    for module, place in grouped.items():
        groups.setdefault(place, []).append(module)
    for module, parameters in modules.items():
        if module in taken:
            continue
        parent, family = grouped.get(module, ("", ""))
        if family:
            members = groups[parent, family]
            guess = GROUPS[family].guess({group_role(family, m.rpartition(".")[2]): modules[m] for m in members})
            if guess is not None:
                taken.update(members)
                grouped_infos = [info for m in members for info in modules[m].values()]
                layers.append(_layer(parent or module, guess, grouped_infos))
                continue
        layers.append(_layer(module, guess_module(module, parameters), list(parameters.values())))
    dtypes = Counter(info.dtype for info in infos)
    total = sum(info.numel for info in infos)
    return CheckpointReport(
        checkpoint.name, layers, dict(dtypes), total, sum(i.nbytes for i in infos), _blocks(checkpoint.names())
    )


def _layer(name: str, guess: Guess, infos: list[TensorInfo]) -> LayerGuess:
    names, count = tuple(info.name for info in infos), sum(info.numel for info in infos)
    return LayerGuess(name, guess.kind, guess.confidence, guess.reason, count, guess.details, guess.alternatives, names)


def _split(name: str) -> tuple[str, str]:
    """`model.fc.weight` → (`model.fc`, `weight`); recurrent tensors are kept apart by layer and direction."""
    module, _, parameter = name.rpartition(".")
    match = re.fullmatch(r"((?:weight|bias)_[ih]h)_(l\d+(?:_reverse)?)", parameter)
    if match:
        return f"{module}.{match[2]}" if module else match[2], match[1]
    match = re.fullmatch(r"in_proj_(weight|bias)", parameter)
    if match:
        return f"{module}.in_proj" if module else "in_proj", match[1]
    return (module, parameter) if module else (name, "")


def _groups(modules: dict[str, dict[str, TensorInfo]]) -> dict[str, tuple[str, str]]:
    """Module → (parent, family) for modules that are parts of a bigger layer, such as a query projection."""
    parents: dict[str, tuple[str, str]] = {}
    for family in GROUPS:
        roles: dict[str, dict[str, str]] = {}
        for module in modules:
            parent, _, last = module.rpartition(".")
            role = group_role(family, last)
            if role and module not in parents:
                roles.setdefault(parent, {}).setdefault(role, module)
        for parent, members in roles.items():
            if any(need <= set(members) for need in GROUPS[family].needs):
                parents |= dict.fromkeys(members.values(), (parent, family))
    return parents


def _blocks(names: list[str]) -> dict[str, int]:
    """Repeated blocks: the path before their number → how many."""
    numbers: dict[str, set[int]] = {}
    for name in names:
        match = _BLOCK.search(name)
        if match:
            numbers.setdefault(name[: match.end(1)], set()).add(int(match[2]))
    return {prefix: len(indices) for prefix, indices in numbers.items() if len(indices) > 1}

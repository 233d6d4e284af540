"""What a layer is.

A layer is a frozen description: kind, sizes, choices. Its parameters live outside, in a *tree* (a dict of tensors, or
of lists of such dicts for nested layers), so that `forward` and `backward` are functions of their arguments and can be
traced. Every layer maps (B, in_size) to (B, out_size); layers with inner structure (time steps, channels) reshape
inside. A size of None means "whatever comes in".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, FormatError, InputError
from ..runtime.ops import Ops, Tensor
from ..schema.fields import Fields, Json, is_number, json_type
from .activation import Logits, ignored_activation
from .options import read_options, write_options

Params = dict[str, Any]
"""name → tensor, or name → list of Params for the layers inside this one; and `BUFFERS` → name → tensor."""
BUFFERS = "buffers"
"""Where a layer keeps tensors that are saved with its parameters and not trained, such as running statistics."""
State = dict[str, Any]
"""What a layer carries from one call to the next, in the same shape; {} carries nothing."""
Shape = tuple[int, ...]
WeightFields = dict[str, tuple[str, Shape]]
"""Parameter name → its key in LOOM's JSON, and its shape."""
Residual = Literal["none", "source", "before", "after", "skip"]
Array = NDArray[Any]
MAX_PARAMETERS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Child:
    """A layer inside another, whose parameters are `tree[key][index]` of the outer layer's tree."""

    layer: Layer
    key: str
    index: int
    place: str
    """JSON path below the outer layer's: `branches[1]`, `filter_gate`."""

    def part(self, tree: Params) -> Params:
        """Its own part of the outer layer's parameters or gradients."""
        return tree[self.key][self.index]

    @property
    def path(self) -> str:
        """The prefix of its parameters' names below the outer layer's: `branches.1`."""
        return f"{self.key}.{self.index}"


@dataclass(frozen=True, kw_only=True)
class Layer(ABC):
    """Base of all layers; a subclass is one file: formula, options, init, forward, backward."""

    kind: ClassVar[str]
    number: ClassVar[int] = -1
    """The original's number; −1 for a kind that it does not have."""
    aliases: ClassVar[tuple[str, ...]] = ()
    residual: ClassVar[Residual] = "none"
    """Its part in the network's residual stream; see `nn.chain`."""
    checks_input: ClassVar[bool] = False
    """Whether `forward` refuses some finite inputs, as one that takes token ids does."""

    in_size: int | None
    out_size: int | None
    activation: str = ignored_activation("linear")

    @classmethod
    def from_fields(cls, f: Fields, in_size: int | None) -> Self:
        """From JSON; `in_size` is what the layer before gives, if known. Sizes that follow from it may be left out."""
        values: dict[str, Any] = {"in_size": in_size, "out_size": in_size}
        return cls(**(values | read_options(cls, f, in_size))).fitted(f)

    def fitted(self, f: Fields) -> Self:
        """The layer with the sizes that follow from each other; `ConfigError` where options contradict each other.

        Before it `in_size` and `out_size` are what the layer before gives (None if unknown), or the options' values.
        """
        return self

    @property
    def given_size(self) -> int | None:
        """In `fitted`, what the layer before gives, for a layer whose own `in_size` is a number in the end."""
        return self.in_size

    def to_json(self) -> Json:
        """The JSON fields, in the original's names; `from_fields` reads them back."""
        return {"type": self.kind, **write_options(self)}

    @property
    def in_shape(self) -> Shape:
        """One sample as the layer sees it; () where any size fits."""
        return () if self.in_size is None else (self.in_size,)

    @property
    def out_shape(self) -> Shape:
        """One sample of what it gives."""
        return () if self.out_size is None else (self.out_size,)

    def children(self) -> tuple[Child, ...]:
        """The layers inside this one, in order; whoever walks a network asks for them here."""
        return ()

    def with_children(self, layers: Sequence[Layer]) -> Self:
        """The same layer with others inside, as many as `children` gives and in that order."""
        return self

    def source(self, index: int, stream: int | None) -> int | None:
        """Which earlier tensor of its chain layer `index` wants added: 0 is the input, i + 1 the output of layer i.

        `stream` is where the residual stream points. None for no tensor.
        """
        return stream if self.residual in ("before", "after") else None

    def check_trainable(self, where: str) -> None:
        """Raises `InputError` with a place below `where` if this layer, as it is set up, has no backward pass."""
        for child in self.children():
            child.layer.check_trainable(f"{where}.{child.place}")

    @property
    def run_size(self) -> int | None:
        """Values of which a sample holds a whole number of runs, where `in_size` is open; None for any number."""
        return None

    def check_width(self, width: int) -> None:
        """Raises `InputError` for samples of `width` values, which this layer does not take.

        It happens behind layers of any size, whose `out_size` is None: only the input says how many values there are.
        """
        if self.in_size is not None:
            if width != self.in_size:
                raise InputError(
                    f"the layer {self.kind} takes {self.in_size} values a sample but gets {width}",
                    where="input",
                    remedy="Give an input of another size, or set the sizes of the layers.",
                )
        elif self.run_size is not None and width % self.run_size:
            raise InputError(
                f"the layer {self.kind} takes runs of {self.run_size} values, which do not divide the {width} it gets",
                where="input",
                remedy="Give an input of another size, or set the sizes of the layers.",
            )

    def init(self, rng: np.random.Generator) -> Params:
        """Fresh parameters, float32; {} for a layer that has none."""
        return {}

    def init_state(self, batch: int, dtype: Any) -> State:
        """Zero state for `batch` samples; {} for a layer that carries none."""
        return {}

    @abstractmethod
    def forward(self, ops: Ops, p: Params, x: Tensor, s: State, training: bool) -> tuple[Tensor, Any]:
        """x (B, in_size) → y (B, out_size) and whatever `backward` needs.

        `s` is changed in place; where `training` is set, so are the layer's buffers, by in-place kernels alone. Without
        it the pass is for use or evaluation: no noise, fixed statistics. `backward` fits the pass that it follows.
        """

    @abstractmethod
    def backward(self, ops: Ops, p: Params, cache: Any, gy: Tensor) -> tuple[Tensor, Params]:
        """Gradient with respect to y (B, out_size) → gradients with respect to x and to the parameters (same tree)."""

    def logits(self, cache: Any) -> Logits | None:
        """What the last step of a forward pass made probabilities of, for losses that are computed from there.

        None where the output is no softmax and no sigmoid.
        """
        return None

    def backward_logits(self, ops: Ops, p: Params, cache: Any, gz: Tensor) -> tuple[Tensor, Params]:
        """As `backward`, from the gradient with respect to the `logits`."""
        raise NotImplementedError(f"{self.kind} has no logits")

    @property
    def parameter_count(self) -> int:
        """Number of trainable numbers, from the sizes alone."""
        own = sum(prod(shape) for _, shape in self.weight_fields.values())
        return own + sum(child.layer.parameter_count for child in self.children())

    # How parameters are written in LOOM's JSON: parameter name → JSON key and shape. Layers whose file layout differs
    # from their memory layout override `weights_to_json` and `weights_from_json` instead.
    @property
    def weight_fields(self) -> WeightFields:
        return {}

    @property
    def buffer_fields(self) -> WeightFields:
        """The same for buffers, which `init` puts under `BUFFERS`."""
        return {}

    def weights_to_json(self, p: Params) -> Json:
        """LOOM's weight record of this layer, buffers included: flat lists of float32."""
        record = {key: floats(p[name]) for name, (key, _) in self.weight_fields.items()}
        return record | {key: floats(p[BUFFERS][name]) for name, (key, _) in self.buffer_fields.items()}

    def weights_from_json(self, f: Fields) -> Params:
        """Back from a weight record; an error of the reader's class for missing or wrong-sized arrays."""
        weights: Params = {name: array(f, key, shape) for name, (key, shape) in self.weight_fields.items()}
        buffers = {name: array(f, key, shape) for name, (key, shape) in self.buffer_fields.items()}
        return weights | ({BUFFERS: buffers} if buffers else {})

    def gradients_flat(self, grads: Params) -> tuple[list[Array], list[Array]]:
        """(kernel parts, bias parts) in the original's order, for `KernelGradients` and `BiasGradients`."""
        if children := self.children():
            parts = [child.layer.gradients_flat(child.part(grads)) for child in children]
            return [k for kernels, _ in parts for k in kernels], [b for _, biases in parts for b in biases]
        kernels = [g for name, g in grads.items() if name != "bias"]
        return kernels, [grads["bias"]] if "bias" in grads else []

    @classmethod
    def recognise(cls, shapes: Mapping[str, Shape]) -> Json | None:
        """What parameters of these names and shapes say about a layer of this kind; None if they are not its own."""
        return None


def walk(layer: Layer) -> Iterator[Layer]:
    """The layer and all layers inside it, to any depth."""
    yield layer
    for child in layer.children():
        yield from walk(child.layer)


def uniform(rng: np.random.Generator, bound: float, shape: Shape) -> Array:
    """~ U(±bound), float32."""
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def floats(a: Array) -> list[float]:
    """Shortest decimals that read back to the same float32 values (NumPy's `str` gives those)."""
    flat = np.asarray(a, dtype=np.float32).ravel()
    if not np.isfinite(flat).all():
        raise FormatError(
            "the weights contain NaN or infinity, which JSON cannot hold",
            remedy="Training diverged; lower the learning rate or clip gradients.",
        )
    return [float(s) for s in flat.astype("U")]


def array(f: Fields, key: str, shape: tuple[int, ...]) -> Array:
    """A field of a weight record, a flat array of numbers, as a float32 array of `shape`."""
    size = prod(shape)
    if not f.has(key) and ("bias" in key or key == "beta"):  # the original leaves out what is empty
        return np.zeros(shape, np.float32)
    values = f.array(key)
    if len(values) != size:
        raise f.error(f"expected {size} numbers for shape {list(shape)}, got {len(values)}", key)
    for i, item in enumerate(values):
        if not is_number(item):
            raise f.error(f"expected a number, got {json_type(item)}", key, i)
    try:
        with np.errstate(over="ignore"):
            result = np.array(values, dtype=np.float64).astype(np.float32)
    except OverflowError:  # an integer beyond float64
        result = np.array([np.inf], np.float32)
    if not np.isfinite(result).all():
        raise f.error("holds a number that is not finite in float32", key)
    return result.reshape(shape)


def initial_params(layers: Sequence[Layer], seed: int) -> list[Params]:
    """Fresh parameters of layers one after another; sizes no memory holds are a `ConfigError`."""
    for i, layer in enumerate(layers):
        if layer.parameter_count > MAX_PARAMETERS:
            raise ConfigError(
                f"{layer.parameter_count} parameters in one layer; the limit is {MAX_PARAMETERS}", where=f"layers[{i}]"
            )
    rng = np.random.Generator(np.random.Philox(seed))
    try:
        return [layer.init(rng) for layer in layers]
    except MemoryError as error:
        total = sum(layer.parameter_count for layer in layers)
        raise ConfigError(f"{total} parameters do not fit into memory", where="layers") from error


def child_records(f: Fields, key: str, count: int) -> list[Fields]:
    """The weight records of the layers inside a layer."""
    records = f.objects(key, required=True)
    if len(records) != count:
        raise f.error(f"expected {count} weight records, got {len(records)}", key)
    return records


def _inner(value: object) -> TypeGuard[list[Params]]:
    """Whether an entry of a tree holds the trees of the layers inside."""
    return isinstance(value, list)


def _tree(value: object) -> TypeGuard[Params]:
    return isinstance(value, dict)


def leaves(tree: Params, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """(dotted path, tensor) for every tensor of a tree of parameters or gradients, in order; not the buffers."""
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        if _inner(value):
            for i, child in enumerate(value):
                yield from leaves(child, f"{here}.{i}")
        elif name != BUFFERS:
            yield here, value


def buffer_leaves(tree: Params, path: str = "") -> Iterator[tuple[str, Tensor]]:
    """(dotted path, tensor) for every buffer of a parameter tree, as if it were a parameter of its layer."""
    for name, value in tree.items():
        if _inner(value):
            for i, child in enumerate(value):
                yield from buffer_leaves(child, f"{path}.{name}.{i}" if path else f"{name}.{i}")
        elif name == BUFFERS:
            yield from leaves(value, path)


def nest(like: Params, path: str, named: Mapping[str, Array]) -> Params:
    """The reverse of `leaves`: a tree of the shape of `like` with the arrays that lie at its paths."""
    return {
        name: [nest(child, f"{path}.{name}.{i}", named) for i, child in enumerate(value)]
        if _inner(value)
        else named[f"{path}.{name}"]
        for name, value in like.items()
        if name != BUFFERS
    }


def trainable(tree: Params) -> Params:
    """The same tree without its buffers."""
    return {
        name: [trainable(child) for child in value] if _inner(value) else value
        for name, value in tree.items()
        if name != BUFFERS
    }


def with_buffers(tree: Params, function: Callable[[Array], Array]) -> Params:
    """The same tree with `function` applied to its buffers alone."""
    return {
        name: [with_buffers(child, function) for child in value]
        if _inner(value)
        else tree_map(function, value)
        if name == BUFFERS
        else value
        for name, value in tree.items()
    }


def tree_map(function: Callable[[Any], Any], tree: Params) -> Params:
    """The same tree, of parameters with their buffers or of states, with `function` applied to every tensor."""
    return {
        name: [tree_map(function, child) for child in value]
        if _inner(value)
        else tree_map(function, value)
        if _tree(value)
        else function(value)
        for name, value in tree.items()
    }


def number_noise(tree: State, drawn: int) -> None:
    """*In place*: set every noise counter (`step`) of a state tree."""
    for name, value in tree.items():
        if _inner(value):
            for child in value:
                number_noise(child, drawn)
        elif _tree(value):
            number_noise(value, drawn)
        elif name == "step" and type(value) is int:
            tree[name] = drawn


def noise_counters(tree: State) -> State:
    """Of a state tree what counts the draws of noise, without anything else that is carried."""
    kept: State = {}
    for name, value in tree.items():
        if _inner(value):
            kept[name] = [noise_counters(child) for child in value]
        elif _tree(value):
            kept[name] = noise_counters(value)
        elif name == "step":
            kept[name] = value
    return kept

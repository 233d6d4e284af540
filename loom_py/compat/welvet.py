"""The original's Python names (package `welvet`), each a line or two over the real API.

The functions that end in `_simple` and those about text take no object: they work on the network,
tokenizer and model created or loaded last. Results are plain lists, dicts and strings.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..formats.source import BytesSource, Source
from ..marks import Floats
from ..network.layer_init import call_layer_init, list_layer_init_functions
from ..network.loading import build_network_from_json
from ..network.loading import load_model_from_string as _load_model
from ..network.network import Network
from ..network.unset import new_network
from ..progress import to_end
from ..stepping.state import StepState as _StepState

if TYPE_CHECKING:
    from ..generation.language_model import LanguageModel
    from ..generation.loading import LoadProgress
    from ..text.tokenizer import Tokenizer

__all__ = [
    "Activation",
    "StepState",
    "apply_gradients",
    "backward_simple",
    "call_layer_init",
    "cleanup_gpu",
    "configure_sequential_network",
    "create_network",
    "create_network_from_json",
    "decode_tokens",
    "encode_text",
    "evaluate_network_simple",
    "forward",
    "forward_simple",
    "free_network",
    "generate_next_token",
    "generate_stream",
    "generate_text",
    "generate_text_stream",
    "list_layer_init_functions",
    "load_model_from_string",
    "load_model_simple",
    "load_tokenizer_from_bytes",
    "load_transformer_from_bytes",
    "new_network",
    "save_model_simple",
    "train_epoch",
    "train_simple",
]
Json = dict[str, Any]


class Activation(IntEnum):
    """The original's activations; `loom_py.nn.activation` lists all."""

    RELU = 0
    SIGMOID = 1
    TANH = 2
    SOFTPLUS = 3
    LEAKY_RELU = 4
    LINEAR = 5


# --- one current network ----------------------------------------------------------------------------------------------
_network: Network | None = None


def create_network_from_json(config: str | bytes | Mapping[str, Any]) -> Network:
    """`build_network_from_json`; the new network becomes the current one."""
    return _use(build_network_from_json(config))


def load_model_from_string(text: str, model_id: str) -> Network:
    """Load a network from a bundle; it becomes the current one."""
    return _use(_load_model(text, model_id))


load_model_simple = load_model_from_string


def forward_simple(input: Floats) -> list[float]:
    """Flat output of the current network."""
    return forward(_current(), input)


def backward_simple(gradient: Floats) -> list[float]:
    """Flat gradient of the input, from the gradient of the current network's last output."""
    return _current().backward(gradient).ravel().tolist()


def apply_gradients(learning_rate: float) -> None:
    """One update of the current network from its last backward pass."""
    _current().apply_gradients(learning_rate)


class StepState(_StepState):
    """Ticks of the current network; see `loom_py.stepping`.

    `recurrent="carry"` keeps the state of RNNs and LSTMs from tick to tick, `"reset"` clears it, and `"layer"` does as
    each layer's `stateful` says; `batch` is the number of samples that go through together.
    """

    def __init__(self, input_size: int | None = None, *, batch: int = 1, recurrent: str = "layer") -> None:
        super().__init__(_current(), input_size, batch=batch, recurrent=recurrent)


def train_simple(batches: Sequence[Mapping[str, Any]], config: Mapping[str, Any] | None = None) -> Json:
    """Train the current network: `[{"Input", "Target"}]` → `{"FinalLoss", "LossHistory", …}`."""
    return _current().train(batches, config).to_json()


def evaluate_network_simple(inputs: Sequence[Floats], expected: Sequence[float]) -> Json:
    """Deviation metrics of the current network: `{"score", "avg_deviation", "buckets", …}`."""
    return _current().evaluate_network(inputs, expected).to_json()


def save_model_simple(model_id: str) -> str:
    """The current network as bundle text."""
    return _current().save_model_to_string(model_id)


def _use(network: Network) -> Network:
    global _network
    _network = network
    return network


def _current() -> Network:
    if _network is None:
        raise InputError("there is no network yet", remedy="Create one with create_network_from_json.")
    return _network


# --- networks as objects ----------------------------------------------------------------------------------------------
def create_network(
    input_size: int, grid_rows: int = 1, grid_cols: int = 1, layers_per_cell: int = 1, use_gpu: bool = False
) -> Network:
    """A grid of unset layers, for `configure_sequential_network` or `Network.set_layer`.

    `use_gpu` has no effect: the device follows from the network's size and the machine.
    """
    return _use(new_network(input_size, grid_rows, grid_cols, layers_per_cell))


def configure_sequential_network(
    network: Network, layer_sizes: Sequence[int], activations: Sequence[int | str] | None = None
) -> None:
    """Make every cell a dense layer: sizes [4, 8, 2] are 4 → 8 → 2. Activations default to ReLU, the last to sigmoid.

    Raises `InputError` when the sizes do not fit the grid; the network is then unchanged.
    """
    count = len(layer_sizes) - 1
    if count != network.total_layers():
        raise InputError(f"{len(layer_sizes)} sizes for {network.total_layers()} layers", where="layer_sizes")
    if network.input_size not in (None, layer_sizes[0]):
        raise InputError(f"the network takes {network.input_size} values, not {layer_sizes[0]}", where="layer_sizes[0]")
    kinds = list(activations) if activations is not None else [Activation.RELU] * (count - 1) + [Activation.SIGMOID]
    if len(kinds) != count:
        raise InputError(f"{len(kinds)} activations for {count} layers", where="activations")
    values = [kind if isinstance(kind, str) else int(kind) for kind in kinds]
    sizes = zip(layer_sizes, layer_sizes[1:], values, strict=False)
    configs = [call_layer_init("InitDenseLayer", list(arguments)) for arguments in sizes]
    cells = network.grid_cols, network.layers_per_cell
    for i, config in enumerate(configs):
        network.set_layer(i // (cells[0] * cells[1]), i // cells[1] % cells[0], i % cells[1], config)


def train_epoch(
    network: Network, inputs: Sequence[Floats], targets: Sequence[Floats], learning_rate: float = 0.01
) -> float:
    """One pass over all samples, in order, one update each; mean loss before the updates."""
    if len(inputs) != len(targets):
        raise InputError(f"{len(inputs)} inputs but {len(targets)} targets", where="targets")
    batches = [{"Input": x, "Target": y} for x, y in zip(inputs, targets, strict=True)]
    return network.train(batches, {"Epochs": 1, "LearningRate": learning_rate}).final_loss


def forward(network: Network, input: Floats) -> list[float]:
    """Flat output."""
    return network.forward(input).ravel().tolist()


def cleanup_gpu(network: Network) -> None:
    """Clear the network's last pass and the state it carries between calls; weights stay."""
    network.reset_state()
    network.forget_pass()


def free_network(network: Network) -> None:
    """Forget the network if it is the current one; Python frees it with its last reference."""
    global _network
    cleanup_gpu(network)
    if _network is network:
        _network = None


# --- one current tokenizer and model ----------------------------------------------------------------------------------
_tokenizer: Tokenizer | None = None
_tokenizer_source: Source | None = None
_model: LanguageModel | None = None


def load_tokenizer_from_bytes(data: bytes | Source) -> Tokenizer:
    """Read a tokenizer.json; it becomes the current tokenizer, also for models loaded after it."""
    from ..text.tokenizer import Tokenizer

    global _tokenizer, _tokenizer_source
    source = _source(data, "tokenizer.json")
    tokenizer = Tokenizer.from_json(source)
    _tokenizer, _tokenizer_source = tokenizer, source
    return tokenizer


def load_transformer_from_bytes(config: bytes | Source, weights: bytes | Source) -> LanguageModel:
    """Read config.json and model.safetensors, with the current tokenizer; the model becomes the current one."""
    return to_end(load_transformer_steps(config, weights))


def load_transformer_steps(
    config: bytes | Source, weights: bytes | Source
) -> Generator[LoadProgress, None, LanguageModel]:
    """`load_transformer_from_bytes` tensor by tensor: yields `LoadProgress`, returns the model."""
    from ..generation.loading import load_steps

    global _model
    current_tokenizer()
    assert _tokenizer_source is not None
    model = yield from load_steps(
        {
            "config.json": _source(config, "config.json"),
            "tokenizer.json": _tokenizer_source,
            "model.safetensors": _source(weights, "model.safetensors"),
        }
    )
    _model = model
    return model


def encode_text(text: str, add_special_tokens: bool = True) -> list[int]:
    """Token ids."""
    return current_tokenizer().encode(text, add_special_tokens=add_special_tokens)


def decode_tokens(ids: Sequence[int], skip_special_tokens: bool = True) -> str:
    """Text of token ids."""
    return current_tokenizer().decode(ids, skip_special_tokens=skip_special_tokens)


def generate_text(prompt: str, max_tokens: int = 50, temperature: float = 0.7) -> str:
    """The continuation of a prompt, all at once. Temperature 0 takes the likeliest token each time."""
    return "".join(generate_stream(prompt, max_tokens, temperature))


def generate_stream(prompt: str, max_tokens: int = 50, temperature: float = 0.7) -> Iterator[str]:
    """The continuation of a prompt, token by token; stop iterating to stop the work."""
    from ..generation.generate import GeneratedToken

    events = generation(prompt, max_tokens, temperature)
    return (event.text for event in events if isinstance(event, GeneratedToken) and event.text)


generate_text_stream = generate_stream


def generate_next_token(ids: Sequence[int], temperature: float = 0.7) -> int:
    """The token after a sequence, given all of it."""
    from ..generation.generate import GeneratedToken

    return next(event.id for event in generation(ids, 1, temperature) if isinstance(event, GeneratedToken))


def generation(prompt: str | Sequence[int], max_tokens: int, temperature: float) -> Iterator[Any]:
    """`PrefillProgress` and `GeneratedToken` events; arguments are checked before the first event."""
    from ..generation.sampling import GenerationOptions

    model = current_model()
    options = GenerationOptions(max_tokens=max_tokens, temperature=temperature, seed=secrets.randbits(32))
    ids = model.prompt_ids(prompt) if isinstance(prompt, str) else list(prompt)
    if not ids:
        raise InputError("Empty input after tokenization")
    return model.continue_ids(ids, options)


def current_tokenizer() -> Tokenizer:
    """The tokenizer loaded last."""
    if _tokenizer is None:
        raise InputError("Tokenizer not loaded")
    return _tokenizer


def current_model() -> LanguageModel:
    """The model loaded last."""
    if _model is None:
        raise InputError("Model not loaded")
    return _model


def _source(data: bytes | Source, name: str) -> Source:
    return BytesSource(bytes(data), name) if isinstance(data, (bytes, bytearray, memoryview)) else data

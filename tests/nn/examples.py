"""A small configuration of every layer kind, for tests that hold for all of them.

Each takes 12 values a sample, and gradients reach every one of its parameters.
"""

from __future__ import annotations

from typing import Any

from loom_py.nn import KINDS

IN_SIZE = 12
TOKENS = 5
EXAMPLES: dict[str, dict[str, Any]] = {
    "dense": {"type": "dense", "output_size": 4, "activation": "tanh"},
    "conv2d": {
        **{"type": "conv2d", "input_channels": 2, "input_height": 3, "input_width": 2, "filters": 2, "kernel_size": 2},
        "activation": "tanh",
    },
    "conv1d": {"type": "conv1d", "input_channels": 2, "filters": 2, "kernel_size": 3, "activation": "tanh"},
    "multi_head_attention": {"type": "mha", "d_model": 4, "num_heads": 2, "seq_length": 3},
    "rnn": {"type": "rnn", "input_size": 4, "hidden_size": 3, "seq_length": 3},
    "lstm": {"type": "lstm", "input_size": 4, "hidden_size": 3, "seq_length": 3},
    "qrnn": {"type": "qrnn", "input_size": 4, "hidden_size": 3, "seq_length": 3},
    "sru": {"type": "sru", "input_size": 4, "hidden_size": 3, "seq_length": 3},
    "sru, highway": {"type": "sru", "input_size": 4, "hidden_size": 4, "seq_length": 3},
    "layer_norm": {"type": "layer_norm"},
    "rms_norm": {"type": "rms_norm", "norm_size": 4},
    "swiglu": {"type": "swiglu", "output_size": 5},
    "dropout": {"type": "dropout", "rate": 0.25},
    "batch_norm": {"type": "batch_norm", "channels": 4},
    "softmax": {"type": "softmax"},
    "residual": {"type": "residual"},
    "embedding": {"type": "embedding", "vocab_size": TOKENS, "embedding_dim": 3},
    "pointwise_dense": {"type": "pointwise_dense", "input_size": 4, "output_size": 3, "activation": "gelu_tanh"},
    "position_embedding": {"type": "position_embedding", "positions": 3, "embedding_dim": 4},
    "sequential": {
        "type": "sequential",
        "layers": [{"type": "dense", "output_size": 6, "activation": "tanh"}, {"type": "rms_norm"}],
    },
    "parallel": {
        "type": "parallel",
        "combine_mode": "grid_scatter",
        "branches": [
            {"type": "lstm", "input_size": 6, "seq_length": 2, "hidden_size": 2},
            {"type": "parallel", "combine_mode": "add", "branches": [{"type": "dense", "output_size": 3}] * 2},
            {"type": "rnn", "input_size": 4, "seq_length": 3, "hidden_size": 2},
        ],
    },
    "parallel, filter": {
        "type": "parallel",
        "combine_mode": "filter",
        "filter_gate": {"type": "dense", "output_size": 2, "activation": "linear"},
        "branches": [{"type": "dense", "output_size": 3}, {"type": "dense", "output_size": 4}],
    },
}


def missing_kinds() -> set[str]:
    """Kinds in the registry without an example here."""
    shown = {KINDS[example["type"]] for example in EXAMPLES.values()}
    return {cls.kind for cls in KINDS.values() if cls not in shown}


def network_config(name: str) -> dict[str, Any]:
    """The example between two dense layers; an embedding comes first, since it takes token ids."""
    first = [] if name == "embedding" else [{"type": "dense", "output_size": IN_SIZE, "activation": "tanh"}]
    last = {"type": "dense", "output_size": 2, "activation": "sigmoid"}
    return {"input_size": IN_SIZE, "layers": [*first, EXAMPLES[name], last]}

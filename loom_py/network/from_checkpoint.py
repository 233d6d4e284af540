"""A language model's checkpoint as a network of LOOM's layers, which can be stepped, watched, trained and saved."""

from __future__ import annotations

import os

from ..errors import ModelError
from ..generation.opening import OpenedEncoder, model_files, open_model
from ..models.protocols import Layered
from ..nn.layer import Params, initial_params, leaves
from .config import parse_config
from .network import Network


def network_from_checkpoint(path: str | os.PathLike[str], *, head: bool = False, model_id: str = "model") -> Network:
    """The network of the checkpoint at `path`: a `.gguf` or a directory in the Hugging Face layout.

    It takes sequences of token ids, as many at a time as are of one length, and gives the hidden states after the last
    norm, (B, T · hidden).

    **Arguments:**

    - `head`: whether it goes on to logits, (B, T · vocabulary). A head that is tied to the embeddings becomes a copy of
      them.

    Raises `ModelError` for a family that is not made of LOOM's layers.
    """
    opened = open_model(model_files(path), os.path.basename(os.fspath(path)), tokenizer=False)
    model = opened.encoder if isinstance(opened, OpenedEncoder) else opened.decoder
    if not isinstance(model, Layered):
        message = f"the family {model.facts.model_type} is not made of LOOM's layers"
        raise ModelError(message, where=opened.name, remedy="Load it as a language model.")
    weights = {name: opened.weights.numbers(name) for name in opened.weights}
    described = list(model.layers(weights, head))
    layers, grid, _ = parse_config({"layers": [config for config, _ in described]})
    params: list[Params] = []
    for layer, (_, given) in zip(layers, described, strict=True):
        (tree,) = initial_params([layer], 0)
        numbers = dict(leaves(given, ""))
        for name, place in leaves(tree, ""):
            place[...] = numbers[name]
        params.append(tree)
    return Network(layers, grid=grid, params=params, model_id=model_id)

"""Programs of all kinds as text: forward, backward and training of every layer, and a Llama's chunks."""

from __future__ import annotations

import numpy as np

from loom_py import build_network_from_json
from loom_py.formats.program_file import dump_program
from loom_py.models.llama import Llama, LlamaConfig
from loom_py.models.trace import Want, trace_decoder
from loom_py.runtime.kernels.loss import LOSSES
from loom_py.runtime.transforms import fuse, simplify
from loom_py.schema.fields import FILE, Fields
from loom_py.training.losses import Loss
from loom_py.training.optimisers import SGD, AdamW, RMSprop
from loom_py.training.step import StepPlan
from loom_py.training.trace import trace_backward, trace_forward, trace_training_step

from ..nn.examples import EXAMPLES, IN_SIZE, TOKENS, network_config

LLAMA = {
    "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 32, "tie_word_embeddings": True, "rope_theta": 1000.0,
}  # fmt: skip
CHUNKS: list[tuple[int, Want]] = [(3, "logits"), (4, "every"), (2, "nothing"), (1, "next")]


def programs() -> dict[str, str]:
    """Name → text."""
    texts: dict[str, str] = {}
    optimisers = [AdamW(), SGD(momentum=0.9), RMSprop(momentum=0.5), SGD()]
    for i, name in enumerate(EXAMPLES):
        network = build_network_from_json(network_config(name), seed=1)
        rng = np.random.default_rng(2)
        tokens = EXAMPLES[name].get("type") == "embedding"
        x = (rng.integers(0, TOKENS, (2, IN_SIZE)) if tokens else rng.normal(size=(2, IN_SIZE))).astype(np.float32)
        target = np.zeros_like(network.forward(x))
        plan = StepPlan(
            loss=Loss([*LOSSES][i % len(LOSSES)]), optimiser=optimisers[i % 4], clip_norm=0.5, clip_value=0.4
        )
        texts[f"{name}, forward"] = dump_program(trace_forward(network, x))
        texts[f"{name}, backward"] = dump_program(simplify(trace_backward(network, x)))
        texts[f"{name}, training"] = dump_program(trace_training_step(network, plan, x, target))
    decoder = Llama(LlamaConfig.read(Fields(LLAMA, file="config.json", rules=FILE)))
    for steps, want in CHUNKS:
        program = trace_decoder(decoder, steps, 8, want, fed=want == "next")
        texts[f"llama, {want}"] = dump_program(program)
        texts[f"llama, {want}, fused"] = dump_program(fuse(program))
    return texts

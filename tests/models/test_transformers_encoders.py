"""Every family of encoders against transformers in torch, where these are installed: two shapes, three heads."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py.generation.loading import load_any_model
from loom_py.generation.text_encoder import TextEncoder
from loom_py.models.registry import families
from loom_py.runtime.simd import SimdDevice

from .families import SHAPE

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 5000.0}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "bert": (
        {},
        {"hidden_act": "gelu_new", "type_vocab_size": 3, "layer_norm_eps": 1e-5, "tie_word_embeddings": False},
    ),
    "distilbert": (
        {"dim": 48, "n_layers": 3, "n_heads": 4, "hidden_dim": 64},
        {"dim": 40, "n_layers": 2, "n_heads": 2, "hidden_dim": 56, "activation": "relu", "sinusoidal_pos_embds": True},
    ),
    "roberta": ({"pad_token_id": 1}, {"pad_token_id": 4, "type_vocab_size": 1, "hidden_act": "relu"}),
    "xlm-roberta": ({"pad_token_id": 1}, {"tie_word_embeddings": False, "pad_token_id": 0}),
    "modernbert": (
        {"local_attention": 6, "global_attn_every_n_layers": 2},
        {"local_attention": 9, "norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True}
        | {"decoder_bias": False, "classifier_pooling": "mean", "hidden_activation": "silu"}
        | {
            "rope_parameters": {
                "full_attention": YARN,
                "sliding_attention": {"rope_type": "default", "rope_theta": 90.0},
            }
        },
    ),
}
"""Changes of `SHAPE` by family, twice."""
HEADS = {
    "": transformers.AutoModel,
    "words": transformers.AutoModelForMaskedLM,
    "texts": transformers.AutoModelForSequenceClassification,
}


def test_every_family_is_compared() -> None:
    assert sorted(CASES) == sorted(name for family in families() if family.encoder for name in family.model_types)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("family", CASES)
def test_hidden_states_and_logits(family: str, number: int, head: str, tmp_path: Path) -> None:
    shape = {"vocab_size": 96, "max_position_embeddings": 64} if family == "distilbert" else SHAPE
    torch.manual_seed(number)
    changes = deepcopy(CASES[family][number])
    labels = {"num_labels": 3} if head == "texts" else {}
    config = transformers.AutoConfig.for_model(family, **{**shape, **changes, **labels})
    config._attn_implementation = "eager"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = HEADS[head].from_config(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim > 1 else 0.5)
        model.save_pretrained(tmp_path)
    device = SimdDevice()
    for ours in (load_any_model(tmp_path), load_any_model(tmp_path, device=device, activations="f32")):
        assert isinstance(ours, TextEncoder)
        assert ours.head is None if not head else ours.head and ours.head.kind == head
        for length in (9, 40):
            ids = torch.randint(0, 96, (1, length))
            with torch.no_grad():
                output = model(ids)
            expected = (output.logits if head else output.last_hidden_state)[0].numpy()
            rows = ours.logits(ids[0].numpy()) if head else ours.hidden(ids[0].numpy())
            assert rows.shape == expected.shape
            assert np.linalg.norm(rows - expected) < 2e-4 * np.linalg.norm(expected)
    device.close()

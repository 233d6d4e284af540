"""What `loom_py` itself exports, and that importing it loads nothing of language models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import loom_py
from loom_py.generation.language_model import LanguageModel
from loom_py.text.tokenizer import Tokenizer

from ..formats.conftest import tiny  # noqa: F401 (a fixture)
from ..formats.tiny_gguf import TinyGGUF

CONFIG = {"layers": [{"type": "dense", "input_size": 3, "output_size": 2}]}


@pytest.mark.parametrize("name", loom_py.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(loom_py, name) is not None


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_modell'"):
        loom_py.load_modell  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue]


def test_importing_the_package_loads_no_language_models() -> None:
    code = (
        "import sys, loom_py; print([m for m in sys.modules if m.startswith(('loom_py.generation', 'loom_py.text'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_load_model_tells_a_bundle_from_a_checkpoint(tiny: TinyGGUF, tmp_path: Path) -> None:  # noqa: F811
    network = loom_py.build_network_from_json(CONFIG, seed=1)
    network.save_model(str(tmp_path / "b.json"), "mine")
    loaded = loom_py.load_model(tmp_path / "b.json", "mine")
    np.testing.assert_array_equal(loaded.forward([1, 2, 3]), network.forward([1, 2, 3]))
    seen: list[str] = []
    model = loom_py.load_model(tiny.path, progress=lambda p: seen.append(p.tensor))
    assert isinstance(model, LanguageModel)
    assert seen
    assert isinstance(loom_py.load_tokenizer(tiny.path), Tokenizer)


def test_use_device_is_public() -> None:
    before = loom_py.devices.preference
    try:
        facts = loom_py.use_device("numpy")
    finally:
        loom_py.devices.prefer(before)
    assert facts[0] == {"device": "numpy", "available": True}

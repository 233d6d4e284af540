"""Families are found by the names in their files, whatever the file is called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loom_py import models
from loom_py.errors import FormatError, ModelError
from loom_py.models.registry import families, gguf_config, read_decoder

CLOUDS = """
from loom_py.models.llama import Llama
from loom_py.models.registry import Family

FAMILY = Family(model_types=("cirro-stratus", "alto"), decoder=Llama.read, architectures=("clouds",),
                gguf_config=lambda gguf: {"model_type": "alto", "block_count": gguf.integer("block_count")})
"""
FOG = """
from loom_py.models.registry import Family

FAMILY = Family(model_types=("fog",), encoder=lambda fields, head: fields)
"""
SHAPE = {"vocab_size": 9, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two families more, in a folder on the package's path."""
    (tmp_path / "clouds.py").write_text(CLOUDS, encoding="utf-8")
    (tmp_path / "fog.py").write_text(FOG, encoding="utf-8")
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    yield
    for name in ("clouds", "fog"):
        sys.modules.pop(f"loom_py.models.{name}", None)


def test_a_family_may_have_another_name_than_its_file() -> None:
    assert {"llama", "mistral", "alto", "fog"} <= {name for family in families() for name in family.model_types}
    for name in ("cirro-stratus", "alto"):
        assert read_decoder(SHAPE | {"model_type": name}).facts.model_type == name


def test_gguf_goes_by_the_architecture() -> None:
    config = gguf_config({"general.architecture": "clouds", "clouds.block_count": 3})
    assert config == {"model_type": "alto", "block_count": 3}
    with pytest.raises(FormatError, match=r"clouds\.block_count.*: missing"):
        gguf_config({"general.architecture": "clouds", "llama.block_count": 3})
    with pytest.raises(ModelError, match=r"at general\.architecture: .*Supported are bert, clouds, .*llama, "):
        gguf_config({"general.architecture": "fog"})


def test_an_encoder_cannot_continue_a_text() -> None:
    with pytest.raises(
        ModelError, match=r"config\.json at model_type: the model embeds texts and cannot continue them"
    ):
        read_decoder({"model_type": "fog"})

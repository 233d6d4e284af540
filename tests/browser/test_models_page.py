"""What the language-model page says of models: before they are loaded, from the hub's list, and which experts spoke."""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.models.registry import read_decoder

from ..models.families import FOLDER
from . import tiny_checkpoint
from .conftest import Open
from .test_inference import BOOT_MS, PAGE, ask, mode, serve_hub, settings, wait_answer, wait_ready

SMALLEST = "It fits here: it needs "


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint.write(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="module")
def page(open_module_page: Open, isolated_url: str) -> Page:
    return open_module_page(isolated_url + PAGE, allowed=["https://huggingface.co/", "404"])


def choose(page: Page, directory: Path) -> None:
    page.get_by_role("radio", name="Your computer").check()
    page.get_by_label("Files", exact=True).set_input_files(sorted(p for p in directory.iterdir() if p.is_file()))


def facts(page: Page, words: str) -> dict[str, str]:
    """Term → text, once the verdict has these words."""
    panel = page.get_by_role("region", name="What the model is and needs")
    expect(panel.get_by_role("status")).to_contain_text(words, timeout=BOOT_MS)
    terms, texts = panel.locator("dt").all_text_contents(), panel.locator("dd").all_text_contents()
    return dict(zip(terms, texts, strict=True))


def test_facts_of_a_good_model(page: Page, tiny: Path) -> None:
    """Of files as soon as they are chosen, without loading them."""
    choose(page, tiny)
    rows = facts(page, SMALLEST)
    decoder = read_decoder(json.loads((tiny / "config.json").read_text()))
    count = sum(int(np.prod(weight.shape)) for weight in decoder.weights())
    assert rows["Family"] == "llama, safetensors"
    assert rows["Parameters"].endswith("K")
    assert abs(float(rows["Parameters"][:-1]) * 1000 / count - 1) < 0.01
    assert rows["Weights"].endswith("stored as F32")
    assert f"{decoder.facts.num_hidden_layers} layers" in rows["Shape"]
    assert "for a conversation of" in rows["Memory"]
    assert "simd" in rows["Memory"]
    assert rows["Use"] == "has a chat template"
    expect(page.locator("#model-name")).to_be_hidden()
    expect(page.locator("#load-error")).to_be_hidden()
    page.get_by_role("radio", name="Hugging Face hub").check()
    expect(page.locator("#facts")).to_be_hidden()


def test_facts_of_the_sites_own_model(page: Page) -> None:
    """Its headers come, its weights do not."""
    page.locator(".choice").first.get_by_role("radio").check()
    page.get_by_role("button", name="Look at it first").click()
    rows = facts(page, SMALLEST)
    assert rows["Family"] == "llama, GGUF"
    assert rows["Parameters"] == "135M"
    assert "Q4_1" in rows["Weights"]
    expect(page.locator("#kept")).to_be_hidden()


def test_facts_of_one_that_is_too_large(page: Page, tiny: Path, tmp_path: Path) -> None:
    """A file of 7.8 GB of which there is only the header; dropping it does not load it."""
    directory = tmp_path / "large"
    shutil.copytree(tiny, directory)
    config = json.loads((directory / "config.json").read_text())
    config |= {"hidden_size": 8192, "intermediate_size": 28672, "num_attention_heads": 64}
    config |= {"num_key_value_heads": 64, "num_hidden_layers": 2}
    (directory / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for weight in read_decoder(config).weights():
        size = 4 * int(np.prod(weight.shape))
        header[weight.name] = {"dtype": "F32", "shape": list(weight.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with (directory / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    choose(page, directory)
    rows = facts(page, "It does not fit here: it needs 7.")
    assert float(rows["Parameters"].rstrip("B")) == pytest.approx(end / 4e9, rel=0.01)
    expect(page.locator("#facts-verdict")).to_contain_text(
        re.compile(r"the memory of WebAssembly has [\d,]+ bytes left")
    )


def test_facts_of_one_that_is_not_supported(page: Page, tiny: Path, tmp_path: Path) -> None:
    directory = tmp_path / "other"
    shutil.copytree(tiny, directory)
    config = json.loads((directory / "config.json").read_text()) | {"model_type": "mamba"}
    (directory / "config.json").write_text(json.dumps(config))
    choose(page, directory)
    rows = facts(page, "It cannot be loaded. config.json at model_type: the family 'mamba' is not supported")
    assert rows["Family"] == "mamba, safetensors"
    assert rows["Parameters"]
    assert "Memory" not in rows
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    choose(page, directory)
    assert not facts(page, "pytorch_model.bin cannot be read")


def test_one_that_embeds_is_no_partner(page: Page, site: Path) -> None:
    page.get_by_role("radio", name="Your computer").check()
    page.locator("#folder").set_input_files(site / "models" / "all-MiniLM-L6-v2")
    rows = facts(page, SMALLEST)
    assert (rows["Family"], rows["Use"][:12]) == ("bert, safetensors", "embeds texts")
    page.locator("#load").click()
    expect(page.locator("#load-error")).to_contain_text("cannot answer", timeout=BOOT_MS)
    expect(page.locator("#model-name")).to_be_hidden()


def test_the_hubs_list_fills_the_address(page: Page, tiny: Path) -> None:
    page.get_by_role("radio", name="Hugging Face hub").check()
    listed = page.get_by_label("Well-known small models")
    options = listed.locator("option").all_text_contents()
    assert len(options) > 10
    assert all(re.search(r" · [\d.]+ [MG]B · \w", option) for option in options[:-1])
    listed.select_option("openai-community/gpt2")
    expect(page.get_by_label("Repository")).to_have_value("openai-community/gpt2")
    page.get_by_label("Repository").fill("someone/tiny")
    expect(listed).to_have_value("")
    requests: list[str] = []
    serve_hub(page, sorted(tiny.iterdir()), requests)
    page.get_by_role("button", name="Look at it first").click()
    assert facts(page, SMALLEST)["Family"] == "llama, safetensors"
    page.get_by_label("Repository").fill("no repository")
    page.get_by_role("button", name="Look at it first").click()
    expect(page.locator("#load-error")).to_contain_text("no repository", timeout=BOOT_MS)
    expect(page.locator("#facts")).to_be_hidden()


@pytest.fixture(scope="module")
def mixtral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small Mixtral, with a tokenizer of a token for each printable character."""
    directory = tmp_path_factory.mktemp("mixtral") / "mixtral"
    shutil.copytree(FOLDER / "mixtral", directory)
    characters = [chr(code) for code in range(33, 127)] + ["Ġ", "Ċ"]
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(characters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    (directory / "tokenizer.json").write_text(tokenizer.to_str())
    return directory


def test_which_experts_spoke(page: Page, mixtral: Path) -> None:
    """Of each token of an answer: the experts at the position before it, as Python says."""
    choose(page, mixtral)
    assert facts(page, SMALLEST)["Experts"] == "4 in each mixture"
    page.locator("#load").click()
    wait_ready(page)
    mode(page, "Complete")
    settings(page, temperature="0", tokens="12")
    ask(page, "tell me")
    wait_answer(page)
    model = load_model(mixtral)
    prompt = model.prompt_ids("tell me")
    tokens = list(model.generate("tell me", GenerationOptions(max_tokens=12, temperature=0)))
    experts = model.chosen_experts(len(prompt) - 1)
    assert len(experts) == len(tokens)
    strip = page.locator(".experts")
    strip.get_by_text("Which experts spoke").click()
    for layer in (0, 1):
        strip.get_by_label("Layer").select_option(str(layer + 1))
        assert [int(text) for text in strip.locator("rt").all_text_contents()] == experts[:, layer, 0].tolist()
    titles = strip.locator("ruby").evaluate_all("all => all.map((ruby) => ruby.title)")
    assert titles[3] == "; ".join(f"layer {i + 1}: {', '.join(map(str, experts[3, i]))}" for i in (0, 1))
    strip.get_by_label("Layer").select_option("")
    assert len(set(strip.locator("ruby").evaluate_all("all => all.map((ruby) => ruby.className)"))) > 1

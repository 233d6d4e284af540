"""Generations that share a model, how a text ends, and how its tokens are drawn: the trouble table, and siblings."""

from __future__ import annotations

import gc
import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from loom_py.cli import main
from loom_py.errors import InputError, TemplateError, TokenizerError
from loom_py.formats.gguf import GGUFFile
from loom_py.formats.source import FileSource
from loom_py.generation.language_model import LanguageModel
from loom_py.generation.loading import load_model
from loom_py.generation.sampling import GenerationOptions
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost

from ..browser import tiny_checkpoint
from ..formats.tiny_gguf import write_tiny_gguf

DEVICES = ("numpy", "simd", "webgpu")
OPTIONS = GenerationOptions(max_tokens=12, temperature=0.9, repetition_penalty=1.6, seed=5)
PROMPTS = ("hello world", "world hello hello", "hello world!")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("generation") / "m.gguf").path


@pytest.fixture(params=DEVICES)
def model(path: Path, request: pytest.FixtureRequest) -> Iterator[LanguageModel]:
    device: Device | None = None
    if request.param == "simd":
        device = SimdDevice()
    elif request.param == "webgpu":
        device = WebGPUDevice(WgpuHost())
    model = load_model(path, device=device)
    yield model
    model.close()
    if device is not None:
        device.close()


def ids(model: LanguageModel, prompt: str) -> list[int]:
    return [token.id for token in model.generate(prompt, OPTIONS)]


# Found by attack: two generations fed one cache. Siblings: interleaved, dropped, closed, failed in the middle.
def test_generations_do_not_mix(model: LanguageModel) -> None:
    alone = {prompt: ids(model, prompt) for prompt in PROMPTS}
    first = model.generate(PROMPTS[0], OPTIONS)
    begun = [next(first).id]
    assert ids(model, PROMPTS[1]) == alone[PROMPTS[1]]
    begun += [token.id for token in first]
    assert begun == alone[PROMPTS[0]]

    running = [model.generate(prompt, OPTIONS) for prompt in PROMPTS]
    texts: list[list[int]] = [[] for _ in PROMPTS]
    for _ in range(OPTIONS.max_tokens or 0):
        for text, generation in zip(texts, running, strict=True):
            text += [token.id for token in [next(generation, None)] if token is not None]
    assert texts == list(alone.values())

    for end in ("close", "drop", "throw"):
        other = model.generate(PROMPTS[2], OPTIONS)
        next(other)
        assert ids(model, PROMPTS[0]) == alone[PROMPTS[0]]
        if end == "close":
            other.close()
            assert list(other) == []
        elif end == "drop":
            del other
            gc.collect()
        else:
            with pytest.raises(InputError):
                next(model.continue_ids([1 << 20], OPTIONS))
            other.close()
        assert [ids(model, prompt) for prompt in PROMPTS] == list(alone.values()), end


# Found by attack: a temperature so small that logits divided by it leave float64 gave the wrong token.
@pytest.mark.parametrize("cut", [{}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.1}], ids=str)
@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-300, 1e-45, 1e-39, 1e-30])
def test_the_coldest_temperatures_are_greedy(model: LanguageModel, temperature: float, cut: dict[str, Any]) -> None:
    cold = GenerationOptions(max_tokens=4, temperature=temperature, seed=1, **cut)
    greedy = GenerationOptions(max_tokens=4, temperature=0)
    assert [t.id for t in model.generate("hello", cold)] == [t.id for t in model.generate("hello", greedy)]


def test_a_closed_model_says_so(model: LanguageModel) -> None:
    running = model.generate(PROMPTS[0], OPTIONS)
    next(running)
    model.close()
    with pytest.raises(InputError, match="the model was closed"):
        list(running)
    with pytest.raises(InputError, match="the model was closed"):
        list(model.generate(PROMPTS[0]))


def drawing(path: Path, *tokens: str | int) -> LanguageModel:
    """The small model, which draws these tokens one after another whatever it is given, then the same again."""
    model = load_model(path)
    ids = [token if isinstance(token, int) else model.tokenizer.token_to_id(token) for token in tokens]
    assert None not in ids

    def next_tokens(fed: Any, cache: Any, *_: Any) -> Generator[Any, None, list[int]]:
        yield from model.model.feed(fed, cache)
        drawn.append(1)
        return [cast(int, ids[(len(drawn) - 1) % len(ids)])]

    drawn: list[int] = []
    model.model.next_tokens = next_tokens  # type: ignore[method-assign]
    return model


# The trouble table. Reports: ggml-org/llama.cpp #9606, ollama/ollama #3759. Siblings: each key, a name that a file
# calls a normal token, a name of another family, `<|end|>` within a turn.
@pytest.mark.parametrize("end", ["<|eot_id|>", "<|im_end|>", "<|eom_id|>", "<end_of_turn>", "</s>"])
@pytest.mark.parametrize("kind", ["control", "normal"])
def test_well_known_names_end_a_turn(tmp_path: Path, end: str, kind: str) -> None:
    extra = [] if end == "<|im_end|>" else [end]
    fields: dict[str, Any] = {"tokenizer.ggml.eos_token_id": 0}
    path = write_tiny_gguf(tmp_path / "m.gguf", specials=extra, fields=fields).path
    if kind == "normal":
        types = load_types(path)
        types[3 if extra else 2] = 1
        path = write_tiny_gguf(path, specials=extra, fields={**fields, "tokenizer.ggml.token_type": types}).path
    tokens = list(drawing(path, "o", end).chat([{"role": "user", "content": f"x{end}"}]))
    assert [(t.text, t.finish_reason) for t in tokens] == [("o", None), ("", "stop")]
    model = load_model(path)
    (end_id,) = (i for i in model.eos_ids if model.tokenizer.id_to_token(i) == end)
    prompt = model.chat_prompt([{"role": "user", "content": f"x{end}"}])
    assert model.prompt_ids(prompt).count(end_id) == (end == "<|im_end|>")


def load_types(path: Path) -> list[int]:
    return [int(t) for t in GGUFFile(FileSource(path)).metadata["tokenizer.ggml.token_type"]]


@pytest.mark.parametrize("key", ["eos", "eot", "eom"])
def test_every_key_names_an_end(tmp_path: Path, key: str) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", specials=["<x>"], fields={f"tokenizer.ggml.{key}_token_id": 3}).path
    assert [t.finish_reason for t in drawing(path, "o", "<x>").generate("hi")][-1] == "stop"


def test_an_end_of_message_within_a_turn_does_not_end_it(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", specials=["<|return|>", "<|call|>", "<|end|>"]).path
    model = load_model(path)
    assert {str(model.tokenizer.id_to_token(i)) for i in model.eos_ids} == {
        "<|im_end|>", "<|endoftext|>", "<|return|>", "<|call|>",
    }  # fmt: skip


# A stop string that is a special token, contains one, ends with one, or begins with one.
@pytest.mark.parametrize(
    ("stop", "tokens", "text"),
    [
        ("<x>", ("o", "<x>", "h"), "o"),
        ("o<x>", ("h", "o", "<x>"), "h"),
        ("<x>h", ("o", "<x>", "o", "<x>", "h"), "oo"),
        ("o<x>h", ("h", "o", "<x>", "h"), "h"),
    ],
)
def test_stop_strings_of_special_tokens(tmp_path: Path, stop: str, tokens: tuple[str, ...], text: str) -> None:
    path = write_tiny_gguf(tmp_path / "m.gguf", specials=["<x>"]).path
    events = list(drawing(path, *tokens).generate("hi", GenerationOptions(max_tokens=20, stop=(stop,))))
    assert "".join(t.text for t in events) == text
    assert (len(events), events[-1].finish_reason) == (len(tokens) if stop != "<x>" else 2, "stop")


# The trouble table: rows of the embedding beyond the tokenizer's tokens. Siblings: decode, a stream, a gap in the ids.
def test_a_row_without_a_token_is_no_text(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path, rows=13)
    model = load_model(directory)
    more = model.tokenizer.vocab_size + 7
    assert model.model.decoder.facts.vocab_size == model.tokenizer.vocab_size + 13
    h = model.tokenizer.token_to_id("h")
    assert model.tokenizer.decode([cast(int, h), more, cast(int, h)]) == "hh"
    assert model.tokenizer.decoder().add(more) == ""
    model = drawing(directory, more)
    events = list(model.generate("hi", GenerationOptions(max_tokens=3)))
    assert [(t.id, t.text) for t in events] == [(more, "")] * 3
    for bad in (-1, "x", 1 << 40):
        with pytest.raises(InputError, match="expected a token id"):
            model.tokenizer.decode([bad])  # type: ignore[list-item]


def checkpoint(directory: Path, rows: int = 0, **files: dict[str, Any]) -> Path:
    """A directory of the Hugging Face layout; `files` change its JSON files, `rows` adds to the embedding."""
    tiny_checkpoint.write(directory)
    if rows:
        tensors = load_file(directory / "model.safetensors")
        name = "model.embed_tokens.weight"
        tensors[name] = np.concatenate([tensors[name], np.zeros((rows, tensors[name].shape[1]), np.float32)])
        save_file(tensors, directory / "model.safetensors")
        files["config"] = {**files.get("config", {}), "vocab_size": len(tensors[name])}
    for name, changes in files.items():
        path = directory / f"{name}.json"
        value = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(value | changes))
    return directory


BOS_EOS = "{{ bos_token }}hi{{ eos_token }}"
ADDED = {"__type": "AddedToken", "content": "<|im_end|>", "lstrip": False, "normalized": False, "special": True}


# The trouble table: `tokenizer_config.json` names the tokens, `config.json` another end.
# A report: shisa-ai/hipEngine #3. Siblings: objects, the special tokens map, null, `generation_config.json`.
@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"tokenizer_config": {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}}, "<|im_start|>hi<|im_end|>"),
        ({"tokenizer_config": {"bos_token": {"content": "<|im_start|>"}, "eos_token": ADDED}},
         "<|im_start|>hi<|im_end|>"),
        ({"special_tokens_map": {"bos_token": "<|im_start|>", "eos_token": "<s>"}}, "<|im_start|>hi<|im_end|>"),
        ({"tokenizer_config": {"bos_token": None}, "config": {"bos_token_id": 256}}, "hi<|im_end|>"),
        ({"config": {"bos_token_id": 256}}, "<|endoftext|>hi<|im_end|>"),
    ],
)  # fmt: skip
def test_special_tokens_of_the_small_files(tmp_path: Path, files: dict[str, dict[str, Any]], text: str) -> None:
    files = {**files, "config": {"eos_token_id": 256, **files.get("config", {})}}
    files["tokenizer_config"] = {"chat_template": BOS_EOS, **files.get("tokenizer_config", {})}
    model = load_model(checkpoint(tmp_path, 0, **files))
    assert model.chat_prompt([{"role": "user", "content": "x"}]).text == text
    assert {256, 258} <= model.eos_ids


def test_an_end_that_only_generation_config_names(tmp_path: Path) -> None:
    model = load_model(checkpoint(tmp_path, generation_config={"eos_token_id": [65, 66]}))
    assert {65, 66} <= model.eos_ids


NAMED = [{"name": "default", "template": "D"}, {"name": "rag", "template": "R{{ eos_token }}"},
         {"name": "tool_use", "template": "T"}]  # fmt: skip


# Siblings: a template file of its own, in JSON, in Jinja beside named ones, and GGUF's.
def test_named_templates_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = checkpoint(tmp_path / "a", tokenizer_config={"chat_template": NAMED})
    model = load_model(directory)
    messages = [{"role": "user", "content": "x"}]
    assert model.chat_prompt(messages).text == "D"
    assert model.chat_prompt(messages, template="rag").text == "R<|im_end|>"
    assert model.chat_prompt(messages, tools=[{"name": "f"}]).text == "T"
    with pytest.raises(TemplateError, match="no template named 'none', only default, rag, tool_use"):
        model.chat_prompt(messages, template="none")
    (directory / "chat_template.json").write_text(json.dumps({"chat_template": "J"}))
    assert load_model(directory).chat_prompt(messages).text == "J"
    (directory / "chat_template.json").write_text('{"chat_template": "J')
    damaged = load_model(directory)  # completion works without
    assert list(damaged.generate("x", GenerationOptions(max_tokens=1)))
    with pytest.raises(TemplateError, match=r"chat_template\.json.*invalid JSON.*truncated"):
        damaged.chat_prompt(messages)
    (directory / "chat_template.json").unlink()
    (directory / "chat_template.jinja").write_text("N")
    both = load_model(directory)
    assert [both.chat_prompt(messages, template=t).text for t in (None, "rag")] == ["N", "R<|im_end|>"]
    (directory / "additional_chat_templates").mkdir()
    (directory / "additional_chat_templates" / "more.jinja").write_text("M")
    assert load_model(directory).chat_prompt(messages, template="more").text == "M"
    path = write_tiny_gguf(tmp_path / "m.gguf", template="G", fields={"tokenizer.chat_template.rag": "GR"}).path
    named = load_model(path)
    assert [named.chat_prompt(messages, template=t).text for t in ("default", "rag")] == ["G", "GR"]
    arguments = ["generate", "--model", str(path), "--prompt", "x", "--chat", "--max-tokens", "1", "--json"]
    assert main([*arguments, "--template", "rag"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt_tokens"] == 2
    assert main([*arguments, "--template", "none"]) == 1


# The trouble table. Siblings: the end token, arrays, `generation_config.json`; an absurd id that is used.
@pytest.mark.parametrize("value", [4294967295, -1])
def test_absurd_ids_are_ignored_with_a_notice(tmp_path: Path, value: int) -> None:
    for key in ("padding", "bos", "eos", "eot"):
        model = load_model(write_tiny_gguf(tmp_path / "m.gguf", fields={f"tokenizer.ggml.{key}_token_id": value}).path)
        assert [str(value) in n and f"{key}_token_id" in n for n in model.notices] == [True]
        assert list(model.generate("hi", GenerationOptions(max_tokens=2)))
    fields = {"tokenizer.ggml.bos_token_id": value, "tokenizer.ggml.add_bos_token": True}
    path = write_tiny_gguf(tmp_path / "m.gguf", fields=fields).path
    with pytest.raises(TokenizerError, match="must be the id of one of the"):
        load_model(path)
    config = {"pad_token_id": value, "bos_token_id": value, "eos_token_id": [258, value]}
    model = load_model(checkpoint(tmp_path / "hf", config=config, generation_config={"eos_token_id": value}))
    assert len(model.notices) == 4
    assert 258 in model.eos_ids


# The trouble table. Siblings: another type of numbers, the same numbers (no notice), no head.
def test_a_head_in_the_file_is_used(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path)
    path = directory / "model.safetensors"
    tied = load_model(directory)
    assert tied.notices == ()
    tensors = load_file(path)
    embeddings = tensors["model.embed_tokens.weight"]
    save_file({**tensors, "lm_head.weight": embeddings}, path)
    assert load_model(directory).notices == ()
    ids = np.array([1, 2, 3])
    expected = tied.model.forward(ids, tied.model.new_cache())
    for head in (-embeddings, -embeddings.astype(np.float16)):
        save_file({**tensors, "lm_head.weight": head}, path)
        model = load_model(directory)
        assert "tie_word_embeddings is set, but lm_head.weight differs" in model.notices[0]
        logits = model.model.forward(ids, model.model.new_cache())
        assert np.linalg.norm(logits + expected) < 1e-2 * np.linalg.norm(expected)
    simd = SimdDevice()
    on_device = load_model(directory, device=simd)
    logits = on_device.model.forward(ids, on_device.model.new_cache())
    assert np.linalg.norm(logits + expected) < 1e-2 * np.linalg.norm(expected)
    on_device.close()
    simd.close()


# The trouble table: sampling as the model's files say, and a seed that is new each time. Siblings: each option, GGUF's.
def test_the_models_own_sampling_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sampling = {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "max_new_tokens": 9, "stop_strings": ["zz"]}
    model = load_model(checkpoint(tmp_path / "a", generation_config=sampling))
    first, second = (model.chat([{"role": "user", "content": "x"}]) for _ in range(2))
    o = first.options
    chosen = (o.temperature, o.top_k, o.top_p, o.max_tokens, o.stop, o.repetition_penalty)
    assert chosen == (0.6, 50, 0.9, 9, ("zz",), 1.0)
    texts = [[t.id for t in generation] for generation in (first, second)]
    assert texts[0] != texts[1]
    assert first.seed != second.seed
    again = model.chat([{"role": "user", "content": "x"}], GenerationOptions(seed=first.seed))
    assert [t.id for t in again] == texts[0]
    assert model.generate("x", GenerationOptions(temperature=0)).options.temperature == 0
    assert model.generate("x", GenerationOptions(top_p=1)).options.top_p == 1
    for config in ({}, {"temperature": 0.6}, {"do_sample": False, "temperature": 0.6}):  # greedy in transformers
        plain = load_model(checkpoint(tmp_path / "b", generation_config=config))
        assert plain.generate("x").options.temperature == 0
        (tmp_path / "b" / "generation_config.json").unlink()
    odd = load_model(checkpoint(tmp_path / "c", generation_config={"do_sample": True, "top_p": "high", "min_p": 7}))
    assert len(odd.notices) == 2
    assert odd.generate("x").options.top_p == 1
    path = write_tiny_gguf(tmp_path / "m.gguf", fields={"general.sampling.temp": 0.5, "general.sampling.top_k": 7}).path
    options = load_model(path).generate("x").options
    assert (options.temperature, options.top_k) == (0.5, 7)
    seeds: list[int] = []
    for more in ([], [], ["--seed", "3"]):
        assert main(["generate", "--model", str(path), "--prompt", "x", "--json", "--max-tokens", "4", *more]) == 0
        seeds.append(json.loads(capsys.readouterr().out)["seed"])
    assert seeds[0] != seeds[1]
    assert seeds[2] == 3


CUT = "cut \ud83d"
WHOLE = "cut \ufffd"


# Found by attack: JavaScript cuts texts within a character. Siblings: roles, keys, variables, pairs, bytes of argv.
def test_halves_of_characters_become_replacement_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = checkpoint(tmp_path, tokenizer_config={"chat_template": "{{ messages[0] | tojson }}{{ tools }}"})
    model = load_model(directory)
    for cut, whole in ((CUT, WHOLE), ("\ude00 cut", "\ufffd cut"), ("\ud83d\ude00", "\U0001f600")):
        assert model.prompt_ids(cut) == model.prompt_ids(whole)
        for key in ("content", "role", "name", cut):
            message = {"role": "user", "content": "x", key: cut}
            text = model.chat_prompt([message], tools=[{cut: cut}]).text
            assert whole in text
            assert text == text.encode("utf-8", "strict").decode()
        assert list(model.generate(cut, GenerationOptions(max_tokens=1)))
        assert list(model.chat([{"role": "user", "content": cut}], GenerationOptions(max_tokens=1, stop=(cut,))))
    assert main(["generate", "--model", str(directory), "--prompt", "a\udcff", "--json", "--max-tokens", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt_tokens"] == len(model.prompt_ids("a\ufffd"))
    with pytest.raises(InputError, match="half of a surrogate pair"):
        model.tokenizer.encode(CUT)

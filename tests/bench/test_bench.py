"""The bench's arithmetic and its page, without running it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import browser, cases, contestants, embedding, gate, onnx_bert, run, summary, table
from bench.cases import Case, Row, Work
from bench.weights import ModelFile
from tools import console, paths

LIMITS = {
    "1": {"read plain": 20e9, "read relaxed": 10e9, "madd plain": 4e9, "madd relaxed": 8e9,
          "dot plain": 16e9, "dot relaxed": 64e9},
    "2": {"read plain": 30e9, "read relaxed": 30e9, "madd plain": 8e9, "madd relaxed": 16e9,
          "dot plain": 32e9, "dot relaxed": 128e9},
}  # fmt: skip
TIMES = {
    "grid": {
        "LOOM simd": [10.0, 20.0, 30.0], "LOOM simd ×2": [5.0, 5.0, 5.0],
        "TF.js": [40.0, 60.0, 300.0], "jax ×2": [20.0] * 3,
    },
    "decode64 q4_1": {"LOOM simd": [10.0] * 3, "wllama": [40.0, 50.0, 45.0]},
    "decode64 f32": {"wllama": [20.0, 30.0, 25.0]},
}  # fmt: skip


def _program() -> list[Case]:
    training = Case("grid", "training", [Row("grid", "Grid", "ms")], {}, {"grid": Work(0, 16e6)})
    work = {"decode64 q4_1": Work(100e6, 64e6, dot=True), "decode64 f32": Work(400e6, 64e6)}
    return [training, Case("short", "language", [Row("decode64", "Decode", "tokens/s", 64)], {}, work)]


def _result() -> dict[str, Any]:
    return {
        "date": "2026-01-01", "rounds": 3,
        "machine": {"cpu": "A CPU", "cores": 2, "system": "Linux", "chromium": "1.2"},
        "texts": {"decode64 q4_1": {"LOOM simd": "so", "wllama": "so"}},
        "packages": {"@wllama/wllama": "3.0.0"}, "limits": LIMITS, "left_out": {"LOOM webgpu": "no adapter"},
        "rows": table.rows(_program(), TIMES, LIMITS, ["q4_1", "f32"], 2),
    }  # fmt: skip


def test_figures_are_median_and_range() -> None:
    assert summary.Figures.of([3.0, 1.0, 10.0]).to_json() == {"median": 3.0, "min": 1.0, "max": 10.0, "rounds": 3}
    for bad in ([], [1.0, 0.0], [-1.0]):
        with pytest.raises(ValueError, match="no times"):
            summary.Figures.of(bad)


def test_ratio_pairs_the_rounds() -> None:
    """A minute in which everything takes ten times as long changes no ratio, but would change the medians' quotient."""
    assert summary.ratio([2.0, 20.0, 40.0], [1.0, 10.0, 10.0]) == 2.0
    with pytest.raises(ValueError, match="2 rounds against 1"):
        summary.ratio([1.0, 2.0], [1.0])


def test_another_build_is_compared_seat_by_seat() -> None:
    seats = [s.name for s in contestants.for_language(2, "q4_1", "/m.gguf", against=True) if s.device == "simd"]
    assert seats == ["LOOM simd", "before: LOOM simd", "LOOM simd ×2", "before: LOOM simd ×2"]
    times = {"decode64 q4_1": {name: [10.0 + 2 * name.startswith("before")] * 3 for name in seats}}
    (row,) = table.rows(_program(), times, LIMITS, ["q4_1"], 2)
    for name in ("LOOM simd", "LOOM simd ×2"):
        assert row["contestants"][name]["faster_than"] == {f"before: {name}": 1.2}
    assert "roofline" not in row["contestants"]["before: LOOM simd"]
    assert "times as fast" in table.render(_result() | {"rows": [row]})


def _faster(result: dict[str, Any], by: float, contestant: str = "LOOM simd") -> dict[str, Any]:
    """The result as a machine of half the speed gives it, with one contestant `by` times as fast."""
    times = {
        row: {name: [2 * t / (by if name == contestant else 1) for t in values] for name, values in seats.items()}
        for row, seats in TIMES.items()
    }
    return result | {"rows": table.rows(_program(), times, LIMITS, ["q4_1", "f32"], 2)}


def test_the_gate_compares_leads_not_milliseconds() -> None:
    same = gate.changes(_faster(_result(), 1.0), _result())
    assert [change.by for change in same] == pytest.approx([1.0] * 3)
    assert [change.figure for change in same] == ["Grid, LOOM simd", "Grid, LOOM simd ×2", "Decode q4_1, LOOM simd"]
    gate.require(same)
    slower = gate.changes(_faster(_result(), 0.8), _result())
    assert {change.figure: change.by for change in slower if change.lost} == {
        "Grid, LOOM simd": pytest.approx(0.8), "Decode q4_1, LOOM simd": pytest.approx(0.8),
    }  # fmt: skip
    assert gate.render(slower).splitlines()[-1] == "  1.00 ×  Grid, LOOM simd ×2"
    with pytest.raises(console.Failure, match="2 of 3 figures lost more than 15%"):
        gate.require(slower)
    gate.require(gate.changes(_faster(_result(), 0.9), _result()))


def test_the_gate_refuses_what_cannot_be_compared(tmp_path: Path) -> None:
    other = _result() | {"limits": {"1": LIMITS["1"] | {"dot relaxed": 20e9}}}
    with pytest.raises(console.Failure, match=r"with an instruction .* without an instruction"):
        gate.changes(_result(), other)
    with pytest.raises(console.Failure, match="no figure"):
        gate.changes(_result(), _result() | {"rows": []})
    for text in ("", "{}", "[]", '{"rows": 3, "limits": {"1": {"dot plain": 1}}}'):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(console.Failure, match="holds no result"):
            run.parse(["--against", str(tmp_path / "r.json")])
    (tmp_path / "r.json").write_text(json.dumps(_result()))
    options = run.parse(["--quick", "--against", str(tmp_path / "r.json")])
    assert (options.against, options.earlier["rounds"]) == (None, 3)
    assert run.parse(["--against", str(tmp_path)]).against == tmp_path


def test_a_checkout_that_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(console.Failure, match="holds no built LOOM"):
        browser.assemble(tmp_path / "site", tmp_path)


@pytest.mark.parametrize(
    ("work", "milliseconds", "by"),
    [
        (Work(20e6, 1), 1.0, "memory"),
        (Work(0, 8e6), 1.0, "multiply-adds"),
        (Work(20e6, 128e6, dot=True), 2.0, "int8 products"),
    ],
)
def test_limit_is_the_slower_of_memory_and_arithmetic(work: Work, milliseconds: float, by: str) -> None:
    least, what = summary.limit(work, LIMITS["1"])
    assert (least, what) == (pytest.approx(milliseconds), by)


def test_rows_compare_with_rivals_of_no_more_threads() -> None:
    rows = {f"{r['row']} {r['weights']}".strip(): r["contestants"] for r in _result()["rows"]}
    assert rows["grid"]["LOOM simd"]["faster_than"] == {"TF.js": 4.0}
    assert rows["grid"]["LOOM simd ×2"]["faster_than"] == {"TF.js": 12.0, "jax ×2": 4.0}
    assert rows["grid"]["LOOM simd"]["roofline"] == pytest.approx(2 / 20)
    assert rows["grid"]["LOOM simd ×2"]["roofline"] == pytest.approx(1 / 5)
    assert "roofline" not in rows["grid"]["TF.js"]
    assert rows["decode64 q4_1"]["LOOM simd"]["faster_than"] == {"wllama": 4.5}
    assert rows["decode64 q4_1"]["LOOM simd"]["limited_by"] == "memory"


def test_page_shows_speeds_ratios_and_what_was_left_out() -> None:
    text = table.render(_result())
    assert "| LOOM simd | 20.0 (10.0 … 30.0) |" in text
    assert "| wllama | 22.2 (25.0 … 20.0) |" in text, "tokens a second are 1000 over milliseconds"
    assert "| Decode, Q4_1 | LOOM simd | wllama | 4.50 × | 2.50 × | 50.0 % (memory) |" in text
    assert "- LOOM webgpu: no adapter" in text
    assert "| reading memory, GB/s | 20.0 | 10.0 | 30.0 | 30.0 |" in text
    for lines in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        widths = {line.count("|") for line in lines.strip().splitlines()}
        assert len(widths) == 1, lines


def test_embedders_have_a_table_of_their_own() -> None:
    case = Case(
        "embedding", "embedding", [Row("embedding", "Embed", "texts/s")], {}, {"embedding minilm": Work(0, 4e6)}
    )
    times = {
        "embedding minilm": {"LOOM simd": [1.0] * 3, "transformers.js": [2.0] * 3, "transformers.js ×2": [1.5] * 3}
    }
    rows = table.rows([case], times, LIMITS, [], 2)
    assert rows[0]["contestants"]["LOOM simd"]["faster_than"] == {"transformers.js": 2.0}
    text = table.render(_result() | {"rows": rows})
    assert "### all-MiniLM-L6-v2, float32, texts a second" in text
    assert "| LOOM simd | 1,000 (1,000 … 1,000) |" in text
    assert (
        "| Embed, all-MiniLM-L6-v2 | LOOM simd | transformers.js | 2.00 × | 2.00 × | 50.0 % (multiply-adds) |" in text
    )


def test_sentences_to_embed_are_the_same_in_every_run() -> None:
    texts = embedding.sentences(50)
    assert texts == embedding.sentences(50)
    assert len(set(texts)) == 50
    assert {len(text.split()) for text in texts} == {embedding.WORDS}


def test_operations_of_an_embedder() -> None:
    """Width 2, inner 3: 4·2·2 + 2·2·3 weights; attention has two products of 2 for each pair of tokens."""
    assert embedding.Sizes(1, 2, 3).operations(5) == 2 * 5 * 28 + 2 * 2 * 2 * 25


def test_onnx_file_holds_the_weights_as_products_take_them(tmp_path: Path) -> None:
    config = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "layer_norm_eps": 1e-12}
    random = np.random.default_rng(1)
    shapes = {f"embeddings.{name}_embeddings": (6, 4) for name in ("word", "position", "token_type")}
    layer = "encoder.layer.0"
    shapes |= {f"{layer}.attention.self.{name}": (4, 4) for name in ("query", "key", "value")}
    shapes |= {f"{layer}.attention.output.dense": (4, 4)}
    shapes |= {f"{layer}.intermediate.dense": (8, 4), f"{layer}.output.dense": (4, 8)}
    norms = ("embeddings", f"{layer}.attention.output", f"{layer}.output")
    shapes |= {f"{name}.LayerNorm": (4,) for name in norms}
    weights = {f"{name}.weight": random.random(shape, np.float32) for name, shape in shapes.items()}
    weights |= {f"{name}.bias": random.random(shape[0], np.float32) for name, shape in shapes.items()}
    onnx_bert.write(tmp_path / "model.onnx", config, weights)
    model = dict(read_fields((tmp_path / "model.onnx").read_bytes()))
    graph = list(read_fields(model[7]))
    kinds = [dict(read_fields(node))[4] for number, node in graph if number == 1]
    assert kinds.count(b"Attention") == kinds.count(b"BiasGelu") == 1
    assert kinds.count(b"SkipLayerNormalization") == 2
    tensors = {}
    for number, tensor in graph:
        if number == 5:
            fields = list(read_fields(tensor))
            shape = [value for field, value in fields if field == 1]
            tensors[dict(fields)[8].decode()] = np.frombuffer(dict(fields)[9], np.float32).reshape(shape)
    heads = [weights[f"{layer}.attention.self.{name}.weight"] for name in ("query", "key", "value")]
    np.testing.assert_array_equal(tensors[f"{layer}.qkv"], np.concatenate(heads).T)
    up = f"{layer}.intermediate.dense.weight"
    np.testing.assert_array_equal(tensors[f"{up}.T"], weights[up].T)


def read_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of every field of a protocol buffer: numbers, and what is bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value, shift, at = value | (data[at] & 127) << shift, shift + 7, at + 1
            if data[at - 1] < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = 4 if key & 7 == 5 else varint()
        yield key >> 3, data[at : at + size]
        at += size


def test_unequal_texts_are_told() -> None:
    assert table.agreement({"decode64 f32": {"LOOM simd": "so", "wllama": "so"}}).endswith("the same weights.")
    odd = {"decode64 f32": {"LOOM simd": "so", "wllama": "so"}, "decode1024 q4_1": {"A": "so", "B": "no"}}
    assert table.agreement(odd).endswith("except B (q4_1, context 1024).")


def test_section_is_replaced_and_nothing_else() -> None:
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    once = table.replace_section(page, "new")
    assert once == f"before\n{table.BEGIN}\n\nnew\n\n{table.END}\nafter\n"
    assert table.replace_section(once, "new") == once
    for bad in ("nothing", table.BEGIN, f"{table.END}{table.BEGIN}"):
        with pytest.raises(ValueError, match="the page needs"):
            table.replace_section(bad, "new")


def test_page_in_the_repository_has_its_section() -> None:
    table.replace_section(run.PAGE.read_text(encoding="utf-8"), "")


def test_results_in_the_repository_are_those_of_the_page() -> None:
    result = json.loads((run.RESULTS / "rivals.json").read_text(encoding="utf-8"))
    assert table.render(result) in run.PAGE.read_text(encoding="utf-8")
    assert result["rows"]
    assert result["packages"].items() <= run.rivals().items()


def test_lock_has_every_rival_and_no_address() -> None:
    text = (browser.RIVALS / "package-lock.json").read_text(encoding="utf-8")
    assert set(browser.NEEDED) == set(run.rivals())
    assert "resolved" not in text
    for name, entry in json.loads(text)["packages"].items():
        assert not name or entry["integrity"].startswith("sha512-")


def test_rivals_are_no_part_of_the_package() -> None:
    package = json.loads((paths.REPOSITORY / "package.json").read_text(encoding="utf-8"))
    used = {**package.get("dependencies", {}), **package["devDependencies"]}
    assert not set(used) & set(browser.NEEDED)
    assert not [name for name in package["files"] if name.startswith("bench")]


def test_every_contestant_has_a_page_and_a_name_of_its_own() -> None:
    language = contestants.for_language(4, "f32", "/x.gguf")
    for entrants in (contestants.for_training(4), language, contestants.for_embedding(4)):
        assert len({e.name for e in entrants}) == len(entrants)
        for entrant in entrants:
            assert (browser.HERE / "pages" / f"{entrant.module}.js").is_file()
            assert table.threads_of(entrant.name, 4) == entrant.threads
        assert {e.ours for e in entrants} == {True, False}


def test_training_data_give_the_losses_that_rivals_are_held_to(tmp_path: Path) -> None:
    grid, mlp = cases.training(tmp_path)
    assert grid.expected == pytest.approx(1e-4, rel=0.5)
    assert mlp.expected is not None
    assert mlp.expected < 0.23, "a tenth of ln 10 is where it starts"
    data = json.loads((tmp_path / "grid.json").read_text(encoding="utf-8"))
    shapes = [p["shape"] for p in data["params"]]
    assert [shapes[i] for i in grid.message["idle"]] == [[32, 8], [8, 8]], "recurrent weights of the one-step branches"
    assert [len(pair) for pair in data["batches"]] == [2] * 4
    # forward and weight gradients 2·B·P each, the second layer's input gradient, and the step
    size = 784 * 128 + 128 + 128 * 10 + 10
    assert mlp.work["mlp"].operations == 64 * (6 * size - 2 * 784 * 128) + 2 * size


def test_product_is_weighed_as_the_page_does() -> None:
    case = cases.product(size=8, units=1)
    i = np.arange(64)
    a, b = (((i * step % 17) - 8) / 8 for step in (5, 7))
    c = a.reshape(8, 8) @ b.reshape(8, 8)
    assert case.expected == pytest.approx(float((c.ravel() * (i % 13 - 6)).sum()))
    assert case.work["matmul"].operations == 1024


def test_least_work_of_a_token() -> None:
    file = ModelFile("q4_1", Path("x"), 1000, 10, 100, blocks=2, attention_width=8, key_width=4)
    decode = cases.least(file, "decode", 64)
    assert decode == Work(1000 + 2 * 4 * 4 * 2 * 96, 2 * 110 + 4 * 8 * 2 * 96, dot=True)
    prefill = cases.least(file, "prefill", 50)
    assert prefill == Work(20, 2 * 100 + 4 * 8 * 2 * 25 + 2 * 10 / 50, dot=True)


def test_a_missing_device_is_reported_with_its_reason() -> None:
    devices = [{"device": "simd", "available": True}, {"device": "webgpu", "available": False, "reason": "no adapter"}]
    assert [run.missing(d, devices) for d in ("", "numpy", "simd", "webgpu")] == ["", "", "", "no adapter"]
    software = [{"device": "webgpu", "available": True, "hardware": False}]
    assert "software" in run.missing("webgpu", software)
    assert "not have it" in run.missing("simd", [])


def test_command_line() -> None:
    assert run.parse([]).runs == run.ROUNDS >= 5
    assert run.parse(["--quick"]).runs == run.QUICK_ROUNDS
    assert run.parse([]).formats == ["q4_1", "f32"]
    assert run.parse(["--runs", "7", "--only", "grid", "--formats", "f32"]).only == ["grid"]
    for bad in (["--runs", "0"], ["--formats", "q9"], ["--only", "nothing"]):
        with pytest.raises(SystemExit):
            run.parse(bad)

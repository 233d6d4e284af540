"""Encoders in a page: the site's all-MiniLM-L6-v2 against sentence-transformers, with progress and abort."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from .conftest import Open

DATA = Path(__file__).resolve().parent.parent / "data"
MINILM = "all-MiniLM-L6-v2"
EMBED = """async ({ texts, again }) => {
  const { loom } = await import("/loom.js");
  const session = await loom.start();
  const { models } = await (await fetch("models/index.json")).json();
  const { name, files } = models.find((model) => model.name === "all-MiniLM-L6-v2");
  const remote = files.map((file) => ({ ...file, url: new URL(`models/${name}/${file.name}`, document.baseURI).href }));
  const model = await session.loadModel({ name, files: remote }, { keep: "never" });
  const events = [];
  const vectors = await model.embed(texts, { onProgress: (event) => events.push(event) });
  const float = vectors.every((vector) => vector instanceof Float32Array);
  const stop = new AbortController();
  const watch = { signal: stop.signal, onProgress: () => stop.abort(new Error("enough")) };
  const many = Array(again).fill(texts.join(" "));
  const outcome = await model.embed(many, watch).then(() => "finished", (error) => error.message);
  const after = await model.embed([texts[0]]);
  const refusal = await model.complete("a").next().catch((error) => error.message);
  const facts = model.facts;
  await model.dispose();
  session.dispose();
  return { vectors: vectors.map((v) => [...v]), float, events, outcome, after: [...after[0]], refusal, facts };
}"""


def test_minilm(open_module_page: Open, isolated_url: str, site: Path) -> None:
    if not (site / "models" / MINILM).is_dir():
        pytest.skip(f"the site has no {MINILM}")
    page: Page = open_module_page(isolated_url + "index.html", bypass_csp=True)
    rows: list[dict[str, Any]] = json.loads((DATA / "minilm_embeddings.json").read_text())["rows"]
    result = page.evaluate(EMBED, {"texts": [row["text"] for row in rows], "again": 200})
    assert result["float"]
    assert np.abs(np.array(result["vectors"]) - [row["embedding"] for row in rows]).max() < 1e-4
    assert result["events"][-1] == {"status": "embed", "loaded": len(rows), "total": len(rows)}
    assert result["outcome"] == "enough"
    assert np.abs(np.array(result["after"]) - rows[0]["embedding"]).max() < 1e-4
    assert "cannot continue" in result["refusal"]
    assert (result["facts"]["kind"], result["facts"]["dimension"]) == ("encoder", 384)

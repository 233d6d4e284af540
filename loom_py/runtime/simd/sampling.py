"""Words of `simd/sampling.c`."""

from __future__ import annotations

from ..program import Dispatch, Ref
from .encode import Encoder, encodes


@encodes("mark")
def mark(e: Encoder, d: Dispatch) -> None:
    seen, ids = d.arguments["seen"], d.arguments["ids"]
    e.emit("mark", e.at(seen), e.at(ids), e.size(ids), e.size(seen))


@encodes("sample")
def sample(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    logits: Ref = a["logits"]
    n = e.size(logits)
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "step")
    aligned = -(-n // 4) * 4
    scores, candidates, sums = e.scratch(4 * n), e.scratch(8 * n, 4 * aligned), e.scratch(8 * n, 12 * aligned)
    slots = [e.slot(a[name]) for name in names]
    e.emit(
        "sample", e.at(d.outputs[0]), e.at(logits), e.at(a["seen"]), n, *slots, scores, candidates, sums
    )  # fmt: skip

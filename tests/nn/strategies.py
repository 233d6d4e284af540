"""Random layer configurations for hypothesis: any kind, any nesting."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from loom_py.nn.activation import NAMES

SMOOTH = sorted(set(NAMES) - {"relu", "plain_relu", "relu6", "leaky_relu", "hard_sigmoid", "hard_swish"})
Config = dict[str, Any]


@st.composite
def layer(draw: st.DrawFn, in_size: int, depth: int = 2) -> tuple[Config, int]:
    """(JSON of one layer, its output size)."""
    kinds = ["dense", "rnn", "lstm"] + (["parallel"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "dense":
        size = draw(st.integers(1, 5))
        return {"type": "dense", "output_size": size, "activation": draw(st.sampled_from(SMOOTH))}, size
    if kind in ("rnn", "lstm"):
        steps = draw(st.sampled_from([t for t in (1, 2, 3) if in_size % t == 0]))
        size = draw(st.integers(1, 4))
        return {"type": kind, "hidden_size": size, "seq_length": steps}, size * steps
    return draw(parallel(in_size, depth))


@st.composite
def parallel(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    mode = draw(st.sampled_from(["concat", "add", "avg", "grid_scatter"]))
    count = draw(st.integers(1, 3))
    if mode in ("add", "avg"):
        size = draw(st.integers(1, 4))
        kinds = st.sampled_from(
            [{"type": "dense", "output_size": size, "activation": "tanh"}, {"type": "rnn", "hidden_size": size}]
        )
        config: Config = {
            "type": "parallel",
            "combine_mode": mode,
            "branches": draw(st.lists(kinds, min_size=count, max_size=count)),
        }
        return config, size
    made = [draw(layer(in_size, depth - 1)) for _ in range(count)]
    config = {"type": "parallel", "combine_mode": mode, "branches": [c for c, _ in made]}
    if mode == "grid_scatter":
        rows = draw(st.integers(1, 3))
        cells = [(r, c) for r in range(rows) for c in range(count)]
        chosen = draw(st.permutations(cells))[:count]
        order = draw(st.permutations(range(count)))
        config |= {"grid_output_rows": rows, "grid_output_cols": count, "grid_output_layers": 1}
        config["grid_positions"] = [
            {"branch_index": b, "target_row": r, "target_col": c, "target_layer": 0}
            for b, (r, c) in zip(order, chosen, strict=True)
        ]
    return config, sum(size for _, size in made)


@st.composite
def network(draw: st.DrawFn) -> tuple[Config, int]:
    """(configuration, input size)."""
    in_size = size = draw(st.integers(1, 6))
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        config, size = draw(layer(size))
        layers.append(config)
    return {"input_size": in_size, "layers": layers}, in_size

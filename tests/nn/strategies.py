"""Random layer configurations for hypothesis: any kind, any nesting. `layer(in_size)` gives JSON and output size."""

from __future__ import annotations

from math import prod
from typing import Any

from hypothesis import strategies as st

from loom_py.nn.activation import NAMES

SMOOTH = sorted(set(NAMES) - {"relu", "plain_relu", "relu6", "leaky_relu", "hard_sigmoid", "hard_swish"})
SMOOTH_SOFTMAX = ("standard", "grid", "hierarchical", "gumbel", "masked", "adaptive", "mixture")
Config = dict[str, Any]


def divisors(n: int) -> st.SearchStrategy[int]:
    return st.sampled_from([d for d in range(1, n + 1) if n % d == 0])


@st.composite
def layer(draw: st.DrawFn, in_size: int, depth: int = 2) -> tuple[Config, int]:
    """(JSON of one layer, its output size)."""
    makers = [dense, recurrent, norm, swiglu, attention, softmax, conv]
    return draw(draw(st.sampled_from([*makers, parallel, sequential] if depth else makers))(in_size, depth))


@st.composite
def dense(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    size = draw(st.integers(1, 5))
    return {"type": "dense", "output_size": size, "activation": draw(st.sampled_from(SMOOTH))}, size


@st.composite
def recurrent(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    steps, size = draw(divisors(in_size)), draw(st.integers(1, 4))
    kind = draw(st.sampled_from(["rnn", "lstm"]))
    return {"type": kind, "hidden_size": size, "seq_length": steps}, size * steps


@st.composite
def norm(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    kind = draw(st.sampled_from(["layer_norm", "rms_norm"]))
    return {"type": kind, "norm_size": draw(divisors(in_size)), "epsilon": 0.1}, in_size


@st.composite
def swiglu(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    return {"type": "swiglu", "input_size": draw(divisors(in_size)), "output_size": draw(st.integers(1, 4))}, in_size


@st.composite
def attention(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    kv, group = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    config = {
        "type": "mha",
        "d_model": draw(divisors(in_size)),
        "num_heads": kv * group,
        "num_kv_heads": kv,
        "head_dim": 2 * draw(st.integers(1, 2)),
        "causal": draw(st.booleans()),
        "rope": draw(st.booleans()),
        "rope_theta": draw(st.sampled_from([10.0, 1e6])),
    }
    return config, in_size


@st.composite
def conv(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    channels, filters = draw(divisors(in_size)), draw(st.integers(1, 3))
    length, stride, padding = in_size // channels, draw(st.integers(1, 2)), draw(st.integers(0, 1))
    common = {"filters": filters, "stride": stride, "padding": padding, "activation": draw(st.sampled_from(SMOOTH))}
    if draw(st.booleans()):
        kernel = draw(st.integers(1, length + 2 * padding))
        config = {"type": "conv1d", "input_channels": channels, "kernel_size": kernel, **common}
        return config, filters * ((length + 2 * padding - kernel) // stride + 1)
    high = draw(divisors(length))
    size = (high, length // high)
    kernel = draw(st.integers(1, min(size) + 2 * padding))
    config = {"type": "conv2d", "input_channels": channels, "input_height": size[0], "input_width": size[1]}
    out = prod((n + 2 * padding - kernel) // stride + 1 for n in size)
    return {**config, "kernel_size": kernel, **common}, filters * out


@st.composite
def softmax(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    variant = draw(st.sampled_from(SMOOTH_SOFTMAX))
    config: Config = {"type": "softmax", "softmax_variant": variant, "temperature": draw(st.sampled_from([0.5, 1, 2]))}
    part = draw(divisors(in_size))
    if variant == "grid":
        return {**config, "softmax_rows": part}, in_size
    if variant == "hierarchical":
        return {**config, "hierarchy_levels": [part, in_size // part]}, in_size
    if variant == "masked":
        mask = draw(st.lists(st.booleans(), min_size=in_size, max_size=in_size).filter(any))
        return {**config, "mask": mask}, in_size
    if variant == "adaptive":
        return {**config, "adaptive_clusters": [list(range(part))]}, in_size
    if variant == "mixture":
        return {**config, "mixture_weights": ([1.0, 0.5, 2.0, 0.1] + [1] * part)[:part]}, in_size // part
    return config, in_size


@st.composite
def sequential(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    layers, size = [], in_size
    for _ in range(draw(st.integers(1, 3))):
        config, size = draw(layer(size, depth - 1))
        layers.append(config)
    if size == in_size and draw(st.booleans()):
        layers.append({"type": "residual", "skip": len(layers)})
    return {"type": "sequential", "layers": layers}, size


@st.composite
def parallel(draw: st.DrawFn, in_size: int, depth: int) -> tuple[Config, int]:
    mode = draw(st.sampled_from(["concat", "add", "avg", "grid_scatter", "filter"]))
    count = draw(st.integers(1, 3))
    if mode in ("add", "avg"):
        size = draw(st.integers(1, 4))
        plain = {"type": "dense", "output_size": size, "activation": "tanh"}
        kinds = st.sampled_from([plain, {"type": "rnn", "hidden_size": size}])
        branches = draw(st.lists(kinds, min_size=count, max_size=count))
        return {"type": "parallel", "combine_mode": mode, "branches": branches}, size
    drawn = [draw(layer(in_size, depth - 1)) for _ in range(count)]
    config: Config = {"type": "parallel", "combine_mode": mode, "branches": [c for c, _ in drawn]}
    if mode == "filter":
        return config, max(size for _, size in drawn)
    if mode == "grid_scatter":
        rows = draw(st.integers(1, 3))
        cells = draw(st.permutations([(r, c) for r in range(rows) for c in range(count)]))[:count]
        order = draw(st.permutations(range(count)))
        config |= {"grid_output_rows": rows, "grid_output_cols": count, "grid_output_layers": 1}
        config["grid_positions"] = [
            {"branch_index": b, "target_row": r, "target_col": c, "target_layer": 0}
            for b, (r, c) in zip(order, cells, strict=True)
        ]
    return config, sum(size for _, size in drawn)


@st.composite
def network(draw: st.DrawFn) -> tuple[Config, int]:
    """(configuration, input size)."""
    in_size = size = draw(st.integers(1, 6))
    layers = []
    for _ in range(draw(st.integers(1, 3))):
        config, size = draw(layer(size))
        layers.append(config)
    return {"input_size": in_size, "layers": layers}, in_size

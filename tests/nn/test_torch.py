"""Forward and gradients against torch on random shapes, for every layer torch also has; skipped without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.nn.lstm import GATES

torch = pytest.importorskip("torch")
nn = torch.nn
TRIALS = range(8)


def build(rng: np.random.Generator, **layer: Any) -> Network:
    top = {"input_size": layer.pop("inputs")} if "inputs" in layer else {}
    network = build_network_from_json({**top, "layers": [layer]}, seed=0)
    for a in network.parameters.values():
        a[...] = rng.normal(0, 0.5, a.shape)
    return network


def tensor(a: Any, grad: bool = True) -> Any:
    return torch.tensor(np.asarray(a, dtype=np.float32), requires_grad=grad)


def close(a: Any, b: Any) -> None:
    a, b = np.asarray(a), b.detach().numpy() if hasattr(b, "detach") else np.asarray(b)
    assert np.linalg.norm(a.ravel() - b.ravel()) <= 1e-5 * max(1.0, float(np.linalg.norm(b)))


def compare(network: Network, x: np.ndarray, module: Any, parameters: dict[str, Any]) -> None:
    """`module(x)` in torch, and every gradient: ours by name (with a map of our layout to torch's) against `.grad`."""
    xt = tensor(x.reshape(len(x), -1))
    expected = module(xt)
    rng = np.random.default_rng(1)
    g = rng.normal(size=(len(x), int(np.prod(expected.shape[1:])))).astype(np.float32)
    expected.backward(torch.tensor(g).reshape(expected.shape))
    close(network.forward(x.reshape(len(x), -1)), expected)
    close(network.backward(g), xt.grad)
    for name, (value, convert) in parameters.items():
        close(convert(network.gradients[f"layers.0.{name}"]), value.grad)


def same(a: Any) -> Any:
    return a


ACTIVATIONS = {
    "plain_relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softplus": nn.Softplus(),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "mish": nn.Mish(),
    "hard_sigmoid": nn.Hardsigmoid(),
    "hard_swish": nn.Hardswish(),
    "softsign": nn.Softsign(),
    "hard_tanh": nn.Hardtanh(),
    "linear": nn.Identity(),
    "leaky_relu": nn.LeakyReLU(0.1),
    "softmax": nn.Softmax(dim=-1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("trial", TRIALS)
def test_dense(name: str, trial: int) -> None:
    rng = np.random.default_rng(trial)
    i, o, b = rng.integers(1, 9, 3).tolist()
    network = build(rng, type="dense", input_size=i, output_size=o, activation=name)
    w, bias = tensor(network.params[0]["kernel"]), tensor(network.params[0]["bias"])
    x = rng.normal(size=(b, i)).astype(np.float32)
    compare(network, x, lambda t: ACTIVATIONS[name](t @ w + bias), {"kernel": (w, same), "bias": (bias, same)})


@pytest.mark.parametrize("trial", TRIALS)
def test_conv2d(trial: int) -> None:
    rng = np.random.default_rng(trial)
    b, c, f, k = rng.integers(1, 4, 4).tolist()
    h, w = (rng.integers(k, 8, 2)).tolist()
    s, p = int(rng.integers(1, 4)), int(rng.integers(0, 3))
    shape = {"input_channels": c, "input_height": h, "input_width": w, "filters": f, "kernel_size": k}
    network = build(rng, type="conv2d", **shape, stride=s, padding=p, activation="linear")
    kernel, bias = tensor(network.params[0]["kernel"]), tensor(network.params[0]["bias"])
    x = rng.normal(size=(b, c, h, w)).astype(np.float32)

    def module(t: Any) -> Any:
        return nn.functional.conv2d(t.reshape(b, c, h, w), kernel, bias, stride=s, padding=p)

    compare(network, x, module, {"kernel": (kernel, same), "bias": (bias, same)})


@pytest.mark.parametrize("trial", TRIALS)
def test_conv1d(trial: int) -> None:
    rng = np.random.default_rng(trial)
    b, c, f, k = rng.integers(1, 4, 4).tolist()
    length, s, p = int(rng.integers(k, 9)), int(rng.integers(1, 4)), int(rng.integers(0, 3))
    shape = {"input_channels": c, "input_length": length, "filters": f, "kernel_size": k, "stride": s, "padding": p}
    network = build(rng, type="conv1d", **shape, activation="linear")
    kernel, bias = tensor(network.params[0]["kernel"][:, :, 0]), tensor(network.params[0]["bias"])
    x = rng.normal(size=(b, c, length)).astype(np.float32)

    def module(t: Any) -> Any:
        return nn.functional.conv1d(t.reshape(b, c, length), kernel, bias, stride=s, padding=p)

    compare(network, x, module, {"kernel": (kernel, same), "bias": (bias, same)})


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
@pytest.mark.parametrize("trial", TRIALS)
def test_recurrent(kind: str, trial: int) -> None:
    assert GATES == "ifgo"  # torch's order
    rng = np.random.default_rng(trial)
    b, t, i, h = rng.integers(1, 6, 4).tolist()
    network = build(rng, type=kind, input_size=i, hidden_size=h, seq_length=t)
    module = (nn.RNN if kind == "rnn" else nn.LSTM)(i, h, batch_first=True)
    p = network.params[0]
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh"):
            getattr(module, f"{name}_l0").copy_(tensor(p[name], grad=False))
        module.bias_ih_l0.copy_(tensor(p["bias"], grad=False))
        module.bias_hh_l0.zero_()
    x = rng.normal(size=(b, t * i)).astype(np.float32)
    parameters = {"weight_ih": module.weight_ih_l0, "weight_hh": module.weight_hh_l0, "bias": module.bias_ih_l0}
    compare(network, x, lambda v: module(v.reshape(b, t, i))[0], {n: (v, same) for n, v in parameters.items()})


@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("trial", TRIALS)
def test_norms(kind: str, trial: int) -> None:
    rng = np.random.default_rng(trial)
    b, runs, n = rng.integers(1, 7, 3).tolist()
    network = build(rng, type=kind, inputs=runs * n, norm_size=n, epsilon=1e-5)
    gamma = tensor(network.params[0]["gamma"])
    x = rng.normal(size=(b, runs * n)).astype(np.float32)
    if kind == "layer_norm":
        beta = tensor(network.params[0]["beta"])
        parameters = {"gamma": (gamma, same), "beta": (beta, same)}
        compare(
            network, x, lambda t: nn.functional.layer_norm(t.reshape(b, runs, n), (n,), gamma, beta, 1e-5), parameters
        )
    else:
        compare(
            network,
            x,
            lambda t: nn.functional.rms_norm(t.reshape(b, runs, n), (n,), gamma, 1e-5),
            {"gamma": (gamma, same)},
        )


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("trial", TRIALS)
def test_attention(causal: bool, trial: int) -> None:
    rng = np.random.default_rng(trial)
    b, t, group, kv, hd, d = rng.integers(1, 5, 6).tolist()
    heads = kv * group
    shape = {"d_model": d, "num_heads": heads, "num_kv_heads": kv, "head_dim": hd}
    network = build(rng, type="mha", inputs=t * d, **shape, causal=causal, rope=False)
    p = {name: tensor(a) for name, a in network.params[0].items()}
    x = rng.normal(size=(b, t * d)).astype(np.float32)

    def module(v: Any) -> Any:
        rows = v.reshape(b, t, d)
        q, k, val = ((rows @ p[n] + p[f"{n}_bias"]).reshape(b, t, -1, hd).transpose(1, 2) for n in "qkv")
        y = nn.functional.scaled_dot_product_attention(q, k, val, is_causal=causal, enable_gqa=True)
        return y.transpose(1, 2).reshape(b, t, heads * hd) @ p["o"] + p["o_bias"]

    compare(network, x, module, {name: (value, same) for name, value in p.items() if name != "k_bias"})


@pytest.mark.parametrize("trial", TRIALS)
def test_swiglu(trial: int) -> None:
    rng = np.random.default_rng(trial)
    b, runs, h, m = rng.integers(1, 6, 4).tolist()
    network = build(rng, type="swiglu", inputs=runs * h, input_size=h, output_size=m)
    p = {name: tensor(a) for name, a in network.params[0].items()}
    x = rng.normal(size=(b, runs * h)).astype(np.float32)

    def module(v: Any) -> Any:
        rows = v.reshape(b, runs, h)
        gate = nn.functional.silu(rows @ p["gate"] + p["gate_bias"])
        return (gate * (rows @ p["up"] + p["up_bias"])) @ p["down"] + p["down_bias"]

    compare(network, x, module, {name: (value, same) for name, value in p.items()})


@pytest.mark.parametrize("trial", TRIALS)
def test_embedding(trial: int) -> None:
    rng = np.random.default_rng(trial)
    b, s, v, e = rng.integers(1, 7, 4).tolist()
    network = build(rng, type="embedding", vocab_size=v, embedding_dim=e)
    table = tensor(network.params[0]["table"])
    ids = rng.integers(0, v, (b, s))
    expected = nn.functional.embedding(torch.tensor(ids), table)
    g = rng.normal(size=(b, s * e)).astype(np.float32)
    expected.backward(torch.tensor(g).reshape(expected.shape))
    close(network.forward(ids), expected)
    network.backward(g)
    close(network.gradients["layers.0.table"], table.grad)

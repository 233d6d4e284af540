"""Training whose numbers leave the ordinary: each on NumPy, on the compiled kernels and on the GPU's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loom_py import Network, build_network_from_json
from loom_py.errors import ConfigError, InputError
from loom_py.network.layer_init import call_layer_init
from loom_py.runtime import choice
from loom_py.runtime.device import Device
from loom_py.runtime.simd import SimdDevice
from loom_py.runtime.webgpu import WebGPUDevice
from loom_py.runtime.webgpu.wgpu_host import WgpuHost
from loom_py.training.config import TrainingConfig
from loom_py.training.loop import training_steps

Devices = dict[str, Device]


@pytest.fixture(scope="module")
def opened() -> Iterator[Devices]:
    devices: Devices = {"simd": SimdDevice(), "webgpu": WebGPUDevice(WgpuHost())}
    yield devices
    for device in devices.values():
        device.close()


@pytest.fixture(params=["numpy", "simd", "webgpu"])
def device(request: pytest.FixtureRequest, opened: Devices, monkeypatch: pytest.MonkeyPatch) -> str:
    """The device that trainings of the test run on."""
    own = choice.Devices()
    for opened_device in opened.values():
        own.add(opened_device)
    own.prefer(request.param)
    monkeypatch.setattr("loom_py.training.device_step.devices", own)
    return request.param


def net(*layers: dict[str, Any], **weights: list[float]) -> Network:
    """A network of these layers; `kernel` and `bias` are of its first one."""
    network = build_network_from_json({"layers": list(layers)}, seed=1)
    for name, values in weights.items():
        parameter = network.parameters[f"layers.0.{name}"]
        parameter[...] = np.reshape(values, parameter.shape)
    return network


def one(w: float, activation: str = "linear") -> Network:
    """1 → 1 with the weight w and no bias."""
    return net({"type": "dense", "input_size": 1, "output_size": 1, "activation": activation}, kernel=[w], bias=[0])


def pair(x: list[float], target: list[float]) -> list[dict[str, Any]]:
    return [{"Input": x, "Target": target}]


# --- clipping by norm (found by fuzzing) ------------------------------------------------------------------------------
# Reports: pytorch/pytorch #46849 (gradients of an infinite norm become 0), ray-project/ray #45055.
@pytest.mark.parametrize(
    ("x", "clip"),
    [(1e10, 1.0), (1e15, 1.0), (3e18, 1e-3), (1e-13, 1e-26), (1e-13, 1e-30), (1.0, 1e-10)],
    ids=lambda value: f"{value:g}",
)
def test_a_clipped_gradient_has_the_requested_norm(device: str, x: float, clip: float) -> None:
    """The gradient of w is x²: its square is no float32 from 1e10 on and below 1e-12."""
    network = one(0.5)
    before = network.parameters["layers.0.kernel"].copy()
    rate = 0.1 / clip
    network.train(pair([x], [0]), {"Epochs": 1, "LearningRate": rate, "GradientClip": clip})
    assert network.get_device()["device"] == device
    g_w, g_b = x * x, x
    change = before - network.parameters["layers.0.kernel"]
    wanted = 0.1 * g_w / np.hypot(g_w, g_b)
    np.testing.assert_allclose(change, wanted, rtol=1e-5, atol=1e-7)


def test_the_norm_is_one_of_all_weights(device: str) -> None:
    """Gradients of very different sizes in one network: the smallest still has its share of the largest's factor."""
    layers = [{"type": "dense", "input_size": 2, "output_size": 1, "activation": "linear"}]
    network = net(*layers, kernel=[1, 1], bias=[0])
    network.train(pair([1e12, 1e8], [0]), {"Epochs": 1, "LearningRate": 1, "GradientClip": 1})
    assert network.get_device()["device"] == device
    np.testing.assert_allclose(network.parameters["layers.0.kernel"][:, 0], [0, 1 - 1e-4], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network.parameters["layers.0.bias"], [-1e-12], rtol=1e-3)


@pytest.mark.parametrize(("x", "norm"), [(1e12, 1e24), (1e-15, 1e-15)])
def test_the_norm_is_reported(device: str, x: float, norm: float) -> None:
    """Without clipping too, and of a gradient of which every square underflows."""
    norms: list[float] = []
    config = TrainingConfig(epochs=1, learning_rate=1e-30, callbacks=[lambda p: norms.append(p.gradient_norm)])
    one(0.5).train(pair([x], [0]), config)
    np.testing.assert_allclose(norms, [norm], rtol=1e-5)


# --- divergence (found by fuzzing) ------------------------------------------------------------------------------------
DIVERGING: dict[str, tuple[float, str, float, dict[str, Any]]] = {
    "the weight": (1.0, "linear", 1e19, {"LearningRate": 10}),
    "the loss": (1.0, "linear", 1e25, {"LearningRate": 1e-30}),
    "in the last of many epochs": (1.0, "linear", 1.0, {"LearningRate": 1e10, "Epochs": 5}),
    "a weight behind a unit that is off": (1.0, "relu", 1e19, {"LearningRate": 10, "Epochs": 3}),
    "the optimiser's mean of squares": (1.0, "linear", 1e12, {"LearningRate": 0.01, "Optimizer": "adamw"}),
    "with a schedule": (1.0, "linear", 1e19, {"LearningRate": 10, "Scheduler": "cosine"}),
    "while the best is kept": (
        *(1.0, "linear", 1e19),
        {"LearningRate": 10, "EarlyStopping": {"RestoreBest": True}},
    ),
}


@pytest.mark.parametrize("name", DIVERGING)
def test_a_training_that_diverges_is_an_error_and_changes_nothing(device: str, name: str) -> None:
    w, activation, x, options = DIVERGING[name]
    network = one(w, activation)
    network.train(pair([1.0], [1.0]), {"Epochs": 2, "LearningRate": 0.01, "Optimizer": "adamw"})
    before = network.checkpoint()
    with pytest.raises(
        InputError, match=r"train: the (loss is|weights are not finite).*learning rate.*as it was before"
    ):
        network.train(pair([x], [0]), {"Epochs": 1, **options})
    assert network.get_device()["device"] == device
    assert network.checkpoint() == before
    network.train(pair([1.0], [1.0]), {"Epochs": 2, "LearningRate": 0.01})


def test_no_checkpoint_is_written_of_weights_that_are_not_finite(device: str, tmp_path: Path) -> None:
    """The last good one stays."""
    file = tmp_path / "last.json"
    file.write_text("good")
    with pytest.raises(InputError, match="the weights are not finite after epoch 1"):
        one(1).train(
            pair([1e19], [0]), {"Epochs": 1, "LearningRate": 10, "CheckpointEveryN": 1, "CheckpointPath": str(file)}
        )
    assert file.read_text() == "good"


def test_a_training_that_is_stopped_leaves_finite_weights(device: str) -> None:
    """Stopped between the update that went wrong and the end of the epoch that would have said so."""
    network = one(1)
    batches = pair([1e19], [0]) + pair([1.0], [0]) * 20
    steps = training_steps(network, batches, {"Epochs": 3, "LearningRate": 10}, every_step=True)
    next(steps)
    steps.close()
    assert [*network.parameters["layers.0.kernel"].flat] == [1]


def test_stepping_that_diverges_changes_nothing() -> None:
    """In its last tick too, after which no loss is computed."""
    for ticks in (1, 2, 50):
        network = one(1)
        before = network.checkpoint()
        with pytest.raises(InputError, match=r"train_with_stepping: the .*as it was before"):
            network.train_with_stepping({"LearningRate": 10}, pair([1e19], [0]), ticks)
        assert network.checkpoint() == before


@pytest.mark.parametrize("rate", [float("nan"), float("inf")])
def test_an_update_by_hand_refuses_a_rate_that_is_not_a_number(rate: float) -> None:
    network = one(1)
    network.backward(network.forward([2.0]))
    for update in (network.update_weights, network.apply_gradients):
        with pytest.raises(InputError, match="learning_rate: expected a finite number"):
            update(rate)
    assert [*network.parameters["layers.0.kernel"].flat] == [1]


# --- early stopping that restores the best (found by a newcomer) ------------------------------------------------------
# Reports: keras-team/keras #12511 (other weights than the best loss stay), keras-team/keras #20323 (the loss is that of
# the weights before the epoch).
def loss_of(network: Network, batches: list[dict[str, Any]]) -> float:
    """The mean of the batches' squared errors, as a user computes it."""
    errors = [network.forward(b["Input"]).ravel() - np.ravel(b["Target"]) for b in batches]
    return float(np.mean([np.mean(e**2) for e in errors]))


DROPPING = [
    {"type": "dense", "input_size": 1, "output_size": 8, "activation": "tanh"},
    {"type": "dropout", "rate": 0.5},
    {"type": "dense", "output_size": 1, "activation": "linear"},
]
RESTORING: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]] = {
    "one batch, too high a rate": ([], pair([2.0], [1.0]), {"LearningRate": 0.3}),
    "three batches": ([], pair([2.0], [1.0]) + pair([1.0], [-1.0]) + pair([-1.0], [2.0]), {"LearningRate": 0.3}),
    "batches of unequal size": ([], pair([2.0], [1.0]) + pair([1.0, 3.0], [-1.0, 2.0]), {"LearningRate": 0.1}),
    "dropout": (DROPPING, pair([2.0, 1.0], [1.0, -1.0]), {"LearningRate": 0.3}),
    "validation": (
        *(DROPPING, pair([2.0, 1.0], [1.0, -1.0])),
        {"LearningRate": 0.3, "Monitor": "validation_score", "EvaluateEveryN": 1},
    ),
}


@pytest.mark.parametrize("name", RESTORING)
def test_the_best_loss_is_the_restored_networks(device: str, name: str) -> None:
    layers, batches, options = RESTORING[name]
    network = net(*layers) if layers else one(1.0)
    config = {"Epochs": 8, **options}
    stopping = {"Patience": 2, "RestoreBest": True, "Monitor": config.pop("Monitor", "loss")}
    samples = {"ValidationInputs": [[2.0], [1.0]], "ValidationTargets": [1.0, -1.0]} if "validation" in name else {}
    result = network.train(batches, {**config, **samples, "EarlyStopping": stopping})
    assert network.get_device()["device"] == device
    assert result.best_loss == pytest.approx(loss_of(network, batches), rel=1e-4)
    if samples:
        assert result.eval_metrics is not None
        score = network.evaluate_network(samples["ValidationInputs"], samples["ValidationTargets"]).score
        assert result.eval_metrics.score == pytest.approx(score, rel=1e-4)
    else:
        assert result.best_loss == min(result.loss_history) == result.loss_history[result.best_epoch - 1]


def test_what_a_network_carries_is_measured_as_it_trains(device: str) -> None:
    """A recurrent network's epoch, its state handed from batch to batch, is measured as a whole."""
    layers = [
        {"type": "rnn", "input_size": 1, "hidden_size": 3, "seq_length": 2},
        {"type": "dense", "output_size": 1, "activation": "linear"},
    ]
    batches = pair([2.0, 1.0], [1.0]) + pair([0.5, 1.0], [-1.0])
    stopping = {"Patience": 9, "RestoreBest": True}
    network = net(*layers)
    result = network.train(batches, {"Epochs": 3, "LearningRate": 0.1, "EarlyStopping": stopping})
    again = network.train(batches, {"Epochs": 1, "LearningRate": 0.0})
    assert network.get_device()["device"] == device
    assert result.best_loss == pytest.approx(again.final_loss, rel=1e-4)


# --- cross-entropy of a saturated answer (found by fuzzing) -----------------------------------------------------------
# Reports: keras-team/keras #6338, Theano/Theano #3162.
RAW = {"type": "dense", "input_size": 1, "output_size": 2, "activation": "linear"}
ENDS: dict[str, list[dict[str, Any]]] = {
    "activation": [{**RAW, "activation": "softmax"}],
    "layer": [RAW, {"type": "softmax"}],
    "temperature": [RAW, {"type": "softmax", "softmax_variant": "temperature", "temperature": 1.0}],
    "gumbel": [RAW, {"type": "softmax", "softmax_variant": "gumbel", "gumbel_noise": False}],
    "residual": [
        RAW,
        {"type": "dense", "output_size": 2, "activation": "linear"},
        {"type": "residual", "activation": "softmax"},
    ],
    "sequential": [{"type": "sequential", "layers": [RAW, {"type": "softmax"}]}],
}
APART = [1.0, 20.0, 25.0, 104.0, 1e4]


def train_once(network: Network, x: list[float], target: list[float], loss: str, device: str) -> tuple[float, Any]:
    """One update → the loss before it, and the gradient of the first layer's bias."""
    result = network.train(pair(x, target), {"Epochs": 1, "LearningRate": 1e-3, "LossType": loss})
    assert network.get_device()["device"] == device
    return result.final_loss, next(g for path, g in network.gradients.items() if path.endswith("bias"))


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("apart", APART)
def test_cross_entropy_after_a_softmax_has_its_full_gradient(device: str, end: str, apart: float) -> None:
    network = net(*ENDS[end])
    for path, a in network.parameters.items():
        a[...] = 0
        if path.endswith("kernel") and a.size == 2:
            a[...] = [[0, apart]]
    loss, gradient = train_once(network, [1], [1, 0], "cross_entropy", device)
    right = np.exp(-np.log1p(np.exp(-apart)))  # the probability of the wrong class
    assert loss == pytest.approx((apart + np.log1p(np.exp(-apart))) / 2, rel=1e-5)
    np.testing.assert_allclose(gradient, [-right / 2, right / 2], rtol=1e-5)


@pytest.mark.parametrize("apart", APART)
def test_a_grid_of_softmaxes_too(device: str, apart: float) -> None:
    """Two rows, of which one answers wrongly, at temperature 2."""
    layers = [
        {**RAW, "output_size": 4},
        {"type": "softmax", "softmax_variant": "grid", "softmax_rows": 2, "temperature": 2},
    ]
    network = net(*layers, kernel=[0, 2 * apart, 2, 0], bias=[0, 0, 0, 0])
    loss, gradient = train_once(network, [1], [1, 0, 1, 0], "cross_entropy", device)
    each = [apart + np.log1p(np.exp(-apart)), np.log1p(np.exp(-1))]
    assert loss == pytest.approx(sum(each) / 4, rel=1e-5)
    wrong = [1 / (1 + np.exp(-apart)), 1 / (1 + np.exp(1))]
    np.testing.assert_allclose(gradient, [w * sign / 8 for w in wrong for sign in (-1, 1)], rtol=1e-5)


@pytest.mark.parametrize("z", [1.0, 20.0, 104.0, 1e4, -20.0, -1e4])
def test_binary_cross_entropy_after_a_sigmoid(device: str, z: float) -> None:
    target = float(z < 0)
    loss, gradient = train_once(one(z, "sigmoid"), [1], [target], "bce", device)
    assert loss == pytest.approx(abs(z) + np.log1p(np.exp(-abs(z))), rel=1e-5)
    np.testing.assert_allclose(gradient, [np.sign(z) / (1 + np.exp(-abs(z)))], rtol=1e-5)


def test_a_saturated_answer_is_unlearned_in_the_other_ways_to_train() -> None:
    """With observers, with gradient accumulation, by stepping, with early stopping that measures."""
    ways = {
        "observed": {"LossType": "cross_entropy"},
        "accumulated": {"LossType": "cross_entropy", "AccumulationSteps": 2},
        "measured": {"LossType": "cross_entropy", "EarlyStopping": {"RestoreBest": True}},
    }
    for name, options in ways.items():
        network = net(*ENDS["activation"], kernel=[0, 104], bias=[0, 0])
        if name == "observed":
            network.start_recording()
        result = network.train(pair([1], [1, 0]) * 2, {"Epochs": 1, "LearningRate": 1.0, **options})
        assert result.final_loss > 50 if name != "measured" else result.final_loss < 52
        assert network.parameters["layers.0.bias"][0] > 0.4, name
    for buffers in ("used", "latest"):
        network = net(*ENDS["layer"], kernel=[0, 104], bias=[0, 0])
        result = network.train_with_stepping(
            {"LossType": "cross_entropy", "LearningRate": 1.0, "Buffers": buffers}, pair([1], [1, 0]), 4
        )
        assert result.final_loss > 45
        assert network.parameters["layers.0.bias"][0] > 0.4


# --- options that stand for themselves (found by fuzzing) -------------------------------------------------------------
# Reports: pytorch/pytorch #184031 (tau 0), microsoft/onnxruntime-genai #1211 (temperature 0), pjreddie/darknet #144.
FIXED = {"type": "softmax", "softmax_variant": "grid"}
REPLACED: dict[str, dict[str, Any]] = {
    "layers[0].temperature": {"type": "softmax", "temperature": 0},
    "layers[0].temperature ": {"type": "softmax", "softmax_variant": "entmax", "temperature": 1e-40},
    "layers[0].epsilon": {"type": "layer_norm", "epsilon": 0},
    "layers[0].epsilon ": {"type": "rms_norm", "epsilon": 1e-42},
    "layers[0].epsilon  ": {"type": "batch_norm", "epsilon": 0.0},
    "layers[0].softmax_rows": {**FIXED, "softmax_rows": 0},
    "layers[0].softmax_cols": {**FIXED, "softmax_cols": 0},
    "layers[0].mixture_components": {"type": "softmax", "softmax_variant": "mixture", "mixture_components": 0},
    "layers[0].filter_temperature": {
        "type": "parallel",
        "combine_mode": "filter",
        "filter_temperature": 1e-45,
        "branches": [{"type": "dense", "input_size": 4, "output_size": 2}],
    },
}


@pytest.mark.parametrize("place", REPLACED)
def test_an_option_is_never_another_number(place: str) -> None:
    with pytest.raises(ConfigError, match=r"must be at least") as caught:
        build_network_from_json({"layers": [{"type": "dense", "input_size": 4, "output_size": 4}, REPLACED[place]]})
    assert caught.value.where == place.strip().replace("[0]", "[1]")


def test_the_functions_that_make_layers_refuse_it_too() -> None:
    for name, arguments in {"InitLayerNormLayer": [4, 0.0], "InitTemperatureSoftmaxLayer": [0.0]}.items():
        with pytest.raises(ConfigError, match=f"{name}.*must be at least 1e-37"):
            call_layer_init(name, arguments)


@pytest.mark.parametrize(
    "variant", ["standard", "grid", "gumbel", "masked", "sparse", "entmax", "mixture", "hierarchical"]
)
@pytest.mark.parametrize("temperature", [1e-37, 1e-30, 1e-6, 1e30, 1e37])
def test_extreme_temperatures_give_their_limits(variant: str, temperature: float) -> None:
    """The largest logit alone when cold, everything alike when hot; gradients are finite."""
    own = {
        "grid": {"softmax_rows": 1},
        "gumbel": {"gumbel_noise": False},
        "masked": {"mask": [True] * 4},
        "mixture": {"mixture_weights": [1.0]},
        "hierarchical": {"hierarchy_levels": [4]},
    }
    layer = {"type": "softmax", "softmax_variant": variant, "temperature": temperature, **own.get(variant, {})}
    network = net({"type": "dense", "input_size": 4, "output_size": 4, "activation": "linear"}, layer)
    network.parameters["layers.0.kernel"][...] = np.eye(4)
    network.parameters["layers.0.bias"][...] = 0
    for scale in (1e-3, 1.0, 1e20, 1e38):
        y = network.forward([scale, 2 * scale, -scale, 0])
        if scale / temperature > 1e3:
            np.testing.assert_allclose(y[0], [0, 1, 0, 0], atol=1e-6)
        elif scale / temperature < 1e-6:
            np.testing.assert_allclose(y[0], [0.25] * 4, atol=1e-5)
        assert np.isfinite(network.backward([1, 0, 0, 0])).all()


# --- logits that are no numbers (found by an attack: the compiled sparsemax never ended) ------------------------------
# A report: InternLM/lmdeploy #3059.
@pytest.mark.parametrize("variant", ["standard", "sparse", "entmax", "gumbel"])
@pytest.mark.parametrize("x", [[1e38, 1e38, 1.0, 1.0], [1e38, -1e38, 0.0, 0.0]], ids=["infinite", "both infinities"])
def test_infinite_logits_are_an_error(device: str, variant: str, x: list[float]) -> None:
    large = [3e38 if i == j else 0.0 for i in range(4) for j in range(4)]
    softmax = {"type": "softmax", "softmax_variant": variant, "gumbel_noise": False}
    dense = {"type": "dense", "input_size": 4, "output_size": 4, "activation": "linear"}
    network = net(dense, softmax, dense, kernel=large)
    with pytest.raises(InputError, match=r"train: the (loss|weights)"):
        network.train(pair(x, [0, 0, 0, 0]), {"Epochs": 1})

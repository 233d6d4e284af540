"""The original's tests 1 to 12: tweening and backpropagation by epochs, one table row each.

Networks, data and rates are the original's (`examples/ex1/main.go` of LOOM). At scale 1 a run takes a few thousand
ticks, fewer than there; the notes say how to get the original's length.
"""

from __future__ import annotations

from .experiment import Experiment

TWEENS = ("Tween", "TweenChain")
PLAIN = ("SampleBP", "EqualBP")
CHANCE = ("Commonest", "Random")
_USUAL = (*TWEENS, *PLAIN, *CHANCE)


def _rates(tween: float, rate: float, **others: float) -> tuple[tuple[str, float], ...]:
    """A tween step after every sample, and the two rates."""
    return ("collect", 1), ("tween_rate", tween), ("rate", rate), *others.items()


_LENGTH = "The original trains for {}; --scale {} does."
_SIZE = "The original takes {} and {}; --rate {} --scale {} does."

EPOCH_TESTS = (
    Experiment(
        number=1,
        title="Tweening a small dense network",
        task="sums",
        group="dense",
        models=("8-32-16-2",),
        methods=_USUAL,
        seconds=10,
        rate=500,
        settings=_rates(0.5, 0.1),
        target=95.0,
        note=_LENGTH.format("50 epochs", 5),
    ),
    Experiment(
        number=2,
        title="The same network by backpropagation",
        task="sums",
        group="dense",
        models=("8-32-16-2",),
        methods=(*PLAIN, *CHANCE),
        seconds=10,
        rate=500,
        settings=_rates(0.5, 0.1),
        target=95.0,
        shares=1,
        note=_LENGTH.format("50 epochs", 5),
    ),
    Experiment(
        number=3,
        title="A wider dense network",
        task="sums",
        group="dense",
        models=("8-64-128-64-2",),
        methods=_USUAL,
        seconds=5,
        rate=1000,
        settings=_rates(0.3, 0.1),
        target=95.0,
        note=_LENGTH.format("100 epochs", 20),
    ),
    Experiment(
        number=4,
        title="Iris, synthetic",
        task="iris",
        group="dense",
        models=("4-16-8-3",),
        methods=_USUAL,
        seconds=30,
        rate=150,
        settings=_rates(0.5, 0.1),
        target=95.0,
        note=(
            "Not the flowers: 150 samples drawn as independent normals with the means and standard deviations of each "
            "species (Fisher 1936). " + _LENGTH.format("300 epochs", 10)
        ),
    ),
    Experiment(
        number=5,
        title="50,000 samples, 32 features, 8 classes",
        task="groups",
        group="dense",
        models=("32-128-256-128-64-8",),
        methods=_USUAL,
        seconds=0.05,
        rate=50_000,
        settings=_rates(0.3, 0.05),
        target=95.0,
        note="A twentieth of one epoch. The original trains for 2 epochs, once for 20; --scale 40 or 400 does.",
    ),
    Experiment(
        number=6,
        title="One layer of each kind",
        task="remainders",
        group="one of each",
        models=("Dense", "Deep-5L", "RNN", "LSTM", "LayerNorm", "RMSNorm", "SwiGLU", "Attention"),
        methods=_USUAL,
        seconds=20,
        rate=500,
        settings=_rates(0.3, 0.1),
        target=95.0,
        note=_LENGTH.format("100 epochs", 5),
    ),
    Experiment(
        number=7,
        title="Five layers of each kind",
        task="remainders",
        group="five of each",
        models=("Dense", "Conv2D", "LayerNorm", "RMSNorm", "RNN", "LSTM", "Attention"),
        methods=_USUAL,
        seconds=2.5,
        rate=500,
        settings=_rates(0.3, 0.1),
        target=95.0,
        note="Of convolutions there are three, as in the original. It trains for 100 epochs; --scale 40 does.",
    ),
    Experiment(
        number=8,
        title="Two spirals",
        task="spirals",
        group="dense",
        models=("6-64-64-32-16-2",),
        methods=_USUAL,
        seconds=5,
        rate=1000,
        settings=_rates(0.5, 0.05),
        target=95.0,
        note=_LENGTH.format("100 epochs", 20),
    ),
    Experiment(
        number=9,
        title="Two moons: trained, chosen and tested on different samples",
        task="moons",
        group="dense",
        models=("2-64-64-2",),
        methods=_USUAL,
        seconds=4,
        rate=1400,
        settings=_rates(0.4, 0.05),
        target=95.0,
        note=(
            "Accuracy is that of the validation set, by which the best network is chosen; the fresh samples are the "
            "test set. " + _LENGTH.format("200 epochs", 50)
        ),
    ),
    Experiment(
        number=10,
        title="Twenty dense layers with norms between, and pruning",
        task="quarters",
        group="normed",
        models=("Dense-20L",),
        methods=("PrunedTween", *_USUAL),
        seconds=30,
        rate=50,
        settings=_rates(
            0.5,
            0.01,
            dense_rate=2.0,
            norm_rate=0.2,
            weight_rate_multiplier=0.05,
            ignore_threshold=0.5,
            prune_threshold=0.1,
            prune_patience=5,
        ),
        target=95.0,
        note=_SIZE.format("1,000 samples", "300 epochs", 1000, 10),
    ),
    Experiment(
        number=11,
        title="Pruning stacks of eighteen layers of each kind",
        task="quarters",
        group="eighteen of each",
        models=("Dense", "SwiGLU", "Attention", "RNN", "LSTM", "Conv2D"),
        methods=("PrunedTween", "TweenChain", "SampleBP", *CHANCE),
        seconds=30,
        rate=20,
        settings=_rates(0.01, 0.01, prune_threshold=0.6, prune_patience=3),
        target=95.0,
        note="The original asks only whether layers are removed. " + _SIZE.format("500 samples", "30 epochs", 500, 1),
    ),
    Experiment(
        number=12,
        title="Several signals at once, and layers one after another",
        task="quarters",
        group="five between",
        models=("Dense", "SwiGLU", "Attention", "RNN", "LSTM", "Conv2D"),
        methods=(
            *("Waves", "Resonant", "LayerByLayer", "Curriculum", *TWEENS),
            *("SampleBP", "BatchBP", "ViewsBP", *CHANCE),
        ),
        seconds=30,
        rate=25,
        settings=_rates(0.3, 0.1),
        target=95.0,
        note=(
            "The original's code is not known. Waves, Resonant, LayerByLayer and Curriculum follow its descriptions; "
            "rates and data are those of its neighbours. Its figures are scores, not accuracies."
        ),
    ),
)

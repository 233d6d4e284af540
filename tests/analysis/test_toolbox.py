"""The tools through reflection, as a page calls them: JSON in, JSON out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from loom_py import build_network_from_json
from loom_py.analysis import Toolbox
from loom_py.bridge.values import bind, to_json_text
from loom_py.errors import LoomError
from loom_py.network import reflection

BOX = Toolbox()


def call(name: str, *arguments: Any) -> Any:
    """By public name, with everything through JSON text."""
    method = getattr(Toolbox, reflection.methods(Toolbox)[name])
    result = method(BOX, **bind(method, json.loads(json.dumps(arguments))))
    return result if isinstance(result, str) else json.loads(to_json_text(result))


def test_every_method_is_described() -> None:
    records = json.loads(BOX.get_methods_json())
    assert [r["method_name"] for r in records] == BOX.list_methods()
    assert all(r["doc"] for r in records)


def test_clustering_and_correlation() -> None:
    points = [[0, 0], [0, 1], [9, 9], [9, 8]]
    clusters = call("KmeansCluster", points, 2, 100, "k-means++", 3)
    assert clusters["converged"]
    assert clusters["inertia"] == 1.0
    assert call("SilhouetteScore", points, clusters["assignments"]) > 0.8
    table = call("ComputeCorrelation", points, ["x", "y"], "spearman")
    assert table["correlation"]["labels"] == ["x", "y"]
    assert call("StrongCorrelations", points, 0.9)[0]["feature2"] == "F1"
    with pytest.raises(LoomError, match="pearson"):
        call("ComputeCorrelation", points, None, "person")


def test_ensembles() -> None:
    masks = {"a": [True, False], "b": [False, True]}
    assert call("FindComplementaryMatches", masks, 0.9)[0]["Coverage"] == 1.0
    assert "PERFECT" in call("EnsembleReport", masks, 0.9)


def test_grafting_and_architectures() -> None:
    layers = [{"type": "dense", "output_size": 4}, {"type": "dense", "output_size": 3}]
    nets = [build_network_from_json({"input_size": 4, "layers": layers}, seed=i) for i in range(2)]
    texts = [n.save_model_to_string("m") for n in nets]
    x = np.arange(4.0)
    whole = build_network_from_json(call("GraftNetworks", texts, "concat", True))
    expected = np.concatenate([n.forward(x) for n in nets], axis=1)
    np.testing.assert_allclose(whole.forward(x), expected, rtol=1e-6)
    assert build_network_from_json(call("GraftNetworks", texts, "filter", False, 1)).forward(x).shape == (1, 3)
    (config,) = call("GenerateDiverseConfigs", 1, 7)
    assert build_network_from_json(call("DiverseNetworkConfig", config, 5), seed=1).total_layers() == 4
    one, two = (build_network_from_json(call("BuildDiverseNetwork", config, 4, 1)).forward(x) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_primitives() -> None:
    assert call("FindPath", [[0, 1, 0], [0, 0, 0]], [0, 0], [0, 2])["cost"] == 4
    assert call("FindPath", [[0, 1, 0]], [0, 0], [0, 2]) is None
    assert call("RgbToYuv444", [255, 255, 255])[0][0] == pytest.approx(255)
    assert call("CullFrustum", [[1, 0, 0, 0]], [[1, 0, 0], [-2, 0, 0]], [[2, 1, 1], [-1, 1, 1]]) == [True, False]
    magnitudes = call("StftMagnitudes", [1.0, 0.0, -1.0, 0.0] * 4, 8, 4)
    assert np.argmax(magnitudes[0]) == 2
    for name, *arguments in (
        ("RgbToYuv444", [1, 2]),
        ("FindPath", [[0]], [0], [0, 0]),
        ("KmeansCluster", [[1], [2, 3]], 1),
        ("KmeansCluster", [["a"]], 1),
    ):
        with pytest.raises(LoomError):
            call(name, *arguments)

"""The analysis tools as methods with JSON arguments and results, for calls from JavaScript by reflection."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..marks import Floats, in_steps, shared
from ..network import reflection
from ..network.loading import build_network_from_json
from ..progress import to_end
from ..schema.fields import suggest
from ..values import to_array
from . import pods
from .architecture import ArchConfig, diverse_network_config, generate_configs
from .architecture import build_diverse_network as build
from .correlation import pearson, spearman
from .ensemble import complementary_matches, ensemble_report
from .grafting import graft_networks
from .kmeans import kmeans, silhouette_score
from .layer_timings import events, timing_steps
from .projection import principal_components

_CORRELATIONS = {"pearson": pearson, "spearman": spearman}


def _timings(
    toolbox: Toolbox, layers: Sequence[str] | None = None, repeats: int = 3, scale: float = 1.0
) -> Generator[Any, None, list[dict[str, Any]]]:
    """`Toolbox.time_layers` figure by figure."""
    return events(timing_steps(layers, repeats, scale))


@shared
class Toolbox:
    """Every public method can be called from JavaScript; networks go in and out as saved models (JSON text)."""

    def kmeans_cluster(
        self,
        data: Floats,
        k: int,
        max_iterations: int = 100,
        init: str = "k-means++",
        seed: int | None = None,
        runs: int = 1,
    ) -> dict[str, Any]:
        """`kmeans` of rows: centroids, assignments, inertia, iterations, converged."""
        return kmeans(data, k, max_iterations, init=init, seed=seed, runs=runs).to_json()

    def principal_components(self, data: Floats, count: int = 2) -> dict[str, Any]:
        """`principal_components` of rows: points, components, mean, variance, share."""
        return principal_components(data, count).to_json()

    @in_steps(_timings)
    def time_layers(
        self, layers: Sequence[str] | None = None, repeats: int = 3, scale: float = 1.0
    ) -> list[dict[str, Any]]:
        """Milliseconds of dense, attention, conv2d, rnn and lstm layers on every open device; see `LayerTiming`."""
        return to_end(_timings(self, layers, repeats, scale))

    def silhouette_score(self, data: Floats, assignments: Sequence[int]) -> float:
        """The mean silhouette of a clustering."""
        return silhouette_score(data, list(assignments))

    def compute_correlation(
        self, data: Floats, labels: Sequence[str] | None = None, method: str = "pearson", skip_nan: bool = False
    ) -> dict[str, Any]:
        """The correlation matrix of columns, by "pearson" or "spearman", and each column's own figures."""
        return _correlate(data, labels, method, skip_nan).to_json()

    def strong_correlations(
        self, data: Floats, threshold: float, labels: Sequence[str] | None = None, method: str = "pearson"
    ) -> list[dict[str, Any]]:
        """Pairs of columns with |r| of at least `threshold`, the strongest first."""
        return [pair.to_json() for pair in _correlate(data, labels, method, False).strong(threshold)]

    def find_complementary_matches(self, masks: Mapping[str, Any], min_coverage: float) -> list[dict[str, Any]]:
        """Pairs of models whose masks (which samples each gets right) cover enough together."""
        return [match.to_json() for match in complementary_matches(masks, min_coverage)]

    def ensemble_report(self, masks: Mapping[str, Any], min_coverage: float, limit: int = 10) -> str:
        """`find_complementary_matches` as text."""
        return ensemble_report(complementary_matches(masks, min_coverage), limit)

    def graft_networks(
        self, models: Sequence[str], mode: str = "concat", whole: bool = False, seed: int | None = None
    ) -> str:
        """The second layers (or, if `whole`, all) of saved models in one parallel layer, as the saved model "graft"."""
        networks = [build_network_from_json(text, seed=0) for text in models]
        position = None if whole else (0, 0, 1)
        return graft_networks(networks, mode, position=position, seed=seed).network().save_model_to_string("graft")

    def generate_diverse_configs(self, count: int, seed: int | None = None) -> list[dict[str, Any]]:
        """Random architectures."""
        return [config.to_json() for config in generate_configs(count, seed=seed)]

    def diverse_network_config(self, config: dict[str, Any], input_size: int) -> dict[str, Any]:
        """The network configuration of an architecture."""
        return diverse_network_config(ArchConfig.from_json(config), input_size)

    def build_diverse_network(self, config: dict[str, Any], input_size: int, seed: int | None = None) -> str:
        """The network of an architecture with fresh weights, as a saved model of the architecture's name."""
        architecture = ArchConfig.from_json(config)
        return build(architecture, input_size, seed=seed).save_model_to_string(architecture.name)

    def stft_magnitudes(self, signal: Floats, window: int = 1024, hop: int | None = None) -> list[list[float]]:
        """|STFT| of a mono signal: frames × frequencies."""
        return pods.stft(signal, window, hop).magnitude.tolist()

    def find_path(
        self, blocked: Floats, start: Sequence[int], goal: Sequence[int], cost: Floats | None = None
    ) -> dict[str, Any] | None:
        """A* on a grid: `{path: [[row, column], …], cost}`, or null if there is no path."""
        path = pods.astar(blocked, start, goal, cost)
        return None if path is None else {"path": [list(cell) for cell in path[0]], "cost": path[1]}

    def cull_frustum(self, planes: Floats, minimum: Floats, maximum: Floats) -> list[bool]:
        """Whether each box may be visible."""
        return pods.cull_frustum(planes, minimum, maximum).tolist()

    def rgb_to_yuv444(self, rgb: Floats) -> list[list[float]]:
        """Pixels, three numbers each, to Y, U, V."""
        pixels = to_array(rgb, np.float64, "rgb")
        if pixels.size % 3:
            raise InputError(f"{pixels.size} numbers are no whole number of pixels", where="rgb")
        return pods.rgb_to_yuv444(pixels.reshape(-1, 3)).tolist()

    def list_methods(self) -> list[str]:
        """Names of all methods, sorted."""
        return sorted(reflection.methods(type(self)))

    def get_methods_json(self) -> str:
        """All methods with parameters, types, results and descriptions, as JSON."""
        return reflection.describe_json(type(self))


def _correlate(data: Floats, labels: Sequence[str] | None, method: str, skip_nan: bool) -> Any:
    if method not in _CORRELATIONS:
        raise InputError(f"unknown method {method!r}", where="method", remedy=suggest(method, _CORRELATIONS))
    return _CORRELATIONS[method](data, labels, skip_nan=skip_nan)

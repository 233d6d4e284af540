"""Tools around a network: clustering, correlation, projection, ensembles, grafting, architectures, and primitives."""

from ..models.inspect_checkpoint import CheckpointReport, LayerGuess, inspect_checkpoint
from . import pods
from .architecture import (
    ArchConfig,
    ArchOptions,
    build_diverse_network,
    diverse_network_config,
    dump_configs,
    generate_configs,
    load_configs,
    load_configs_file,
    save_configs,
)
from .correlation import CorrelationPair, Correlations, average_ranks, pearson, spearman
from .ensemble import EnsembleMatch, complementary_matches, ensemble_report, mask_to_floats
from .grafting import Graft, graft_networks, scale_weights
from .kmeans import Clusters, kmeans, silhouette_samples, silhouette_score
from .projection import Projection, principal_components
from .toolbox import Toolbox

__all__ = [
    "ArchConfig",
    "ArchOptions",
    "CheckpointReport",
    "Clusters",
    "CorrelationPair",
    "Correlations",
    "EnsembleMatch",
    "Graft",
    "LayerGuess",
    "Projection",
    "Toolbox",
    "average_ranks",
    "build_diverse_network",
    "complementary_matches",
    "diverse_network_config",
    "dump_configs",
    "ensemble_report",
    "generate_configs",
    "graft_networks",
    "inspect_checkpoint",
    "kmeans",
    "load_configs",
    "load_configs_file",
    "mask_to_floats",
    "pearson",
    "pods",
    "principal_components",
    "save_configs",
    "scale_weights",
    "silhouette_samples",
    "silhouette_score",
    "spearman",
]
